"""Faults that meet requests and connections on their way in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ..bridge.tunnel import ROUTES
from ..rest import operations
from .active import HANDSHAKE, Arrival, Disturbance, Disturbed

_METHODS: Final = ("GET", "POST", "DELETE")
_ANY: Final = "*"


class Route:
    """Which requests a fault is for: a method, if any, and the last segments of their path, ``*`` being any one.

    ``POST Tasks/*`` is an update of a task, ``Reservations`` a list of reservations. None is every request.

    Raises:
        ValueError: no request has such a route.
    """

    def __init__(self, text: str | None) -> None:
        self._method: str | None = None
        self._segments: list[str] = []
        if text is None:
            return
        method, blank, path = text.strip().rpartition(" ")
        self._method = method.strip().upper() if blank else None
        self._segments = path.strip("/").split("/")
        known = [*ROUTES.templates(), *operations.TABLE.templates()]
        if not any(self._means(*template) for template in known):
            ends = sorted({path.rpartition("/")[2] for _, path in known if not path.endswith("}")})
            raise ValueError(
                f"No request has the route {text!r}. A route is a method ({', '.join(_METHODS)}), if any, and the end"
                f" of a path, such as 'POST Tasks/*' or 'Reservations'. Paths end in one of {', '.join(ends)}, or in"
                " one of these and '/*'."
            )

    def matches(self, arrival: Arrival) -> bool:
        """Whether a request has this route."""
        return self._fits(arrival.method, arrival.path)

    def _fits(self, method: str, path: str) -> bool:
        """Whether a path, or the template of one, ends as this says."""
        count = len(self._segments)
        tail = path.split("/")[-count:] if count else []
        return (
            self._method in (None, method)
            and len(tail) == count
            and all(
                wanted == _ANY or segment == wanted or segment.startswith("{")
                for wanted, segment in zip(self._segments, tail, strict=True)
            )
        )

    def _means(self, method: str, template: str) -> bool:
        """Whether this is a route of requests with this template: a word alone could be any sid."""
        words = {segment for segment in self._segments if segment != _ANY}
        return self._fits(method, template) and (not words or not words.isdisjoint(template.split("/")))


class RequestFault(Disturbance):
    """What faults of tunnelled and REST requests share; handshakes of websockets are none."""

    def __init__(self, route: str | None, times: int | None, worker_sid: str | None) -> None:
        super().__init__(worker_sid)
        self._route = Route(route)
        self._left = times

    def meets(self, arrival: Arrival) -> bool:
        """Whether this request is one of those it is for; counts it."""
        if arrival.kind == HANDSHAKE or self._left == 0:
            return False
        if not self.concerns(arrival.worker_sid) or not self._route.matches(arrival):
            return False
        if self._left is not None:
            self._left -= 1
        self.hits += 1
        return True


class HttpStatus(RequestFault):
    """Requests are answered with a status, and not done."""

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str],
        *,
        route: str | None,
        times: int | None,
        worker_sid: str | None,
    ) -> None:
        super().__init__(route, times, worker_sid)
        self._answer = (status, body, headers)

    async def request(self, arrival: Arrival) -> None:
        """Answer a request."""
        if self.meets(arrival):
            raise Disturbed(*self._answer)


class HttpLatency(RequestFault):
    """Requests are looked at some seconds later."""

    def __init__(self, seconds: float, *, route: str | None, times: int | None, worker_sid: str | None) -> None:
        super().__init__(route, times, worker_sid)
        self._seconds = seconds
        self._over = asyncio.Event()

    async def request(self, arrival: Arrival) -> None:
        """Let a request wait."""
        if self.meets(arrival):
            try:
                await asyncio.wait_for(self._over.wait(), self._seconds)
            except asyncio.TimeoutError:
                pass

    def end(self) -> None:
        """Let all go on."""
        self._over.set()


class RefuseHandshakes(Disturbance):
    """No websocket can be opened; those that are open stay."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], *, worker_sid: str | None) -> None:
        super().__init__(worker_sid)
        self._answer = (status, body, headers)

    async def request(self, arrival: Arrival) -> None:
        """Refuse a handshake."""
        if arrival.kind == HANDSHAKE and self.concerns(arrival.worker_sid):
            self.hits += 1
            raise Disturbed(*self._answer)


class RefuseConnections(Disturbance):
    """New TCP connections are reset; those that are open stay."""

    def refuses_connections(self) -> bool:
        """Refuse."""
        self.hits += 1
        return True
