"""The life of one connection to the event bridge, as a state machine without I/O. Pure.

It is told what happened and when (``opened``, ``frame``, ``closed``, ``tick`` ...) and answers with what to do next: a
list of actions. It owns every rule on connecting, heartbeats, buffering, reconnecting and tokens; sockets, threads and
clocks belong to :mod:`signaling`. Times are seconds of one monotonic clock.

::

    IDLE -start-> CONNECTING -opened-> GREETING -init-> LOADING -loaded-> READY
                      ^                    |               |                |
                      |                    +--- closed, or silent for 30 s -+
                      |                                    v
                      +---------- delay over --------- BACKING_OFF
    no reconnecting without a valid token: PAUSED until token_changed
    CLOSED: stop(), or a failure that no retry can mend
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
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
from .messages import CLOSE_SESSION_REPLACED, INIT, Init, parse, read_init

__all__ = [
    "CONNECTED",
    "Action",
    "Connect",
    "Deliver",
    "Finish",
    "HangUp",
    "Load",
    "Notify",
    "RenewToken",
    "Session",
    "SessionOptions",
    "State",
]

SILENCE_LIMIT = 30.0
"""Seconds without any frame after which the connection counts as lost; the service sends one every 15 s."""

EXPIRY_LEAD = 5.0
"""``token_expired`` comes this many seconds before the token's end, as in the JS SDK."""

WARNING_SHARE = 0.2
WARNING_MAX = 300.0
"""``token_will_expire``, and the first renewal, come when this share of the token's time is left, at most this many
seconds before its end."""

RENEWAL_RETRY = 5.0
"""Seconds before a failed renewal is tried again, doubled at each failure up to RENEWAL_RETRY_MAX."""
RENEWAL_RETRY_MAX = 60.0

RENEWAL_PAUSE = 1.0
"""A token that would have to be renewed within so many seconds of its coming counts as a failed renewal."""

BACKOFF_MIN = 0.8
BACKOFF_MAX = 30.0
"""Reconnect delays, seconds: uniform between BACKOFF_MIN and ``2**k - 1``, at most BACKOFF_MAX, k counting the tries
since the last time the worker was ready (and at least 1 s at the top)."""


