"""One REST request as its operation sees it, and the answer that operation gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from .. import call as common
from ..http.forms import Given


@attrs.frozen
class Answer:
    """The answer of an operation; without a body (None) it is a 204."""

    status: int
    body: Any = None
    etag: str | None = None


@attrs.frozen(kw_only=True)
class Call(common.Call):
    """A request of REST."""

    query: Given
    form: Given = attrs.field(repr=False)
    base: str
    """The absolute URL of ``/v1``, as the client reaches it."""
    url: str
    """The absolute URL of the request, without its query."""
    document: Any = attrs.field(default=None, repr=False)
    """The JSON of the body, for an operation that takes it."""


Handler = Callable[[Call], Answer]


@attrs.frozen
class Operation:
    """One operation of the API: its name in the official description, its method and path, and its handler."""

    name: str
    method: str
    path: str
    """Below ``/v1/``, with variables in braces."""
    handle: Handler | None = None
    """None: the local TaskRouter does not have it."""
    takes_json: bool = False
    """Its body is JSON instead of a form."""
