"""Random lives of a session: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit._bridge.driver import event_frame, init_frame
from twilio_taskrouter_worker._bridge.session import (
    Connect,
    Deliver,
    Finish,
    HangUp,
    Load,
    Notify,
    RenewToken,
    Session,
    SessionOptions,
    State,
)
from twilio_taskrouter_worker.errors import GatewayConnectionError, InitializationError, TokenError, TokenExpiredError

LIFETIMES = st.one_of(st.none(), st.sampled_from([-10.0, 0.0, 4.0, 6.0, 20.0, 100.0, 3600.0]))
TOKEN_ERRORS = st.sampled_from([TokenError("refused"), TokenExpiredError("expired")])


class SessionMachine(RuleBasedStateMachine):
    """Plays the owner of a session, which obeys its actions, and the world, which does as it likes."""

    @initialize(
        renews=st.booleans(),
        close_others=st.booleans(),
        lasts=LIFETIMES,
        jitter=st.lists(st.floats(0, 0.999), min_size=1, max_size=5),
    )
    def begin(self, renews: bool, close_others: bool, lasts: float | None, jitter: list[float]) -> None:
        self.draws = 0

        def random() -> float:
            self.draws += 1
            return jitter[self.draws % len(jitter)]

        self.now = 1000.0
        self.session = Session(
            SessionOptions(client_version="1", renews_token=renews, close_existing_sessions=close_others), random
        )
        self.renews = renews
        self.connecting = False
        self.socket = False
        self.greeted = False
        self.tokens = 1
        self.token = "token-1"
        self.numbers = 0
        self.sent: list[str | bytes] = []
        self.delivered: list[str | bytes] = []
        self.ready = False
        self.loading: list[int] = []
        self.disconnected_due = 0
        self.over = False
        self.obey(self.session.start(self.token, None if lasts is None else self.now + lasts, self.now))

    # -- obeying -----------------------------------------------------------------------------------------------------

    def obey(self, actions: list[Any], *, stopping: bool = False) -> None:
        assert not self.over or not actions, "something was wanted after the end"
        for action in actions:
            if isinstance(action, Connect):
                assert not self.connecting, "two connections under way"
                assert not self.socket, "a connection beside an open one"
                assert dict(action.query)["token"] == self.token, "an outdated token"
                assert dict(action.query)["closeExistingSessions"] == "false" or not self.greeted
                self.connecting = True
            elif isinstance(action, HangUp):
                if self.socket:
                    self.lost()
                self.connecting = False
            elif isinstance(action, Load):
                assert self.socket
                assert action.generation == self.session.generation
                assert self.session.state is State.LOADING
                self.loading.append(action.generation)
            elif isinstance(action, Deliver):
                assert self.socket
                self.delivered += action.frames
            elif isinstance(action, RenewToken):
                assert self.renews
            elif isinstance(action, Finish):
                self.over = True
            elif action.event == "disconnected" and not stopping:
                assert self.disconnected_due == 1, "disconnected without a connection that ended, or twice"
                self.disconnected_due = 0
            elif action.event == "reconnecting":
                (delay,) = action.args
                assert 0.8 <= delay <= 30.0
        assert stopping or self.disconnected_due == 0, "a connection ended without a word"

    def lost(self) -> None:
        """The socket is gone, whoever ended it."""
        self.socket = False
        self.disconnected_due += 1
        self.ready = False
        self.loading = []

    # -- the world ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.connecting)
    @rule()
    def open(self) -> None:
        self.connecting, self.socket, self.greeted_now = False, True, False
        self.sent, self.delivered = [], []
        self.obey(self.session.opened(self.now))
        assert self.session.state is State.GREETING

    @precondition(lambda self: self.connecting)
    @rule(error=st.one_of(st.just(GatewayConnectionError("refused")), TOKEN_ERRORS))
    def refuse(self, error: Any) -> None:
        self.connecting = False
        self.obey(self.session.connect_failed(error, self.now))

    @precondition(lambda self: self.socket)
    @rule(number=st.integers(1, 3))
    def hear(self, number: int) -> None:
        for _ in range(number):
            self.numbers += 1
            frame: str | bytes = event_frame(self.numbers)
            if self.numbers % 3 == 0:
                frame = str(frame).encode()
            self.sent.append(frame)
            self.obey(self.session.frame(frame, self.now))

    @precondition(lambda self: self.socket)
    @rule()
    def hear_heartbeat(self) -> None:
        if self.session.state is not State.GREETING:
            self.sent.append(" ")
        self.obey(self.session.frame(" ", self.now))

    @precondition(lambda self: self.socket and not self.greeted_now)
    @rule(lifetime=st.sampled_from([None, 0, 4_000, 6_000, 100_000, 3_600_000]))
    def greet(self, lifetime: int | None) -> None:
        self.greeted_now = self.greeted = True
        self.obey(self.session.frame(init_frame(lifetime), self.now))
        assert self.session.state is State.LOADING

    @precondition(lambda self: self.socket)
    @rule(code=st.sampled_from([None, 1000, 1006, 4000]))
    def close(self, code: int | None) -> None:
        self.lost()
        self.obey(self.session.closed(code, "", self.now))

    @precondition(lambda self: self.socket)
    @rule()
    def replace(self) -> None:
        self.lost()
        self.obey(self.session.closed(4001, "", self.now))
        assert self.over

    @precondition(lambda self: self.loading)
    @rule()
    def load(self) -> None:
        number = self.loading.pop()
        before = list(self.sent)
        self.obey(self.session.loaded(number, self.now))
        assert self.session.state is State.READY
        self.ready = True
        assert self.delivered == before

    @precondition(lambda self: self.loading)
    @rule(
        final=st.sampled_from([False, False, True]),
        error=st.one_of(st.just(InitializationError("unread")), st.just(InitializationError("unread")), TOKEN_ERRORS),
    )
    def fail_to_load(self, final: bool, error: Any) -> None:
        number = self.loading.pop()
        self.obey(self.session.load_failed(number, error, final, self.now))

    @rule(back=st.integers(1, 3), error=st.one_of(st.just(InitializationError("unread")), TOKEN_ERRORS))
    def late_results(self, back: int, error: Any) -> None:
        number = self.session.generation - back
        state = self.session.state
        self.obey(self.session.loaded(number, self.now))
        self.obey(self.session.load_failed(number, error, True, self.now))
        assert self.session.state is state

    @rule(lasts=LIFETIMES)
    def change_token(self, lasts: float | None) -> None:
        self.tokens += 1
        before, self.token = self.token, f"token-{self.tokens}"
        waiting = self.session.state in (State.BACKING_OFF, State.PAUSED)
        self.obey(self.session.token_changed(self.token, None if lasts is None else self.now + lasts, self.now))
        assert not waiting or self.connecting, f"{before} was replaced, and nothing happened"

    @precondition(lambda self: self.renews)
    @rule()
    def fail_to_renew(self) -> None:
        self.obey(self.session.renewal_failed(self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 29.9, 30.0, 100.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    @precondition(lambda self: self.session.deadline is not None)
    @rule()
    def wait_for_the_deadline(self) -> None:
        self.now = max(self.now, self.session.deadline)
        self.tick()

    def tick(self) -> None:
        # The owner learns of a hang-up from the machine, here for silence.
        self.obey(self.session.tick(self.now))
        assert self.session.deadline is None or self.session.deadline > self.now, "due, and not done"
        assert self.session.tick(self.now) == [], "a second tick at the same time does nothing"

    @rule()
    def stop(self) -> None:
        actions = self.session.stop(self.now)
        events = [action.event for action in actions if isinstance(action, Notify)]
        assert events == ([] if self.over else ["disconnected"])
        if not self.over:
            self.obey(actions, stopping=True)
        self.over, self.socket, self.connecting, self.loading, self.ready = True, False, False, [], False
        self.disconnected_due = 0

    # -- always ------------------------------------------------------------------------------------------------------

    @invariant()
    def frames_are_delivered_in_order_once(self) -> None:
        if self.ready:
            assert self.delivered == self.sent
        else:
            assert self.delivered == self.sent[: len(self.delivered)]

    @invariant()
    def the_state_fits_the_world(self) -> None:
        state = self.session.state
        assert (state is State.CONNECTING) == self.connecting
        assert (state in (State.GREETING, State.LOADING, State.READY)) == self.socket
        assert (state is State.READY) == self.ready
        assert (state is State.CLOSED) == self.over

    @invariant()
    def there_is_always_a_way_on(self) -> None:
        state = self.session.state
        if state is State.BACKING_OFF or self.socket:
            assert self.session.deadline is not None
        if state is State.CLOSED:
            assert self.session.deadline is None


SessionMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.__doc__ = "No order of events and clock moves breaks a promise of the session."
