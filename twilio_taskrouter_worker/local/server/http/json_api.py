"""Requests and answers in JSON, as those of the control address and of the console's own address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
from aiohttp import web

from ...._json import dumps, loads
from . import refusals
from .connections import JSON, read_body
from .paths import MethodNotAllowed, PathTable

__all__ = ["JsonRequest", "json_answer", "resolve"]

T = TypeVar("T")


@attrs.frozen
class JsonRequest:
    """A request whose path was found."""

    path: Mapping[str, str]
    """The variables of the path."""
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number of the path or query; *default* if it is missing.

        Args:
            name: Its name.
            default: The result without one.

        Raises:
            Rejected: 400, it is not a whole number.
        """
        text = self.path.get(name, self.query.get(name))
        if text is None:
            return default
        # Below 2**53, which is what JavaScript's numbers hold exactly.
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise refusals.invalid(f"{name} must be a whole number, not {text[:40]!r}")
        return int(text)


async def resolve(table: PathTable[T], request: web.BaseRequest, path: str, shown: str) -> tuple[T, JsonRequest]:
    """Find the target of a request, and read the request.

    Args:
        table: The paths that there are.
        request: The request.
        path: Its path in the table.
        shown: Its path in refusals.

    Returns:
        The target and the request.

    Raises:
        Rejected: 404 or 405, there is no such path or method; 400, the body is not a JSON object.
    """
    try:
        found = table.find(request.method, path)
    except MethodNotAllowed as error:
        raise refusals.MethodRefused(request.method, shown, tuple(error.allowed)) from None
    if found is None:
        raise refusals.not_found(shown)
    target, variables = found
    return target, JsonRequest(variables, dict(request.query), await _body(request))


def json_answer(status: int, document: Any) -> web.Response:
    """Return an answer with a JSON document.

    Args:
        status: Its HTTP status.
        document: The document.
    """
    return web.Response(status=status, body=dumps(document), headers={"Content-Type": JSON})


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    body = await read_body(request)
    try:
        document = loads(body) if body else {}
    except ValueError:
        raise refusals.invalid("The request body is not JSON") from None
    if not isinstance(document, dict):
        raise refusals.invalid("The request body must be a JSON object")
    return document