class State(enum.Enum):
    """Where the connection stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    GREETING = "waiting for init"
    LOADING = "reading the worker's lists"
    READY = "ready"
    BACKING_OFF = "waiting to reconnect"
    PAUSED = "waiting for a new token"
    CLOSED = "closed"


CONNECTED = frozenset({State.GREETING, State.LOADING, State.READY})


@attrs.frozen
class Connect:
    """Open a websocket with this query, then call ``opened`` or ``connect_failed``."""

    query: tuple[tuple[str, str], ...] = attrs.field(repr=False)


@attrs.frozen
class HangUp:
    """Give up the socket at once; nothing more of it will be listened to."""


@attrs.frozen
class Load:
    """Read the worker and its lists, then call ``loaded`` or ``load_failed`` with this generation."""

    generation: int
    init: Init


@attrs.frozen
class Deliver:
    """Hand these frames on, in order."""

    frames: Sequence[str | bytes] = attrs.field(repr=False)


@attrs.frozen
class Notify:
    """Fire a public event of the worker."""

    event: str
    args: tuple[Any, ...] = ()


@attrs.frozen
class RenewToken:
    """Ask the token provider, then call ``token_changed`` or ``renewal_failed``."""


@attrs.frozen
class Finish:
    """Nothing can be done any more: report the error to whoever waits, and end."""

    error: TaskRouterError


Action = Connect | HangUp | Load | Deliver | Notify | RenewToken | Finish


@attrs.frozen(kw_only=True)
class SessionOptions:
    """What the user chose."""

    client_version: str
    close_existing_sessions: bool = False
    set_worker_offline_if_disconnected: bool | None = None
    renews_token: bool = False
    """There is a token provider."""


class Session:
    """The machine. Not thread-safe: its owner holds a lock around each call and runs the actions after it."""

    def __init__(self, options: SessionOptions, random: Callable[[], float]) -> None:
        self._options = options
        self._random = random
        self.state = State.IDLE
        self.attempts = 0
        """Connections tried since the worker was last ready."""
        self.last_error: TaskRouterError | None = None
        """Why the latest try failed; for the message of a connect() that ran out of time."""
        self._token = ""
        self._token_tried = ""
        """The token of the latest connection, or of the one under way."""
        self._refusals = 0
        """Tokens refused since the worker was last ready."""
        self.generation = 0
        """Number of the present connection; what belongs to an earlier one is out of date."""
        self.ever_ready = False
        """Whether the worker was ready since ``start``."""
        self._greeted_once = False
        self._opened_at = 0.0
        self._last_beat = 0.0
        self._buffer: list[str | bytes] = []
        self._init: Init | None = None
        self._retry_at: float | None = None
        self._load_at: float | None = None
        self._load_failures = 0
        self._expires_at: float | None = None
        self._warn_at: float | None = None
        self._renew_at: float | None = None
        self._renewal_failures = 0
        self._expired = False
        self._expiry_from_init = True

    # -- what the owner asks ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is wanted next; None while only an event can change anything."""
        times = [self._retry_at, self._load_at, self._warn_at, self._renew_at, self._expiry_due, self._silence_due]
        return min((time for time in times if time is not None), default=None)

    @property
    def _expiry_due(self) -> float | None:
        return None if self._expires_at is None or self._expired else self._expires_at - EXPIRY_LEAD

    @property
    def _silence_due(self) -> float | None:
        """When the connection is given up: heartbeats keep a greeted one alive, but do not stand in for ``init``."""
        if self.state not in CONNECTED:
            return None
        return (self._opened_at if self.state is State.GREETING else self._last_beat) + SILENCE_LIMIT

    # -- the socket ------------------------------------------------------------------------------------------------

    def start(self, token: str, expires_at: float | None, now: float) -> list[Action]:
        """Connect with this token; ``expires_at`` is None when the token does not say (``init`` will).

        An empty token stands for none: the provider is asked for the first one.
        """
        if self.state not in (State.IDLE, State.CLOSED):
            return []
        self._set_token(token, expires_at, now)
        self.attempts = 0
        self.last_error = None
        self.ever_ready = False
        self._refusals = 0
        if not token:
            self.state = State.PAUSED
            return [RenewToken()]
        return self._connect()

    def opened(self, now: float) -> list[Action]:
        """The websocket is open."""
        if self.state is not State.CONNECTING:
            return []
        self.state = State.GREETING
        self._opened_at = self._last_beat = now
        self._buffer = []
        return []

    def frames(self, frames: Sequence[str | bytes], now: float) -> list[Action]:
        """Text frames came together; none at all is another sign of life, a websocket ping."""
        self._last_beat = now
        if self.state is State.READY:
            return [Deliver(frames)] if frames else []
        return [action for frame in frames for action in self.frame(frame, now)]

    def frame(self, frame: str | bytes, now: float) -> list[Action]:
        """One text frame came."""
        self._last_beat = now
        if self.state is State.READY:
            return [Deliver((frame,))]
        if self.state is State.LOADING:
            self._buffer.append(frame)
            return []
        if self.state is State.GREETING:
            return self._greet(frame, now)
        return []

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

    def loaded(self, generation: int, now: float) -> list[Action]:
        """The lists are read and applied: release what was buffered."""
        if generation != self.generation or self.state is not State.LOADING:
            return []
        self.state = State.READY
        self.attempts = 0
        self.last_error = None
        self.ever_ready = True
        self._refusals = 0
        self._load_failures = 0
        frames, self._buffer = tuple(self._buffer), []
        return [Deliver(frames)] if frames else []

    def buffered(self) -> tuple[str | bytes, ...]:
        """The frames that came since ``init`` and wait for the lists."""
        return tuple(self._buffer)

    def load_failed(self, generation: int, error: TaskRouterError, final: bool, now: float) -> list[Action]:
        """The lists could not be read; ``final`` where trying again cannot help (e.g. the worker does not exist)."""
        if generation != self.generation or self.state is not State.LOADING:
            return []
        self.last_error = error
        if isinstance(error, TokenError) or final:
            given_up: list[Action] = [HangUp(), Notify("disconnected", (DisconnectReason(error.message),))]
            return given_up + (
                self._token_refused(error, now) if isinstance(error, TokenError) else self._finish(error)
            )
        self._load_failures += 1
        self._load_at = now + self._delay(self._load_failures)
        return [Notify("error", (error,))]

    def stop(self, now: float) -> list[Action]:
        """The user disconnects: nothing comes after this."""
        if self.state is State.CLOSED:
            return []
        hang_up: list[Action] = [HangUp()] if self.state is not State.IDLE else []
        self._end()
        return [*hang_up, Notify("disconnected", (DisconnectReason("SDK Disconnect"),))]

    # -- time ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        """Do what is due. Early or repeated calls do no harm."""
        actions: list[Action] = []
        if self._warn_at is not None and now >= self._warn_at:
            self._warn_at = None
            actions.append(Notify("token_will_expire", (max(0.0, (self._expires_at or now) - now),)))
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            actions.append(RenewToken())
        if self._expiry_due is not None and now >= self._expiry_due:
            actions += self._expire()
        if self._silence_due is not None and now >= self._silence_due:
            actions += self._silent(now)
        if self._load_at is not None and now >= self._load_at and self._init is not None:
            self._load_at = None
            actions.append(Load(self.generation, self._init))
        if self._retry_at is not None and now >= self._retry_at:
            actions += self._connect()
        return actions

    # -- tokens ----------------------------------------------------------------------------------------------------

    def token_changed(self, token: str, expires_at: float | None, now: float) -> list[Action]:
        """Use another token from now on; an open socket keeps the one it was opened with.

        Where the connection waits, for a delay or for a token, it is made at once. After the end it changes nothing.
        """
        if self.state is State.CLOSED:
            return []
        failures, first = self._renewal_failures, not self._token
        self._set_token(token, expires_at, now)
        if self._renew_at is not None and self._renew_at < now + RENEWAL_PAUSE:
            # As good as over: a provider that keeps giving such tokens must not be asked without pause.
            self._renewal_failures = failures
            self.renewal_failed(now)
        actions: list[Action] = [] if first else [Notify("token_updated")]
        if self.state in (State.BACKING_OFF, State.PAUSED):
            actions += self._connect()
        return actions

    def renewal_failed(self, now: float) -> list[Action]:
        """The token provider raised, or gave something else than a token."""
        if self.state is State.CLOSED:
            return []
        delay = min(RENEWAL_RETRY_MAX, RENEWAL_RETRY * 2 ** min(self._renewal_failures, 10))
        self._renewal_failures += 1
        self._renew_at = now + delay * (0.8 + 0.4 * self._random())
        return []

    # -- inside ----------------------------------------------------------------------------------------------------

    def _set_token(self, token: str, expires_at: float | None, now: float) -> None:
        self._token = token
        self._renewal_failures = 0
        self._expiry_from_init = expires_at is None
        self._set_expiry(expires_at, now)

    def _set_expiry(self, expires_at: float | None, now: float) -> None:
        self._expires_at = expires_at
        self._expired = False
        self._warn_at = self._renew_at = None
        if expires_at is None:
            return
        left = max(0.0, expires_at - now)
        lead = min(WARNING_MAX, WARNING_SHARE * left)
        if left - EXPIRY_LEAD > 0:
            self._warn_at = expires_at - max(lead, EXPIRY_LEAD)
        if self._options.renews_token:
            # Jitter: many workers started together must not ask for their tokens together.
            self._renew_at = max(now, expires_at - max(lead, EXPIRY_LEAD) * (1.0 + 0.5 * self._random()))

    def _expire(self) -> list[Action]:
        self._expired = True
        actions: list[Action] = [Notify("token_expired")]
        if self.state is State.BACKING_OFF:
            self._retry_at = None
            self.state = State.PAUSED
        return actions

    def _token_refused(self, error: TokenError, now: float) -> list[Action]:
        """Without another token it is useless to go on; with a provider there may be one."""
        if self._token != self._token_tried:
            # There is one: it came while the refused one was on its way.
            return self._connect()
        self._refusals += 1
        if self._options.renews_token:
            self.state = State.PAUSED
            if self._refusals == 1:
                self._renew_at = None
                return [Notify("error", (error,)), RenewToken()]
            self._renewal_failures = self._refusals - 2
            return [Notify("error", (error,)), *self.renewal_failed(now)]
        if not self.ever_ready:
            return self._finish(error)
        self.state = State.PAUSED
        expired: list[Action] = []
        if isinstance(error, TokenExpiredError) and not self._expired:
            expired = self._expire()
        return [Notify("error", (error,)), *expired]

    def _connect(self) -> list[Action]:
        self._retry_at = None
        self.state = State.CONNECTING
        self.attempts += 1
        self._token_tried = self._token
        close_others = self._options.close_existing_sessions and not self._greeted_once
        query = [
            ("token", self._token),
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
                self._buffer.append(frame)
                return []
            self._init = read_init(message.payload)
        except InvalidMessageError as error:
            return [Notify("error", (error,))]
        self.state = State.LOADING
        self._greeted_once = True
        self.generation += 1
        self._load_failures = 0
        if self._expiry_from_init and self._init.token_lifetime is not None:
            self._set_expiry(now + self._init.token_lifetime, now)
        return [Notify("connected"), Load(self.generation, self._init)]

    def _silent(self, now: float) -> list[Action]:
        self.last_error = ConnectTimeoutError(
            f"Nothing useful was heard from the event bridge for {SILENCE_LIMIT:.0f} s while the worker was "
            f"{self.state.value}"
        )
        return [HangUp(), Notify("disconnected", (DisconnectReason("Connection lost"),)), *self._back_off(now)]

    def _back_off(self, now: float) -> list[Action]:
        self._load_at = None
        self._buffer = []
        if self._expired:
            self.state = State.PAUSED
            return []
        delay = self._delay(self.attempts)
        self.state = State.BACKING_OFF
        self._retry_at = now + delay
        return [Notify("reconnecting", (delay,))]

    def _delay(self, tries: int) -> float:
        top = max(1.0, min(BACKOFF_MAX, 2.0 ** min(tries, 10) - 1))
        return BACKOFF_MIN + (top - BACKOFF_MIN) * self._random()

    def _finish(self, error: TaskRouterError) -> list[Action]:
        self._end()
        return [Notify("error", (error,)), Finish(error)]

    def _end(self) -> None:
        self.state = State.CLOSED
        self.generation += 1
        self._buffer = []
        self._retry_at = self._load_at = self._warn_at = self._renew_at = self._expires_at = None


def _wire_bool(value: bool) -> str:
    return "true" if value else "false"
