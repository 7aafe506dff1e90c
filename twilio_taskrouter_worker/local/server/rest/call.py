"""One REST request as its operation sees it, and the answer that operation gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...engine import Engine
from ..http.filters import Scope
from ..http.forms import Given
from ..service import Service


@attrs.frozen
class Answer:
    """What is sent back; a body of None is an answer without one (204)."""

    status: int
    body: Any = None
    etag: str | None = None


@attrs.frozen
class Call:
    """A request whose credentials were checked."""

    service: Service
    path: Mapping[str, str]
    """The variables of the path."""
    query: Given
    form: Given = attrs.field(repr=False)
    if_match: int | None
    base: str
    """The absolute URL of ``/v1``, as the client reaches it."""
    url: str
    """The absolute URL that was asked for, without its query."""
    document: Any = attrs.field(default=None, repr=False)
    """The JSON of the body, for an operation that takes it."""

    @property
    def engine(self) -> Engine:
        """The routing engine."""
        return self.service.engine

    @property
    def workspace_sid(self) -> str:
        """The workspace of the path."""
        return self.path["WorkspaceSid"]

    @property
    def now(self) -> float:
        """The engine's time."""
        return self.service.clock.now()

    def scope(self) -> Scope:
        """Where lists are read."""
        return Scope(self.engine, self.path.get("WorkspaceSid", ""))


Handler = Callable[[Call], Answer]


@attrs.frozen
class Operation:
    """One operation of the API: its name in the official description, where it is, and what does it."""

    name: str
    method: str
    path: str
    """Below ``/v1/``, with variables in braces."""
    handle: Handler | None = None
    """None: the local TaskRouter does not have it."""
    takes_json: bool = False
    """Its body is JSON, which no other one's is."""
