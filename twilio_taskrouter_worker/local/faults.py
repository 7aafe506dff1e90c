"""Faults of a local TaskRouter: what networks and services do at bad moments, at will."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import StateError
from .engine import Rejected
from .server.events.sessions import Close
from .server.faults.active import Disturbance, reset
from .server.faults.frames import Delay, Duplicate, HalfOpen, Reorder, StallHeartbeats
from .server.faults.requests import HttpLatency, HttpStatus, RefuseConnections, RefuseHandshakes

if TYPE_CHECKING:
    from .server.service import Service

__all__ = ["Fault", "Faults"]

T = TypeVar("T")
Answer = tuple[bytes, dict[str, str]]

_LONGEST_SECONDS: Final = 86400.0
_JSON: Final = "application/json; charset=utf-8"
_RATE_LIMITED: Final = 20429


class Fault:
    """One fault: at work from the moment it is made until :meth:`undo`, or until the end of a ``with`` block."""

    def __init__(self, text: str, disturbance: Disturbance, end: Callable[[Fault], None]) -> None:
        self._text = text
        self._disturbance = disturbance
        self._end = end

    def __repr__(self) -> str:
        return f"<Fault {self._text}: {self.hits} hits{'' if self.active else ', undone'}>"

    def __str__(self) -> str:
        return self._text

    @property
    def active(self) -> bool:
        """Whether it is at work."""
        return self._disturbance.active

    @property
    def hits(self) -> int:
        """How many frames, requests or connections it has met so far."""
        return self._disturbance.hits

    def undo(self) -> None:
        """End it, and let go of whatever it holds back; a second time does nothing."""
        if self.active:
            self._end(self)

    def __enter__(self) -> Fault:
        if not self.active:
            raise StateError(f"The fault {self._text} is undone; make a new one.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()


class Faults:
    """The faults of one router, as ``router.faults``.

    A fault is at work when its method returns. In a ``with`` block it is undone at the block's end; else it lasts until
    :meth:`Fault.undo`, :meth:`clear` or the router's stop. Faults can be combined: each meets what those before it have
    let through. :meth:`drop`, :meth:`evict` and :meth:`expire_token` do their work once and leave nothing to undo.

    All methods may be called from any thread, and block for less than a millisecond. ``worker`` is a worker's sid, and
    None means everybody. They raise StateError if the router is not running, NotFoundError if there is no such worker,
    and ValueError for what cannot be.
    """

    def __init__(self, call: Callable[[Callable[[Service], Any]], Any]) -> None:
        self._call = call
        self._active: list[Fault] = []
        """In the order in which they began, and some that are undone; replaced on the router's thread only."""

    def __repr__(self) -> str:
        shown = "; ".join(f"{fault}: {fault.hits} hits" for fault in self.active)
        return f"<Faults {shown or 'none'}>"

    @property
    def active(self) -> tuple[Fault, ...]:
        """Those at work, in the order in which they began."""
        return tuple(fault for fault in self._active if fault.active)

    def clear(self) -> None:
        """Undo all."""
        for fault in reversed(self.active):
            fault.undo()

    # -- once ----------------------------------------------------------------------------------------------------

    def drop(self, worker: str | None = None) -> int:
        """Reset the worker's websockets (TCP RST, no close frame), and return how many there were."""

        def work(service: Service) -> int:
            sessions = service.sessions.select(_known(service, worker))
            for session in sessions:
                reset(session.wire)
                service.sessions.remove(session)
            return len(sessions)

        return self._once(work)

    def evict(self, worker: str | None = None) -> int:
        """End the worker's sessions as a newer one with ``closeExistingSessions`` does; return how many there were."""

        def work(service: Service) -> int:
            sessions = service.sessions.select(_known(service, worker))
            for session in sessions:
                service.sessions.close(session, Close.REPLACED)
            return len(sessions)

        return self._once(work)

    def expire_token(self, worker: str | None = None) -> int:
        """End every token that the worker has used so far, now; return how many websockets that closed.

        Requests and handshakes with such a token are answered with 401. Tokens that come later are valid. The latest
        4,096 valid tokens are known.
        """

        def work(service: Service) -> int:
            sid = _known(service, worker)
            sessions = service.sessions.select(sid)
            service.signing_key.expire(sid)
            for session in sessions:
                service.sessions.close(session, Close.TOKEN_EXPIRED)
            return len(sessions)

        return self._once(work)

    # -- frames --------------------------------------------------------------------------------------------------

    def delay(self, seconds: float, *, worker: str | None = None) -> Fault:
        """Let each frame arrive so many seconds late, in order. At the end, those on their way arrive at once."""
        span = _seconds("seconds", seconds)
        return self._begin(_text("delay", worker, repr(seconds)), Delay(span, worker))

    def duplicate(self, *, worker: str | None = None) -> Fault:
        """Send each event twice."""
        return self._begin(_text("duplicate", worker), Duplicate(worker))

    def reorder(self, window: float = 0.05, *, worker: str | None = None) -> Fault:
        """Send events that happen within ``window`` seconds of the first one in reverse order, once these are over."""
        span = _seconds("window", window)
        return self._begin(_text("reorder", worker, repr(window)), Reorder(span, worker))

    def half_open(self, *, worker: str | None = None) -> Fault:
        """Send and read nothing any more on the websockets that are open now, which stay open.

        New ones work. At the end, what waited is sent on those whose client is still there.
        """
        return self._begin(_text("half_open", worker), HalfOpen(worker))

    def stall_heartbeats(self, *, worker: str | None = None) -> Fault:
        """Send no heartbeats; a client takes 30 s of silence for a lost connection."""
        return self._begin(_text("stall_heartbeats", worker), StallHeartbeats(worker))

    # -- connections and requests --------------------------------------------------------------------------------

    def refuse_connects(self, *, worker: str | None = None, status: int = 503, tcp: bool = False) -> Fault:
        """Let no websocket be opened: its handshake is answered with a status.

        With ``tcp``, reset every new TCP connection instead, requests included, whoever it comes from. What is open
        stays open, so that a client's kept-alive connection can go on to make requests.
        """
        if tcp and worker is not None:
            raise ValueError("refuse_connects(tcp=True) is for everybody: a TCP connection does not say whose it is.")
        code = _status(status, least=400)
        body, headers = _answer(code, None, None)
        if tcp:
            return self._begin("refuse_connects(tcp=True)", RefuseConnections())
        text = _text("refuse_connects", worker, f"status={status}")
        return self._begin(text, RefuseHandshakes(code, body, headers, worker_sid=worker))

    def http_status(
        self,
        status: int,
        *,
        route: str | None = None,
        times: int | None = None,
        body: Any = None,
        retry_after: int | None = None,
        worker: str | None = None,
    ) -> Fault:
        """Answer requests with a status, and do nothing of what they ask for.

        Args:
            status: 200 to 599.
            route: a method, if any, and the end of a path, in which ``*`` is any one segment: ``"POST Tasks/*"``,
                ``"Reservations"``, ``"GET Workers/*/Reservations"``. It is for requests of the bridge and of REST; None
                is for all of them.
            times: how often; None: until it is undone.
            body: the answer's: text or bytes as they are, else what JSON is made of. None: an error in Twilio's form.
            retry_after: whole seconds for the header ``Retry-After``; None: no such header.
            worker: only the requests of the bridge that are made with this worker's tokens.
        """
        code = _status(status, least=200)
        answer, headers = _answer(code, body, retry_after)
        fault = HttpStatus(code, answer, headers, route=route, times=_times(times), worker_sid=worker)
        more = _given(route=route, times=times, retry_after=retry_after)
        return self._begin(_text("http_status", worker, str(status), *more), fault)

    def http_latency(
        self, seconds: float, *, route: str | None = None, times: int | None = None, worker: str | None = None
    ) -> Fault:
        """Look at requests only after so many seconds; at the end, those that wait are looked at at once.

        The arguments are those of :meth:`http_status`.
        """
        span, count = _seconds("seconds", seconds), _times(times)
        fault = HttpLatency(span, route=route, times=count, worker_sid=worker)
        more = _given(route=route, times=times)
        return self._begin(_text("http_latency", worker, repr(seconds), *more), fault)

    def rate_limit(
        self,
        retry_after: int | None = 1,
        *,
        route: str | None = None,
        times: int | None = None,
        worker: str | None = None,
    ) -> Fault:
        """Answer requests with 429 and ``Retry-After``, as Twilio does when there are too many of them.

        The arguments are those of :meth:`http_status`.
        """
        body = {"code": _RATE_LIMITED, "message": "Too many requests", "more_info": _more(_RATE_LIMITED), "status": 429}
        answer, headers = _answer(429, body, retry_after)
        fault = HttpStatus(429, answer, headers, route=route, times=_times(times), worker_sid=worker)
        more = _given(route=route, times=times)
        return self._begin(_text("rate_limit", worker, str(retry_after), *more), fault)

    # -- inside --------------------------------------------------------------------------------------------------

    def _once(self, work: Callable[[Service], int]) -> int:
        count: int = self._call(work)
        return count

    def _begin(self, text: str, disturbance: Disturbance) -> Fault:
        def begin(service: Service) -> Fault:
            disturbance.worker_sid = _known(service, disturbance.worker_sid)
            fault = Fault(text, disturbance, self._undo)
            service.faults.begin(disturbance)
            self._active = [*self.active, fault]
            return fault

        fault: Fault = self._call(begin)
        return fault

    def _undo(self, fault: Fault) -> None:
        # A router that has stopped has undone all.
        with suppress(StateError):
            self._call(lambda service: service.faults.end(fault._disturbance))


