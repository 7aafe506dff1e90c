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
  without limit; a refused token is asked for, or waited for in PAUSED, or ends the connection with an error; a worker
  that was never ready ends if its provider has had no usable token for ``provider_patience``.
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
    Abort,
    Action,
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
from .messages import CLOSE_SESSION_REPLACED, INIT, parse, read_init
from .reload import Reload, Snapshot
from .states import CONNECTED, TRANSITIONS, State, Step
from .timings import Timings
from .token_life import TokenLife

__all__ = ["Session", "SessionOptions"]


ACTIVITY_RETRIES = 3
"""How often setting ``connect_activity_sid`` is retried before the worker becomes ready without it."""


@attrs.frozen(kw_only=True)
class SessionOptions:
    """The user's options for connections.

    Args:
        client_version: Sent to the service.
        close_existing_sessions: Close the worker's other sessions at the first connection.
        set_worker_offline_if_disconnected: Passed to the service; None leaves it out.
        renews_token: There is a token provider.
        connect_activity: Name or sid of the activity to set before the first ``ready``; empty for none. If it cannot be
            set, the connection ends.
        connect_activity_sid: The same, as a sid; if it cannot be set, an error is reported and the worker becomes
            ready.
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
        """The error of the latest attempt, for the message of a connect() that timed out."""
        self.failure: TaskRouterError | None = None
        """The error that ended it for good; None before the end, and after ``stop``."""
        self.ever_ready = False
        """Whether the worker was ready since ``start``."""
        self._ends_without_token = False
        self._tokens = TokenLife(timings, options.renews_token)
        self._reload = Reload()
        self._refusals = 0
        """Tokens refused since the worker was last ready."""
        self.token_failures = 0
        """Calls of the token provider in a row that failed."""
        # Time of the first token that was not usable since the last ``init``: not returned, or refused.
        self._tokenless_since: float | None = None
        # Whether any ``init`` came: other sessions are closed by the first connection only.
        self._greeted_once = False
        self._opened_at = 0.0
        self._last_beat = 0.0
        # Deadlines, None while not due: to connect again, to read the lists again, to end for lack of a token.
        self._retry_at: float | None = None
        self._load_at: float | None = None
        self._give_up_at: float | None = None

    # -- what the owner asks ---------------------------------------------------------------------------------------

    @property
    def last_beat(self) -> float:
        """Time at which the service last sent something."""
        return self._last_beat

    @property
    def deadline(self) -> float | None:
        """Time at which ``tick`` is due next; None while only an event can change anything."""
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
        """Time at which the connection counts as lost; None without one.

        Heartbeats keep a connection alive after ``init``, but do not replace ``init``.
        """
        if self.state not in CONNECTED:
            return None
        return (self._opened_at if self.state is State.GREETING else self._last_beat) + self._timings.silence

    @property
    def generation(self) -> int:
        """Number of the current connection; results of an earlier one are outdated."""
        return self._reload.generation

    @property
    def token_end(self) -> float | None:
        """Time at which the token expires or expired, as far as it is known."""
        return self._tokens.known_end

    def buffered(self, generation: int) -> tuple[str | bytes, ...] | None:
        """Return the frames that are kept until the lists are taken over.

        Args:
            generation: Connection for which they are wanted.

        Returns:
            The frames in order; None if the generation is outdated.
        """
        return self._reload.buffered if self._is_loading(generation) else None

    # -- the socket ------------------------------------------------------------------------------------------------

    def start(self, token: str, ends_at: float | None, now: float) -> list[Action]:
        """Connect with this token, or ask the provider for the first one.

        Args:
            token: The token; empty for none.
            ends_at: Its expiry time by the local clock; None if the token does not contain it (``init`` will).
            now: The current time.

        Returns:
            The actions to run.
        """
        if self.state is not State.IDLE:
            return []
        if token:
            self._tokens.start(token, ends_at, now)
            return self._connect()
        self._move(Step.REFUSE)
        return [RenewToken()]

    def opened(self, now: float) -> list[Action]:
        """The websocket is open.

        Args:
            now: The current time.

        Returns:
            The actions to run.
        """
        if self._move(Step.OPEN):
            # Frames kept for an earlier socket are dropped here: this connection's reload contains their changes.
            self._opened_at = self._last_beat = now
            self._reload.drop()
        return []

    def frames(self, frames: Sequence[str | bytes], now: float) -> list[Action]:
        """Text frames arrived together.

        Args:
            frames: The frames in order; empty for another sign of life, e.g. a websocket ping.
            now: The current time.

        Returns:
            The actions to run.
        """
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
        """The socket was closed.

        Args:
            code: Code of the close frame; None if there was none.
            reason: Reason of the close frame; may be empty.
            now: The current time.

        Returns:
            The actions to run.
        """
        # Its end was announced already: it was given up as silent, or by ``stop``.
        if self.state not in CONNECTED:
            return []
        # The JS SDK's text. 1006 stands for an end without a close frame (RFC 6455, 7.1.5).
        message = reason or f"Websocket closed with errorCode={1006 if code is None else code}"
        actions: list[Action] = [Notify("disconnected", (DisconnectReason(message, code),))]
        self.last_error = GatewayDisconnectedError(
            f"The event bridge closed the connection while the worker was {self.state.value}: {message}"
        )
        if code == CLOSE_SESSION_REPLACED:
            return actions + self._finish(
                GatewayDisconnectedError(
                    f"Another session of this worker replaced this one ({message}). It will not reconnect by itself, "
                    "since the two would close each other for ever; call connect() to take the worker back"
                )
            )
        return actions + self._back_off(now)

    def connect_failed(self, error: TaskRouterError, now: float) -> list[Action]:
        """The websocket could not be opened.

        Args:
            error: The failure; a TokenError means that the service refused the token.
            now: The current time.

        Returns:
            The actions to run.
        """
        if self.state is not State.CONNECTING:
            return []
        self.last_error = error
        if isinstance(error, TokenError):
            return self._token_refused(error, now)
        return [Notify("error", (error,)), *self._back_off(now)]

    def stop(self) -> list[Action]:
        """The user disconnects; this state is final.

        Returns:
            The actions to run.
        """
        part: list[Action] = []
        if self.state is not State.IDLE:
            # Before the state changes: which of the two is right depends on it. Without a handshake there is no peer to
            # close politely.
            part = [SendClose() if self.state in CONNECTED else Abort()]
        if not self._move(Step.END):
            return []
        self._forget()
        return [*part, Notify("disconnected", (DisconnectReason("SDK Disconnect"),))]

    # -- the reload ------------------------------------------------------------------------------------------------

    def lists_read(self, generation: int, snapshot: Snapshot) -> list[Action]:
        """The worker and its lists were read.

        Args:
            generation: Connection for which they were read.
            snapshot: The lists.

        Returns:
            The actions to run.
        """
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
        """The worker was moved to the activity chosen for connecting.

        Args:
            generation: Connection for which it was moved.
            worker: The worker's payload from the answer.

        Returns:
            The actions to run.
        """
        if not self._is_loading(generation) or self._reload.snapshot is None:
            return []
        self._reload.snapshot.worker = worker
        return self._look_up_or_take_over()

    def activity_failed(self, generation: int, error: TaskRouterError, final: bool, now: float) -> list[Action]:
        """The activity chosen for connecting could not be set.

        Args:
            generation: Connection for which it was tried.
            error: The failure.
            final: Whether a retry is useless.
            now: The current time.

        Returns:
            The actions to run.
        """
        gives_up = final or self._reload.failures >= ACTIVITY_RETRIES
        # ``connect_activity`` must be set, or connecting fails. ``connect_activity_sid``, like the JS SDK's option, is
        # only tried: a wrong sid must not keep the worker from its work.
        if self._options.connect_activity or not gives_up or isinstance(error, TokenError):
            return self.load_failed(generation, error, final, now)
        if not self._is_loading(generation):
            return []
        return [Notify("error", (error,)), *self._look_up_or_take_over()]

    def missing(self, generation: int, sids: Sequence[str]) -> list[Action]:
        """Some known reservations are neither in the list nor looked up.

        Args:
            generation: Connection whose list lacks them.
            sids: Their sids.

        Returns:
            The actions to run.
        """
        if not self._is_loading(generation):
            return []
        self._reload.missing(sids)
        return self._look_up_or_take_over()

    def looked_up(
        self, generation: int, found: Mapping[str, Any], error: TaskRouterError | None, now: float
    ) -> list[Action]:
        """Reservations were looked up.

        Args:
            generation: Connection for which they were looked up.
            found: Payloads by sid; None for a reservation that no longer exists.
            error: The first failure; None if there was none.
            now: The current time.

        Returns:
            The actions to run.
        """
        # Also for a connection that was lost: the ending of a reservation stays true.
        self._reload.found(found, generation)
        if error is not None:
            return self.load_failed(generation, error, False, now)
        return self._look_up_or_take_over() if self._is_loading(generation) else []

    def loaded(self, generation: int) -> list[Action]:
        """The lists were taken over: the worker is ready, and the kept frames follow.

        Args:
            generation: Connection whose lists were taken over.

        Returns:
            The actions to run.
        """
        # Lost while the lists were taken over: the next connection reads them again.
        if generation != self.generation or not self._move(Step.LOAD):
            return []
        self.attempts = 0
        self.last_error = None
        self.ever_ready = True
        self._refusals = 0
        # Released after the state is READY: frames that arrive from now on are delivered directly, behind these.
        frames = self._reload.release()
        return [Ready(), Deliver(frames)] if frames else [Ready()]

    def load_failed(self, generation: int, error: TaskRouterError, final: bool, now: float) -> list[Action]:
        """A step of the reload failed.

        Args:
            generation: Connection to which the step belongs.
            error: The failure.
            final: Whether a retry is useless, e.g. because the worker does not exist.
            now: The current time.

        Returns:
            The actions to run.
        """
        if not self._is_loading(generation):
            return []
        self.last_error = error
        if isinstance(error, TokenError) or final:
            # The socket is open, so its loss is announced before the state leaves LOADING.
            given_up: list[Action] = [Abort(), Notify("disconnected", (DisconnectReason(error.message),))]
            return given_up + (
                self._token_refused(error, now) if isinstance(error, TokenError) else self._finish(error)
            )
        # The socket stays open and frames stay buffered: only the lists are read again.
        self._reload.failures += 1
        self._reload.again()
        self._load_at = now + self._timings.delay(self._reload.failures)
        return [Notify("error", (error,))]

    # -- time ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        """Run the steps that are due. Early or repeated calls have no effect.

        Args:
            now: The current time.

        Returns:
            The actions to run.
        """
        tokens = self._tokens
        actions: list[Action] = []
        if _due(tokens.warn_at, now):
            # Cleared before the action is returned, so that a second tick does not announce it again. The same holds
            # below.
            tokens.warn_at = None
            actions.append(Notify("token_will_expire", (max(0.0, (tokens.ends_at or now) - now),)))
        if _due(tokens.renew_at, now):
            tokens.renew_at = None
            actions.append(RenewToken())
        if _due(tokens.expires_at, now):
            tokens.expired = True
            actions.append(Notify("token_expired"))
        if _due(self.silent_at, now):
            # Before the retries: a lost connection sets _retry_at, which is in the future, so both never run in one
            # tick.
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
        """Use another token from now on; an open websocket keeps the token it was opened with.

        If the connection waits for a delay or for a token, it connects at once. After the end this has no effect.

        Args:
            token: The new token.
            ends_at: Its expiry time by the local clock; None if the token does not contain it.
            now: The current time.

        Returns:
            The actions to run.
        """
        if self.state is State.CLOSED:
            return []
        # Not for the first token: nothing was updated.
        actions: list[Action] = [Notify("token_updated")] if self._tokens.token else []
        self.token_failures = 0
        self._tokens.renew(token, ends_at, now)
        # Without the rest of the delay, as the JS SDK does: the old token may have been what failed.
        if self.state in (State.BACKING_OFF, State.PAUSED):
            actions += self._connect()
        return actions

    def renewal_failed(self, error: TokenError, now: float) -> list[Action]:
        """The token provider raised, or did not return a valid token.

        Args:
            error: The failure.
            now: The current time.

        Returns:
            The actions to run.
        """
        if self.state is State.CLOSED:
            return []
        self.token_failures += 1
        self._tokens.renewal_failed(now)
        if self.state is not State.PAUSED:
            return []
        self.last_error = error
        return self._lack_token(error, f"the token_provider raised {type(error.__cause__ or error).__name__}", now)

    def call_refused(self, token: str, now: float) -> list[Action]:
        """A request was refused for this token: ask the provider, unless it was asked recently.

        Refused requests of a reload do not count: their failure asks the provider itself.

        Args:
            token: The refused token.
            now: The current time.

        Returns:
            The actions to run.
        """
        if self.state in (State.LOADING, State.PAUSED, State.CLOSED):
            return []
        return [RenewToken()] if self._tokens.ask_early(token, now) else []

    def end_without_token(self, now: float) -> list[Action]:
        """From now on, end the connection instead of waiting without limit for a token that has no provider.

        Args:
            now: The current time.

        Returns:
            The actions to run.
        """
        self._ends_without_token = not self._options.renews_token
        if self.state is State.PAUSED:
            self._wait_for_token(now)
        return []

    # -- inside ----------------------------------------------------------------------------------------------------

    def _move(self, step: Step) -> bool:
        """Change the state by the table; return False, with nothing changed, if this state has no such step."""
        after = TRANSITIONS[self.state].get(step)
        if after is None:
            return False
        self.state = after
        return True

    def _is_loading(self, generation: int) -> bool:
        return generation == self.generation and self.state is State.LOADING

    def _look_up_or_take_over(self) -> list[Action]:
        """Complete the snapshot, or take it over; do nothing while the lists have to be read again."""
        reload = self._reload
        if reload.init is None or reload.snapshot is None:
            return []
        sids = reload.next_look_ups()
        if sids:
            return [LookUp(reload.generation, reload.init, sids)]
        return [TakeOver(reload.generation, reload.init, reload.snapshot)]

    def _token_refused(self, error: TokenError, now: float) -> list[Action]:
        """Ask the provider for another token; without a provider, wait for one or end."""
        if self._tokens.token != self._tokens.tried:
            # There is one: it came while the refused one was on its way.
            return self._connect()
        # Reset when the worker is ready: each refusal in a row delays the next call of the provider.
        self._refusals += 1
        if self._options.renews_token:
            given_up = self._lack_token(error, error.message, now)
            if given_up:
                return given_up
            self._move(Step.REFUSE)
            ask = self._tokens.refused(self._refusals, now)
            return [Notify("error", (error,)), *([RenewToken()] if ask else [])]
        # At the first connection the caller waits for the error; later the worker waits for update_token().
        if not self.ever_ready:
            return self._finish(error)
        self._move(Step.REFUSE)
        self._wait_for_token(now)
        expired: list[Action] = []
        if isinstance(error, TokenExpiredError) and not self._tokens.expired:
            self._tokens.expired = True
            expired = [Notify("token_expired")]
        return [Notify("error", (error,)), *expired]

    def _lack_token(self, error: TokenError, reason: str, now: float) -> list[Action]:
        """The provider had no usable token: end if the worker was never ready and has been without one for too long."""
        # A wrong key or a broken provider shows at the start. Later it waits: its backend may be away for a while.
        if self.ever_ready:
            return []
        if self._tokenless_since is None:
            self._tokenless_since = now
        seconds = now - self._tokenless_since
        if seconds < self._timings.provider_patience:
            return []
        failure = TokenError(
            f"The token_provider has had no usable token for {seconds:.0f} s. Last failure: {reason}",
            status=error.status,
            code=error.code,
        )
        failure.__cause__ = error.__cause__ or error
        return self._finish(failure)

    def _wait_for_token(self, now: float) -> None:
        if self._ends_without_token:
            # A listener of token_expired or error may be fetching one at this moment.
            self._give_up_at = now + self._timings.token_patience

    def _starve(self) -> list[Action]:
        """End: no other token came in time, and there is no provider."""
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
        # Counted until the worker is ready, not until the socket is open: a service that accepts connections and then
        # fails must be retried more and more slowly too.
        self.attempts += 1
        # Only once: repeated after a reconnection it would close the session of a client that replaced this one.
        close_others = self._options.close_existing_sessions and not self._greeted_once
        query = [
            ("token", self._tokens.connecting()),
            ("closeExistingSessions", _wire_bool(close_others)),
            ("clientVersion", self._options.client_version),
        ]
        offline = self._options.set_worker_offline_if_disconnected
        # Left out, not sent as false: None keeps the service's own default.
        if offline is not None:
            query.append(("setWorkerOfflineIfDisconnected", _wire_bool(offline)))
        return [Connect(tuple(query))]

    def _greet(self, frame: str | bytes, now: float) -> list[Action]:
        """Wait for ``init``; other frames before it are kept, since their order relative to the lists is unknown."""
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
        # Before the reload begins: frames that follow in the same batch are kept in LOADING.
        self._move(Step.GREET)
        self._greeted_once = True
        self._tokenless_since = None
        # A new generation: answers still under way for the last connection are outdated from here on.
        self._reload.begin(init)
        self._tokens.greeted(init.token_lifetime, now)
        return [Notify("connected"), ReadLists(self.generation, init)]

    def _silent(self, now: float) -> list[Action]:
        self.last_error = ConnectTimeoutError(
            f"No expected frame came from the event bridge for {self._timings.silence:.0f} s while the worker was "
            f"{self.state.value}"
        )
        # Without a close frame: a peer that is silent may not read it either. The reason is the JS SDK's.
        return [Abort(), Notify("disconnected", (DisconnectReason("Connection lost"),)), *self._back_off(now)]

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
        """Clear all deadlines and kept data after the end."""
        self._reload = Reload()
        self._tokens.forget()
        self._retry_at = self._load_at = self._give_up_at = None


def _due(at: float | None, now: float) -> bool:
    return at is not None and now >= at


def _wire_bool(value: bool) -> str:
    return "true" if value else "false"
