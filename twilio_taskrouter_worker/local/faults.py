"""Fault injection for a local TaskRouter: network failures and service errors on demand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _checks
from ..errors import StateError
from .engine import Rejected
from .server.events.sessions import Close
from .server.faults.active import ActiveFault, reset
from .server.faults.frames import Delay, Duplicate, HalfOpen, Reorder, StallHeartbeats
from .server.faults.requests import HttpLatency, HttpStatus, RefuseConnections, RefuseHandshakes

if TYPE_CHECKING:
    from .server.service import Service

__all__ = ["Fault", "Faults"]

T = TypeVar("T")
Answer = tuple[bytes, dict[str, str]]

_seconds = _checks.seconds_between(0, 86400)
_times = _checks.optional(_checks.at_least(1))
_JSON = "application/json; charset=utf-8"
_RATE_LIMITED = 20429


class Fault:
    """One injected fault. It is active from its creation until :meth:`undo`, or until the end of its ``with`` block."""

    def __init__(self, text: str, active_fault: ActiveFault, end: Callable[[Fault], None], number: int) -> None:
        self._text = text
        self.number = number
        """Identifies it among the faults of its router."""
        self._active_fault = active_fault
        self._end = end

    def __repr__(self) -> str:
        return f"<Fault {self._text}: {self.hits} hits{'' if self.active else ', undone'}>"

    def __str__(self) -> str:
        return self._text

    @property
    def active(self) -> bool:
        """Whether the fault is active. Does not block."""
        return self._active_fault.active

    @property
    def hits(self) -> int:
        """The number of frames, requests or connections it has affected so far. Does not block."""
        return self._active_fault.hits

    def undo(self) -> None:
        """End the fault and release everything it holds back. A second call does nothing.

        Blocks until the service's thread has ended it, usually for less than a millisecond.
        """
        # Also false after a stop of the router, which has ended all faults.
        if self.active:
            self._end(self)

    def __enter__(self) -> Fault:
        if not self.active:
            raise StateError(f"The fault {self._text} is undone; make a new one")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()


class Faults:
    """The faults of one router, as ``router.faults``.

    A fault is active when its method returns. In a ``with`` block it ends with the block; otherwise it lasts until
    :meth:`Fault.undo`, :meth:`clear` or the router's stop. Faults can be combined: each one applies to the frames and
    requests that the earlier ones have passed on. :meth:`drop`, :meth:`evict` and :meth:`expire_token` act once and
    return no fault.

    All methods may be called from any thread. They run on the service's thread and block the caller until it is done,
    usually for less than a millisecond. ``worker`` is a worker's sid; None affects all workers.

    Raises:
        StateError: Every method: the router is not running.
        NotFoundError: Every method with ``worker``: there is no such worker.
        TypeError, ValueError: An argument is invalid; the message names a valid one.
    """

    def __init__(self, call: Callable[[Callable[[Service], Any]], Any]) -> None:
        self._call = call
        # Never used twice: a late request to end a fault must not end a newer one.
        self._numbers = itertools.count(1)
        self._active: list[Fault] = []
        """In the order of their start; may include ended ones. Replaced, never changed, on the router's thread only."""

    def __repr__(self) -> str:
        shown = "; ".join(f"{fault}: {fault.hits} hits" for fault in self.active)
        return f"<Faults {shown or 'none'}>"

    @property
    def active(self) -> tuple[Fault, ...]:
        """The active faults, in the order in which they began. Does not block."""
        return tuple(fault for fault in self._active if fault.active)

    def clear(self) -> None:
        """End all faults, the latest first. Blocks until all of them have ended."""
        # Latest first: a frame that a later fault releases must not be held back again by an earlier one.
        for fault in reversed(self.active):
            fault.undo()

    # -- once ----------------------------------------------------------------------------------------------------

    def drop(self, worker: str | None = None) -> int:
        """Reset the worker's websockets (TCP RST, no close frame). Blocks for less than a millisecond.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The number of websockets that were reset.

        Raises:
            NotFoundError: There is no such worker.
            StateError: The router is not running.
        """

        def work(service: Service) -> int:
            sessions = service.sessions.select(_known(service, worker))
            for session in sessions:
                reset(session.transport)
                # At once: the reset is noticed by the websocket's own task a moment later, and an event must not go
                # there meanwhile.
                service.sessions.remove(session)
            return len(sessions)

        return self._once(work)

    def evict(self, worker: str | None = None) -> int:
        """Close the worker's sessions as a newer one with ``closeExistingSessions`` does.

        Blocks for less than a millisecond: it does not wait for the clients to answer the close frame.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The number of sessions that were closed.

        Raises:
            NotFoundError: There is no such worker.
            StateError: The router is not running.
        """

        def work(service: Service) -> int:
            sessions = service.sessions.select(_known(service, worker))
            for session in sessions:
                service.sessions.close(session, Close.REPLACED)
            return len(sessions)

        return self._once(work)

    def expire_token(self, worker: str | None = None) -> int:
        """Expire every token that the worker has used so far, and close its sessions.

        Requests and handshakes with such a token are answered with 401; other tokens stay valid. The service
        remembers the latest 4,096 valid tokens, so an older one is not affected. Blocks for less than a millisecond:
        it does not wait for the clients to answer the close frame.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The number of websockets that were closed.

        Raises:
            NotFoundError: There is no such worker.
            StateError: The router is not running.
        """

        def work(service: Service) -> int:
            sid = _known(service, worker)
            sessions = service.sessions.select(sid)
            # Before the sessions are closed: a client reconnects at once, and must be refused.
            service.signing_key.expire(sid)
            for session in sessions:
                service.sessions.close(session, Close.TOKEN_EXPIRED)
            return len(sessions)

        return self._once(work)

    # -- frames --------------------------------------------------------------------------------------------------

    def delay(self, seconds: float, *, worker: str | None = None) -> Fault:
        """Deliver each frame *seconds* late, in order. When the fault ends, delayed frames are sent at once.

        Args:
            seconds: The delay in real seconds, 0 to 86400.
            worker: The worker's sid; None: all workers.

        Returns:
            The active fault. Does not block for the delay.

        Raises:
            TypeError: ``seconds`` is not a number.
            ValueError: ``seconds`` is out of range.
            NotFoundError: There is no such worker.
        """
        span = _seconds("seconds", seconds)
        return self._begin(_text("delay", worker, repr(seconds)), Delay(span, worker))

    def duplicate(self, *, worker: str | None = None) -> Fault:
        """Send each event twice.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The active fault.

        Raises:
            NotFoundError: There is no such worker.
        """
        return self._begin(_text("duplicate", worker), Duplicate(worker))

    def reorder(self, window: float = 0.05, *, worker: str | None = None) -> Fault:
        """Collect the events of ``window`` seconds, counted from the first one, and send them in reverse order.

        Args:
            window: The length of the window in real seconds, 0 to 86400.
            worker: The worker's sid; None: all workers.

        Returns:
            The active fault. Does not block for the window.

        Raises:
            TypeError: ``window`` is not a number.
            ValueError: ``window`` is out of range.
            NotFoundError: There is no such worker.
        """
        span = _seconds("window", window)
        return self._begin(_text("reorder", worker, repr(window)), Reorder(span, worker))

    def half_open(self, *, worker: str | None = None) -> Fault:
        """Stop sending and reading on the websockets that are open now, without closing them.

        New websockets work. When the fault ends, the held frames are sent on the websockets that are still connected.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The active fault.

        Raises:
            NotFoundError: There is no such worker.
        """
        return self._begin(_text("half_open", worker), HalfOpen(worker))

    def stall_heartbeats(self, *, worker: str | None = None) -> Fault:
        """Send no heartbeats; a client treats 30 s of silence as a lost connection.

        Args:
            worker: The worker's sid; None: all workers.

        Returns:
            The active fault.

        Raises:
            NotFoundError: There is no such worker.
        """
        return self._begin(_text("stall_heartbeats", worker), StallHeartbeats(worker))

    # -- connections and requests --------------------------------------------------------------------------------

    def refuse_connects(self, *, worker: str | None = None, status: int = 503, tcp: bool = False) -> Fault:
        """Refuse new websockets: answer each handshake with an error status.

        Args:
            worker: The worker's sid; None: all workers.
            status: The status of the answer, 400 to 599. Not used with ``tcp``.
            tcp: Reset every new TCP connection instead, whether for a websocket or a request, from any client. Open
                connections stay open, so a client can still make requests on a kept-alive one.

        Returns:
            The active fault.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: ``status`` is out of range, or ``tcp`` is combined with ``worker``.
            NotFoundError: There is no such worker.
        """
        if tcp and worker is not None:
            raise ValueError("refuse_connects(tcp=True) takes no worker: a TCP connection does not identify its worker")
        code = _checks.between(400, 599)("status", status)
        # Also for tcp, which answers nothing: a wrong status is refused either way.
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
        """Answer requests with a status instead of executing them.

        Args:
            status: 200 to 599.
            route: An optional method and the end of a path, in which ``*`` matches any one segment: ``"POST Tasks/*"``,
                ``"Reservations"``, ``"GET Workers/*/Reservations"``. Matches requests of the bridge and of REST; None
                matches all of them.
            times: The number of requests to answer; None: all until the fault ends.
            body: Text or bytes are sent unchanged, any other value as JSON. None: an error in Twilio's form.
            retry_after: Whole seconds for the ``Retry-After`` header; None omits the header.
            worker: Limits the fault to bridge requests with this worker's tokens; None: all requests.

        Returns:
            The active fault.

        Raises:
            TypeError, ValueError: An argument is invalid; the message names a valid one.
            NotFoundError: There is no such worker.
        """
        code = _checks.between(200, 599)("status", status)
        answer, headers = _answer(code, body, retry_after)
        fault = HttpStatus(code, answer, headers, route=route, times=_times("times", times), worker_sid=worker)
        more = _given(route=route, times=times, retry_after=retry_after)
        return self._begin(_text("http_status", worker, str(status), *more), fault)

    def http_latency(
        self, seconds: float, *, route: str | None = None, times: int | None = None, worker: str | None = None
    ) -> Fault:
        """Delay requests by *seconds* before they are executed. When the fault ends, delayed requests go on at once.

        Args:
            seconds: The delay in real seconds, 0 to 86400.
            route: As for :meth:`http_status`.
            times: As for :meth:`http_status`.
            worker: As for :meth:`http_status`.

        Returns:
            The active fault. Does not block for the delay.

        Raises:
            TypeError, ValueError: An argument is invalid; the message names a valid one.
            NotFoundError: There is no such worker.
        """
        span, count = _seconds("seconds", seconds), _times("times", times)
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
        """Answer requests with 429 and ``Retry-After``, as Twilio does when it limits the request rate.

        Args:
            retry_after: Whole seconds for the ``Retry-After`` header; None omits the header.
            route: As for :meth:`http_status`.
            times: As for :meth:`http_status`.
            worker: As for :meth:`http_status`.

        Returns:
            The active fault.

        Raises:
            TypeError, ValueError: An argument is invalid; the message names a valid one.
            NotFoundError: There is no such worker.
        """
        body = {"code": _RATE_LIMITED, "message": "Too many requests", "more_info": _more(_RATE_LIMITED), "status": 429}
        answer, headers = _answer(429, body, retry_after)
        fault = HttpStatus(429, answer, headers, route=route, times=_times("times", times), worker_sid=worker)
        more = _given(route=route, times=times)
        return self._begin(_text("rate_limit", worker, str(retry_after), *more), fault)

    # -- inside --------------------------------------------------------------------------------------------------

    def _once(self, work: Callable[[Service], int]) -> int:
        count: int = self._call(work)
        return count

    def _begin(self, text: str, active_fault: ActiveFault) -> Fault:
        def begin(service: Service) -> Fault:
            # On the service's thread, to which the engine belongs.
            active_fault.worker_sid = _known(service, active_fault.worker_sid)
            fault = Fault(text, active_fault, self._undo, next(self._numbers))
            service.faults.begin(active_fault)
            # Without those that have ended, so that the list does not grow with every with block.
            self._active = [*self.active, fault]
            return fault

        fault: Fault = self._call(begin)
        return fault

    def _undo(self, fault: Fault) -> None:
        # The router ends all faults when it stops.
        with suppress(StateError):
            self._call(lambda service: service.faults.end(fault._active_fault))


