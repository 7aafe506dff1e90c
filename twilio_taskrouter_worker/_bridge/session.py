"""The life of one connection to the event bridge, as a state machine without I/O. Pure.

It is given what happened and when (``opened``, ``frame``, ``closed``, ``tick`` ...) and returns what to do next: a list
of actions. It has every rule on connecting, heartbeats, reloading, reconnecting and tokens; sockets, threads and clocks
belong to :mod:`connection`. Times are seconds of one monotonic clock.

**Invariants**, and how they are kept:

- *One socket.* ``Connect`` is only asked for when none is open or being opened. Each change of state goes through
  ``_move``, which refuses what TRANSITIONS does not list: a late or repeated result finds no transition and changes
  nothing.
- *There is always a way on.* In each state but READY's own frames, something is due (``deadline``), under way with the
  owner, or asked of the user: a connection that says nothing is given up after ``silence``; a lost one is tried again
  without limit; a refused token is asked for, or waited for in PAUSED, or ends the connection with an error.
- *The service decides about tokens.* The own clock announces that a token ends, but no connection is left untried on
  its word: the service refuses what has expired, and only that leads to PAUSED.
- *Each frame once, in order.* Frames are delivered at once in READY, and kept from the first frame of a connection
  until its lists are taken over; see :mod:`reload`. What was kept for a lost connection is dropped: its reload has it.
- *The end is final.* In CLOSED every method returns nothing to do, and no time is due.

::

    IDLE -start-> CONNECTING -opened-> GREETING -init-> LOADING -loaded-> READY
                      ^  |                 |               |                |
                      |  +-- failed -------+- closed, or silent for 30 s ---+
                      |                    v
                      +--- delay --- BACKING_OFF
    the service refused the token: PAUSED until token_changed
    stop(), or a failure that no retry can mend: CLOSED
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..errors import (
    ConnectTimeoutError,
    GatewayDisconnectedError,
    InvalidMessageError,
    TaskRouterError,
    TokenError,
    TokenExpiredError,
)
from ..events import DisconnectReason
from .actions import (
    Action,
    Connect,
    Deliver,
    Finish,
    HangUp,
    LookUp,
    Notify,
    ReadLists,
    Ready,
    RenewToken,
    SayGoodbye,
    SetActivity,
    TakeOver,
)
from .messages import CLOSE_SESSION_REPLACED, INIT, parse, read_init
from .reload import Reload, Snapshot
from .states import CONNECTED, TRANSITIONS, State, Step
from .timings import Timings
from .token_life import TokenLife

__all__ = ["Session", "SessionOptions"]


ACTIVITY_RETRIES = 3
"""How often taking ``connect_activity_sid`` is tried again before the worker gets ready without it."""


@attrs.frozen(kw_only=True)
class SessionOptions:
    """What the user chose.

    Args:
        client_version: Sent to the service.
        close_existing_sessions: Close the worker's other sessions at the first connection.
        set_worker_offline_if_disconnected: Passed to the service; None leaves it out.
        renews_token: There is a token provider.
        connect_activity: Name or sid of the activity to take before the first ``ready``; empty: none. Where it cannot
            be taken, the connection ends.
        connect_activity_sid: The same, a sid; where it cannot be taken, that is an error, and the worker gets ready.
    """

    client_version: str
    close_existing_sessions: bool = False
    set_worker_offline_if_disconnected: bool | None = None
    renews_token: bool = False
    connect_activity: str = ""
    connect_activity_sid: str = ""


class Session:
    """The machine. Not thread-safe: its owner holds a lock around each call and runs the actions after it."""

    def __init__(self, options: SessionOptions, timings: Timings) -> None:
        self._options = options
        self._timings = timings
        self.state = State.IDLE
        self.attempts = 0
        """Connections tried since the worker was last ready."""
        self.last_error: TaskRouterError | None = None
        """Why the latest attempt failed; for the message of a connect() that ran out of time."""
        self.failure: TaskRouterError | None = None
        """What ended it for good; None while it lives, and if it was ``stop``."""
        self.ever_ready = False
        """Whether the worker was ready since ``start``."""
        self._ends_without_token = False
        self._tokens = TokenLife(timings, options.renews_token)
        self._reload = Reload()
        self._refusals = 0
        """Tokens refused since the worker was last ready."""
        self._greeted_once = False
        self._opened_at = 0.0
        self._last_beat = 0.0
        self._retry_at: float | None = None
        self._load_at: float | None = None
        self._give_up_at: float | None = None

    # -- what the owner asks ---------------------------------------------------------------------------------------

    @property
    def last_beat(self) -> float:
        """When the service last sent something."""
        return self._last_beat

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is wanted next; None while only an event can change anything."""
        tokens = self._tokens
        times = [
            self._retry_at,
            self._load_at,
            self._give_up_at,
            tokens.warn_at,
            tokens.renew_at,
            tokens.expires_at,
            self.silent_at,
        ]
        return min((time for time in times if time is not None), default=None)

    @property
    def silent_at(self) -> float | None:
        """When the connection is given up: heartbeats keep a greeted one alive, but do not stand in for ``init``."""
        if self.state not in CONNECTED:
            return None
        return (self._opened_at if self.state is State.GREETING else self._last_beat) + self._timings.silence

    @property
    def generation(self) -> int:
        """Number of the present connection; what belongs to an earlier one is out of date."""
        return self._reload.generation

    @property
    def token_end(self) -> float | None:
        """When the token ends or ended, as far as that is known."""
        return self._tokens.known_end

    def buffered(self, generation: int) -> tuple[str | bytes, ...] | None:
        """The frames that wait for the lists of this generation; None if it is out of date."""
        return self._reload.buffered if self._is_loading(generation) else None

    # -- the socket ------------------------------------------------------------------------------------------------

    def start(self, token: str, ends_at: float | None, now: float) -> list[Action]:
        """Connect with this token, or ask the provider for the first one where it is empty.

        Args:
            token: The token; empty for none.
            ends_at: Its end by the own clock; None when the token does not say (``init`` will).
            now: The time.
        """
        if self.state is not State.IDLE:
            return []
        if token:
            self._tokens.start(token, ends_at, now)
            return self._connect()
        self._move(Step.REFUSE)
        return [RenewToken()]

    def opened(self, now: float) -> list[Action]:
        """The websocket is open."""
        if self._move(Step.OPEN):
            self._opened_at = self._last_beat = now
            self._reload.drop()
        return []

    def frames(self, frames: Sequence[str | bytes], now: float) -> list[Action]:
        """Text frames came together; none at all is another sign of life, e.g. a websocket ping."""
        self._last_beat = now
        if self.state is State.READY:
            return [Deliver(frames)] if frames else []
        actions: list[Action] = []
        for frame in frames:
            if self.state is State.LOADING:
                self._reload.keep(frame)
            elif self.state is State.GREETING:
                actions += self._greet(frame, now)
        return actions

    def closed(self, code: int | None, reason: str, now: float) -> list[Action]:
        """The socket ended, by a close frame or without one (code None)."""
        if self.state not in CONNECTED:
            return []
        message = reason or f"Websocket closed with errorCode={1006 if code is None else code}"
        actions: list[Action] = [Notify("disconnected", (DisconnectReason(message, code),))]
        self.last_error = GatewayDisconnectedError(
            f"The event bridge closed the connection while the worker was {self.state.value}: {message}"
        )
        if code == CLOSE_SESSION_REPLACED:
            return actions + self._finish(
                GatewayDisconnectedError(
                    f"Another session of this worker replaced this one ({message}). It will not reconnect by itself, "
                    "since the two would close each other for ever; call connect() to take the worker back."
                )
            )
        return actions + self._back_off(now)

    def connect_failed(self, error: TaskRouterError, now: float) -> list[Action]:
        """The websocket could not be opened. A TokenError means that the service refused the token."""
        if self.state is not State.CONNECTING:
            return []
        self.last_error = error
        if isinstance(error, TokenError):
            return self._token_refused(error, now)
        return [Notify("error", (error,)), *self._back_off(now)]

    def stop(self) -> list[Action]:
        """The user disconnects: nothing comes after this."""
        part: list[Action] = []
        if self.state is not State.IDLE:
            part = [SayGoodbye() if self.state in CONNECTED else HangUp()]
        if not self._move(Step.END):
            return []
        self._forget()
        return [*part, Notify("disconnected", (DisconnectReason("SDK Disconnect"),))]

    # -- the reload ------------------------------------------------------------------------------------------------

    def lists_read(self, generation: int, snapshot: Snapshot) -> list[Action]:
        """The worker and its lists are there."""
        init = self._reload.init
        if not self._is_loading(generation) or init is None:
            return []
        self._reload.snapshot = snapshot
        insists = self._options.connect_activity != ""
        activity = self._options.connect_activity or self._options.connect_activity_sid
        if activity and not self.ever_ready:
            # Not again after a mere reconnection: the agent may have chosen another activity since.
            return [SetActivity(generation, init, activity, insists, snapshot)]
        return self._look_up_or_take_over()

    def activity_set(self, generation: int, worker: Any) -> list[Action]:
        """The worker is in the activity chosen for connecting; *worker* is the service's answer."""
        if not self._is_loading(generation) or self._reload.snapshot is None:
            return []
        self._reload.snapshot.worker = worker
        return self._look_up_or_take_over()

    def activity_failed(self, generation: int, error: TaskRouterError, final: bool, now: float) -> list[Action]:
        """The activity chosen for connecting could not be taken; *final* where trying again cannot help."""
        gives_up = final or self._reload.failures >= ACTIVITY_RETRIES
        if self._options.connect_activity or not gives_up or isinstance(error, TokenError):
            return self.load_failed(generation, error, final, now)
        if not self._is_loading(generation):
            return []
        return [Notify("error", (error,)), *self._look_up_or_take_over()]

    def missing(self, generation: int, sids: Sequence[str]) -> list[Action]:
        """These reservations are known, and neither in the list nor looked up."""
        if not self._is_loading(generation):
            return []
        self._reload.missing(sids)
        return self._look_up_or_take_over()

    def looked_up(
        self, generation: int, found: Mapping[str, Any], error: TaskRouterError | None, now: float
    ) -> list[Action]:
        """Reservations were looked up: what was found by sid (None: gone), and what failed first, if anything did."""
        self._reload.found(found, generation)
        if error is not None:
            return self.load_failed(generation, error, False, now)
        return self._look_up_or_take_over() if self._is_loading(generation) else []

    def loaded(self, generation: int) -> list[Action]:
        """The lists are taken over: the worker is ready, and what was kept follows."""
        if generation != self.generation or not self._move(Step.LOAD):
            return []
        self.attempts = 0
        self.last_error = None
        self.ever_ready = True
        self._refusals = 0
        frames = self._reload.release()
        return [Ready(), Deliver(frames)] if frames else [Ready()]

    def load_failed(self, generation: int, error: TaskRouterError, final: bool, now: float) -> list[Action]:
        """A step failed; *final* where trying again cannot help, e.g. the worker does not exist."""
        if not self._is_loading(generation):
            return []
        self.last_error = error
        if isinstance(error, TokenError) or final:
            given_up: list[Action] = [HangUp(), Notify("disconnected", (DisconnectReason(error.message),))]
            return given_up + (
                self._token_refused(error, now) if isinstance(error, TokenError) else self._finish(error)
            )
        self._reload.failures += 1
        self._reload.again()
        self._load_at = now + self._timings.delay(self._reload.failures)
        return [Notify("error", (error,))]

    # -- time ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        """Do what is due. Early or repeated calls do no harm."""
        tokens = self._tokens
        actions: list[Action] = []
        if _due(tokens.warn_at, now):
            tokens.warn_at = None
            actions.append(Notify("token_will_expire", (max(0.0, (tokens.ends_at or now) - now),)))
        if _due(tokens.renew_at, now):
            tokens.renew_at = None
            actions.append(RenewToken())
        if _due(tokens.expires_at, now):
            tokens.expired = True
            actions.append(Notify("token_expired"))
        if _due(self.silent_at, now):
            actions += self._silent(now)
        if _due(self._load_at, now) and self._reload.init is not None:
            self._load_at = None
            actions.append(ReadLists(self.generation, self._reload.init))
        if _due(self._retry_at, now):
            actions += self._connect()
        if _due(self._give_up_at, now):
            actions += self._starve()
        return actions

    # -- tokens ----------------------------------------------------------------------------------------------------

    def token_changed(self, token: str, ends_at: float | None, now: float) -> list[Action]:
        """Use another token from now on; an open socket keeps the one it was opened with.

        Where the connection waits, for a delay or for a token, it is made at once. After the end it changes nothing.
        """
        if self.state is State.CLOSED:
            return []
        actions: list[Action] = [Notify("token_updated")] if self._tokens.token else []
        self._tokens.renew(token, ends_at, now)
        if self.state in (State.BACKING_OFF, State.PAUSED):
            actions += self._connect()
        return actions

    def renewal_failed(self, error: TokenError, now: float) -> list[Action]:
        """The token provider raised, or returned something else than a token."""
        if self.state is State.PAUSED:
            self.last_error = error
        if self.state is not State.CLOSED:
            self._tokens.renewal_failed(now)
        return []

    def call_refused(self, token: str, now: float) -> list[Action]:
        """A request was refused for this token: ask the provider, unless it was asked a moment ago.

        The requests of a reload are not the matter of this: their failure asks by itself.
        """
        if self.state in (State.LOADING, State.PAUSED, State.CLOSED):
            return []
        return [RenewToken()] if self._tokens.ask_early(token, now) else []

    def end_without_token(self, now: float) -> list[Action]:
        """From now on the connection ends, rather than wait without limit for a token that nobody provides."""
        self._ends_without_token = not self._options.renews_token
        if self.state is State.PAUSED:
            self._wait_for_token(now)
        return []

    # -- inside ----------------------------------------------------------------------------------------------------

    def _move(self, step: Step) -> bool:
        """Change the state by the table; False, and nothing changes, where the step does not fit the state."""
        after = TRANSITIONS[self.state].get(step)
        if after is None:
            return False
        self.state = after
        return True

    def _is_loading(self, generation: int) -> bool:
        return generation == self.generation and self.state is State.LOADING

    def _look_up_or_take_over(self) -> list[Action]:
        """What completes the snapshot, or uses it; nothing while the lists are to be read again."""
        reload = self._reload
        if reload.init is None or reload.snapshot is None:
            return []
        sids = reload.next_look_ups()
        if sids:
            return [LookUp(reload.generation, reload.init, sids)]
        return [TakeOver(reload.generation, reload.init, reload.snapshot)]

    def _token_refused(self, error: TokenError, now: float) -> list[Action]:
        """Without another token it is useless to go on; with a provider there may be one."""
        if self._tokens.token != self._tokens.tried:
            # There is one: it came while the refused one was on its way.
            return self._connect()
        self._refusals += 1
        if self._options.renews_token:
            self._move(Step.REFUSE)
            ask = self._tokens.refused(self._refusals, now)
            return [Notify("error", (error,)), *([RenewToken()] if ask else [])]
        if not self.ever_ready:
            return self._finish(error)
        self._move(Step.REFUSE)
        self._wait_for_token(now)
        expired: list[Action] = []
        if isinstance(error, TokenExpiredError) and not self._tokens.expired:
            self._tokens.expired = True
            expired = [Notify("token_expired")]
        return [Notify("error", (error,)), *expired]

    def _wait_for_token(self, now: float) -> None:
        if self._ends_without_token:
            # A listener of token_expired or error may be fetching one at this moment.
            self._give_up_at = now + self._timings.token_patience

    def _starve(self) -> list[Action]:
        """No other token came, and nobody can be asked for one."""
        refused = self.last_error
        error = TokenExpiredError(
            "The connection was lost and cannot be made again: the service refuses the token, and there is no "
            "token_provider that could give another one",
            status=refused.status if refused else None,
            code=refused.code if refused else None,
        )
        error.__cause__ = refused
        return self._finish(error)

    def _connect(self) -> list[Action]:
        self._move(Step.CONNECT)
        self._retry_at = self._load_at = self._give_up_at = None
        self.attempts += 1
        close_others = self._options.close_existing_sessions and not self._greeted_once
        query = [
            ("token", self._tokens.connecting()),
            ("closeExistingSessions", _wire_bool(close_others)),
            ("clientVersion", self._options.client_version),
        ]
        offline = self._options.set_worker_offline_if_disconnected
        if offline is not None:
            query.append(("setWorkerOfflineIfDisconnected", _wire_bool(offline)))
        return [Connect(tuple(query))]

    def _greet(self, frame: str | bytes, now: float) -> list[Action]:
        """Wait for ``init``; whatever else comes before it is kept, as nothing is known of its order."""
        try:
            message = parse(frame)
            if message is None:
                return []
            if message.event_type != INIT:
                self._reload.keep(frame)
                return []
            init = read_init(message.payload)
        except InvalidMessageError as error:
            return [Notify("error", (error,))]
        self._move(Step.GREET)
        self._greeted_once = True
        self._reload.begin(init)
        self._tokens.greeted(init.token_lifetime, now)
        return [Notify("connected"), ReadLists(self.generation, init)]

    def _silent(self, now: float) -> list[Action]:
        self.last_error = ConnectTimeoutError(
            f"No frame that counts came from the event bridge for {self._timings.silence:.0f} s while the worker was "
            f"{self.state.value}"
        )
        return [HangUp(), Notify("disconnected", (DisconnectReason("Connection lost"),)), *self._back_off(now)]

    def _back_off(self, now: float) -> list[Action]:
        self._move(Step.LOSE)
        self._load_at = None
        self._reload.drop()
        delay = self._timings.delay(self.attempts)
        self._retry_at = now + delay
        return [Notify("reconnecting", (delay,))]

    def _finish(self, error: TaskRouterError) -> list[Action]:
        self._move(Step.END)
        self._forget()
        self.failure = error
        return [Notify("error", (error,)), Finish(error)]

    def _forget(self) -> None:
        """After the end nothing is due, and nothing is kept."""
        self._reload = Reload()
        self._tokens.forget()
        self._retry_at = self._load_at = self._give_up_at = None


def _due(at: float | None, now: float) -> bool:
    return at is not None and now >= at


def _wire_bool(value: bool) -> str:
    return "true" if value else "false"