def _known(service: Service, worker: str | None) -> str | None:
    """Make sure that a worker exists; NotFoundError is what becomes of the refusal."""
    if worker is None:
        return None
    if not isinstance(worker, str):
        raise ValueError(f"worker must be a worker's sid, or None for everybody, not {type(worker).__name__}.")
    engine = service.engine
    for workspace in engine.workspaces():
        with suppress(Rejected):
            return engine.worker(workspace.sid, worker).sid
    raise Rejected(404, 20404, f"There is no worker {worker}")


def _text(name: str, worker: str | None, *arguments: str) -> str:
    return f"{name}({', '.join([*arguments, *_given(worker=worker)])})"


def _given(**named: Any) -> list[str]:
    return [f"{name}={value!r}" for name, value in named.items() if value is not None]


def _seconds(name: str, value: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not 0 <= value <= _LONGEST_SECONDS:
        raise ValueError(f"{name} must be a number of seconds from 0 to {_LONGEST_SECONDS:g}, not {value!r}.")
    return float(value)


def _status(status: int, *, least: int) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not least <= status <= 599:
        raise ValueError(f"status must be an integer from {least} to 599, not {status!r}.")
    return int(status)


def _times(times: int | None) -> int | None:
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise ValueError(f"times must be an integer from 1, or None for no end, not {times!r}.")
    return times


def _answer(status: int, body: Any, retry_after: int | None) -> Answer:
    headers = {"Content-Type": _JSON}
    if retry_after is not None:
        if isinstance(retry_after, bool) or not isinstance(retry_after, int) or retry_after < 0:
            raise ValueError(f"retry_after must be a whole number of seconds, 0 or more, not {retry_after!r}.")
        headers["Retry-After"] = str(retry_after)
    if isinstance(body, (bytes, str)):
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return body if isinstance(body, bytes) else body.encode(), headers
    if body is None and status >= 400:
        body = _error(status)
    if body is None:
        return b"", headers
    try:
        return json.dumps(body, allow_nan=False).encode(), headers
    except (TypeError, ValueError) as error:
        raise ValueError(f"body must be text, bytes or what JSON is made of: {error}.") from None


def _error(status: int) -> Mapping[str, Any]:
    code = 20000 + status
    message = f"The local TaskRouter was told to answer {status}"
    return {"code": code, "message": message, "more_info": _more(code), "status": status}


def _more(code: int) -> str:
    return f"https://www.twilio.com/docs/errors/{code}"