def _known(service: Service, worker: str | None) -> str | None:
    """Return the sid of a known worker, or None for all. Rejected (404) becomes NotFoundError for the caller."""
    if worker is None:
        return None
    if not isinstance(worker, str):
        raise _checks.wrong_type("worker", "a worker's sid, or None for all workers", worker)
    engine = service.engine
    for workspace in engine.workspaces():
        with suppress(Rejected):
            return engine.worker(workspace.sid, worker).sid
    raise Rejected(404, 20404, f"There is no worker {worker}")


def _text(name: str, worker: str | None, *arguments: str) -> str:
    return f"{name}({', '.join([*arguments, *_given(worker=worker)])})"


def _given(**named: Any) -> list[str]:
    return [f"{name}={value!r}" for name, value in named.items() if value is not None]


def _answer(status: int, body: Any, retry_after: int | None) -> Answer:
    headers = {"Content-Type": _JSON}
    if retry_after is not None:
        headers["Retry-After"] = str(_checks.non_negative("retry_after", retry_after))
    if isinstance(body, (bytes, str)):
        # Sent as they are, also where a client expects JSON: that is a fault to test.
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return body if isinstance(body, bytes) else body.encode(), headers
    if body is None and status >= 400:
        body = _error(status)
    if body is None:
        return b"", headers
    try:
        return json.dumps(body, allow_nan=False).encode(), headers
    except (TypeError, ValueError) as error:
        raise type(error)(f"body must be text, bytes or JSON-serializable: {error}") from None


def _error(status: int) -> Mapping[str, Any]:
    # Twilio's codes for an HTTP status have this form.
    code = 20000 + status
    message = f"Injected fault: the local TaskRouter answers {status}"
    return {"code": code, "message": message, "more_info": _more(code), "status": status}


def _more(code: int) -> str:
    return f"https://www.twilio.com/docs/errors/{code}"
