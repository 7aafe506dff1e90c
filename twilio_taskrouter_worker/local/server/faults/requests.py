"""Faults that affect incoming requests and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ..bridge.tunnel import ROUTES
from ..rest import operations
from .active import HANDSHAKE, ActiveFault, AnsweredByFault, Arrival

_METHODS = ("GET", "POST", "DELETE")
_ANY = "*"


class Route:
    """Selects requests by an optional method and the last segments of their path; ``*`` matches any one segment.

    ``POST Tasks/*`` is an update of a task, ``Reservations`` a list of reservations.

    Args:
        text: The route; None selects every request.

    Raises:
        ValueError: No request matches the route.
    """

    def __init__(self, text: str | None) -> None:
        self._method: str | None = None
        self._segments: list[str] = []
        if text is None:
            return
        # From the right: without a method, everything is the path.
        method, blank, path = text.strip().rpartition(" ")
        self._method = method.strip().upper() if blank else None
        self._segments = path.strip("/").split("/")
        # Checked against all requests there are: a misspelt route would silently match nothing.
        known = [*ROUTES.templates(), *operations.TABLE.templates()]
        if not any(self._means(*template) for template in known):
            ends = sorted({path.rpartition("/")[2] for _, path in known if not path.endswith("}")})
            raise ValueError(
                f"No request has the route {text!r}. A route is a method ({', '.join(_METHODS)}), if any, and the end"
                f" of a path, such as 'POST Tasks/*' or 'Reservations'. Paths end in one of {', '.join(ends)}, or in"
                " one of these and '/*'"
            )

    def matches(self, arrival: Arrival) -> bool:
        """Return whether a request matches the route.

        Args:
            arrival: The request.
        """
        return self._fits(arrival.method, arrival.path)

    def _fits(self, method: str, path: str) -> bool:
        """Return whether a path, or the template of one, ends with the route's segments."""
        count = len(self._segments)
        # count is 0 only for None, which matches every request; [-0:] would be the whole path.
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
        """Return whether the route fits this template by a fixed segment: a bare word would match any variable one."""
        words = {segment for segment in self._segments if segment != _ANY}
        return self._fits(method, template) and (not words or not words.isdisjoint(template.split("/")))


class RequestFault(ActiveFault):
    """Base of faults that affect tunnelled and REST requests, but not websocket handshakes."""

    def __init__(self, route: str | None, times: int | None, worker_sid: str | None) -> None:
        super().__init__(worker_sid)
        self._route = Route(route)
        self._left = times

    def meets(self, arrival: Arrival) -> bool:
        """Return whether a request is affected, and count it if so.

        Args:
            arrival: The request.
        """
        if arrival.kind == HANDSHAKE or self._left == 0:
            return False
        # The worker of a REST request is unknown: a fault for one worker does not affect it.
        if not self.concerns(arrival.worker_sid) or not self._route.matches(arrival):
            return False
        if self._left is not None:
            self._left -= 1
        self.hits += 1
        return True


class HttpStatus(RequestFault):
    """Answers requests with a status instead of executing them."""

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
        """Answer an affected request.

        Args:
            arrival: The request.

        Raises:
            AnsweredByFault: It is affected.
        """
        if self.meets(arrival):
            raise AnsweredByFault(*self._answer)


class HttpLatency(RequestFault):
    """Delays requests by *seconds* before they are executed."""

    def __init__(self, seconds: float, *, route: str | None, times: int | None, worker_sid: str | None) -> None:
        super().__init__(route, times, worker_sid)
        self._seconds = seconds
        self._over = asyncio.Event()

    async def request(self, arrival: Arrival) -> None:
        """Wait for the delay of an affected request, or until the fault ends.

        Args:
            arrival: The request.
        """
        if self.meets(arrival):
            try:
                # Not sleep(): the fault's end must wake all of them at once, also when the service stops.
                await asyncio.wait_for(self._over.wait(), self._seconds)
            except asyncio.TimeoutError:
                pass

    def end(self) -> None:
        """Resume all waiting requests."""
        self._over.set()


class RefuseHandshakes(ActiveFault):
    """Answers websocket handshakes with an error status; open websockets are not affected."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], *, worker_sid: str | None) -> None:
        super().__init__(worker_sid)
        self._answer = (status, body, headers)

    async def request(self, arrival: Arrival) -> None:
        """Refuse an affected handshake.

        Args:
            arrival: The request.

        Raises:
            AnsweredByFault: It is affected.
        """
        if arrival.kind == HANDSHAKE and self.concerns(arrival.worker_sid):
            self.hits += 1
            raise AnsweredByFault(*self._answer)


class RefuseConnections(ActiveFault):
    """Resets new TCP connections; open ones are not affected."""

    def refuses_connections(self) -> bool:
        """Return True, and count the connection."""
        self.hits += 1
        return True
