"""Random lives of a session: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit._bridge.driver import event_frame, init_frame
from twilio_taskrouter_worker._bridge.actions import (
    Abort,
    Connect,
    Deliver,
    Finish,
    LookUp,
    Notify,
    ReadLists,
    Ready,
    RenewToken,
    SendClose,
    SetActivity,
    TakeOver,
)
from twilio_taskrouter_worker._bridge.reload import LOOK_UPS_AT_ONCE, Snapshot
from twilio_taskrouter_worker._bridge.session import Session, SessionOptions
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.timings import Timings
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
        activity=st.sampled_from(["", "Available"]),
        insists=st.booleans(),
        first=st.booleans(),
        ends=st.booleans(),
    )
    def begin(
        self,
        renews: bool,
        close_others: bool,
        lasts: float | None,
        jitter: list[float],
        activity: str,
        insists: bool,
        first: bool,
        ends: bool,
    ) -> None:
        self.draws = 0

        def random() -> float:
            self.draws += 1
            return jitter[self.draws % len(jitter)]

        self.now = 1000.0
        self.session = Session(
            SessionOptions(
                client_version="1",
                renews_token=renews,
                close_existing_sessions=close_others,
                connect_activity=activity if insists else "",
                connect_activity_sid="" if insists else activity,
            ),
            Timings(random=random),
        )
        self.activity = activity
        self.ends = ends and not renews
        self.renews = renews
        self.connecting = False
        self.socket = False
        self.greeted = False
        self.tokens = 1
        # Without a first token the provider is asked for it.
        self.token = "" if first and renews else "token-1"
        self.numbers = 0
        self.sent: list[str | bytes] = []
        self.delivered: list[str | bytes] = []
        self.ready = False
        self.ready_once = False
        self.under_way: list[Any] = []
        """Parts of the reload that the owner was asked for, and has not answered."""
        self.late: list[Any] = []
        """Such parts of connections that were lost."""
        self.known_ends: set[str] = set()
        self.disconnected_due = 0
        self.over = False
        if ends:
            self.obey(self.session.end_without_token(self.now))
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
            elif isinstance(action, (Abort, SendClose)):
                assert isinstance(action, Abort) or self.socket, "a close frame to nobody"
                if self.socket:
                    self.lost()
                self.connecting = False
            elif isinstance(action, (ReadLists, SetActivity, LookUp, TakeOver)):
                assert self.socket
                assert action.generation == self.session.generation
                assert self.session.state is State.LOADING
                assert not self.under_way, "two parts of one reload at once"
                assert not isinstance(action, SetActivity) or (self.activity and not self.ready_once)
                if isinstance(action, LookUp):
                    assert 0 < len(action.sids) <= LOOK_UPS_AT_ONCE
                    assert not self.known_ends & set(action.sids), "looked up although its end is known"
                self.under_way.append(action)
            elif isinstance(action, Ready):
                assert self.session.state is State.READY
                self.ready_once = True
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
        self.late += self.under_way
        self.under_way = []

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
            self.obey(self.session.frames((frame,), self.now))

    @precondition(lambda self: self.socket)
    @rule()
    def hear_heartbeat(self) -> None:
        if self.session.state is not State.GREETING:
            self.sent.append(" ")
        self.obey(self.session.frames((" ",), self.now))

    @precondition(lambda self: self.socket and not self.greeted_now)
    @rule(lifetime=st.sampled_from([None, 0, 4_000, 6_000, 100_000, 3_600_000]))
    def greet(self, lifetime: int | None) -> None:
        self.greeted_now = self.greeted = True
        self.obey(self.session.frames((init_frame(lifetime),), self.now))
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

    @precondition(lambda self: self.under_way)
    @rule(lost=st.integers(0, 60))
    def go_on(self, lost: int) -> None:
        """The owner has done what it was asked for; a comparison may find reservations that ended meanwhile."""
        action, number = self.under_way.pop(), self.session.generation
        if isinstance(action, ReadLists):
            self.obey(self.session.lists_read(number, Snapshot({}, [], [], [])))
        elif isinstance(action, SetActivity):
            self.obey(self.session.activity_set(number, {}))
        elif isinstance(action, LookUp):
            self.obey(self.session.looked_up(number, self.found(action), None, self.now))
        else:
            sids = [f"WR{each}" for each in range(lost) if f"WR{each}" not in action.snapshot.ended]
            if sids and not action.snapshot.ended:
                self.obey(self.session.missing(number, sids))
            else:
                self.take_over(number)

    def found(self, action: LookUp) -> dict[str, Any]:
        self.known_ends |= set(action.sids)
        return {sid: {"reservation_status": "completed"} for sid in action.sids}

    def take_over(self, number: int) -> None:
        before = list(self.sent)
        self.known_ends = set()
        self.ready = True
        self.obey(self.session.loaded(number))
        assert self.session.state is State.READY
        assert self.delivered == before

    @precondition(lambda self: self.under_way)
    @rule(
        final=st.sampled_from([False, False, True]),
        error=st.one_of(st.just(InitializationError("unread")), st.just(InitializationError("unread")), TOKEN_ERRORS),
    )
    def fail_to_load(self, final: bool, error: Any) -> None:
        action, number = self.under_way.pop(), self.session.generation
        if isinstance(action, SetActivity):
            self.obey(self.session.activity_failed(number, error, final, self.now))
        elif isinstance(action, LookUp):
            part = {sid: each for sid, each in self.found(action).items() if sid < "WR3"}
            self.known_ends -= set(action.sids) - set(part)
            self.obey(self.session.looked_up(number, part, error, self.now))
        else:
            self.obey(self.session.load_failed(number, error, final, self.now))

    @precondition(lambda self: self.late)
    @rule()
    def late_look_ups(self) -> None:
        """What an earlier connection asked for comes now: an end is an end, and all else is passed over."""
        action, state = self.late.pop(), self.session.state
        if isinstance(action, LookUp) and not self.over and not self.under_way:
            self.obey(self.session.looked_up(action.generation, self.found(action), None, self.now))
        assert self.session.state is state

    @rule(back=st.integers(1, 3), error=st.one_of(st.just(InitializationError("unread")), TOKEN_ERRORS))
    def late_results(self, back: int, error: Any) -> None:
        number = self.session.generation - back
        state = self.session.state
        self.obey(self.session.loaded(number))
        self.obey(self.session.lists_read(number, Snapshot({}, [], [], [])))
        self.obey(self.session.activity_set(number, {}))
        self.obey(self.session.missing(number, ["WR1"]))
        self.obey(self.session.load_failed(number, error, True, self.now))
        assert self.session.state is state

    @precondition(lambda self: not self.over)
    @rule()
    def refuse_a_call(self) -> None:
        self.obey(self.session.call_refused(self.token, self.now))

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
        self.obey(self.session.renewal_failed(TokenError("provider"), self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 29.9, 30.0, 100.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    @precondition(lambda self: self.session.deadline is not None)
    @rule()
    def wait_for_the_deadline(self) -> None:
        assert self.session.deadline is not None
        self.now = max(self.now, self.session.deadline)
        self.tick()

    def tick(self) -> None:
        # The owner learns of a hang-up from the machine, here for silence.
        self.obey(self.session.tick(self.now))
        assert self.session.deadline is None or self.session.deadline > self.now, "due, and not done"
        assert self.session.tick(self.now) == [], "a second tick at the same time does nothing"

    @rule()
    def stop(self) -> None:
        actions = self.session.stop()
        events = [action.event for action in actions if isinstance(action, Notify)]
        assert events == ([] if self.over else ["disconnected"])
        if not self.over:
            self.obey(actions, stopping=True)
        self.over, self.socket, self.connecting, self.under_way, self.ready = True, False, False, [], False
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
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
)
TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.__doc__ = "No order of events and clock moves breaks a promise of the session."
