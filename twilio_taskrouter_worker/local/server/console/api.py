"""The console's own address, ``/console/api/``: operations that neither REST nor the control address has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
from aiohttp import web

from ...._json import dumps, loads
from ....errors import StateError
from ...engine import Rejected
from ..http import refusals
from ..http.connections import JSON, read_body
from ..http.paths import MethodNotAllowed, PathTable
from ..service import Service
from . import life
from .facade import Facade
from .inspector import Inspector
from .rehearsal import rehearse


@attrs.frozen
class _Question:
    """A request as the functions below get it."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number of the path or query; *default* if it is missing."""
        text = self.path.get(name, self.query.get(name))
        if text is None:
            return default
        # Below 2**53, which is what JavaScript's numbers hold exactly.
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise refusals.invalid(f"{name} must be a whole number, not {text[:40]!r}")
        return int(text)


class Api:
    """Answers requests of the console. Belongs to the service's loop.

    Args:
        service: The service.
        router: The router around it.
        inspector: The entries of the wire.
    """

    def __init__(self, service: Service, router: Facade, inspector: Inspector) -> None:
        self._service = service
        self._router = router
        self._inspector = inspector
        self._routes: PathTable[Callable[[_Question], Awaitable[Any]]] = PathTable()
        for method, template, function in (
            # POST although it changes nothing: a configuration may have a megabyte.
            ("POST", "workflow", self._workflow),
            ("GET", "wire", self._wire),
            ("DELETE", "wire", self._clear_wire),
            ("GET", "wire/{n}", self._entry),
            ("GET", "task/{task}", self._task),
            ("GET", "history", self._history),
            ("POST", "fork", self._fork),
            ("DELETE", "forks/{id}", self._end_fork),
        ):
            self._routes.add(method, template, function)

    async def __call__(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer a request.

        Args:
            request: The request, which was admitted.
            path: Its path, below ``/console/api/``.

        Raises:
            Rejected: The path is unknown, or the request is invalid.
        """
        try:
            found = self._routes.find(request.method, path)
        except MethodNotAllowed as error:
            raise refusals.MethodRefused(request.method, request.path, tuple(error.allowed)) from None
        if found is None:
            raise refusals.not_found(request.path)
        function, variables = found
        question = _Question(variables, dict(request.query), await _body(request))
        try:
            answer = await function(question)
        # From the router's methods, whose arguments the page chooses.
        except (StateError, ValueError, TypeError) as error:
            raise refusals.invalid(str(error)) from None
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=dumps(answer), headers={"Content-Type": JSON})

    async def _workflow(self, question: _Question) -> Any:
        sid, text = question.body.get("sid"), question.body.get("configuration")
        if not isinstance(text, str) or not (sid is None or isinstance(sid, str)):
            raise refusals.invalid('The body must be {"sid": SID or null, "configuration": TEXT}')
        engine = self._service.engine
        workspace_sid = question.body.get("workspace_sid") or self._router.workspace_sid()
        if not isinstance(workspace_sid, str):
            raise refusals.invalid("workspace_sid must be the sid of a workspace")
        # Only the copy of the state is made here; the rest needs nothing of the service.
        state, now = engine.capture(), self._service.clock.now()
        # Restoring a state takes up to tenths of a second, in which the service must go on.
        return await asyncio.to_thread(rehearse, state, workspace_sid, sid, text, now)

    async def _wire(self, question: _Question) -> Any:
        return self._inspector.page(question.number("before"), question.number("limit", 500) or 1)

    async def _clear_wire(self, question: _Question) -> None:
        self._inspector.clear()

    async def _entry(self, question: _Question) -> Any:
        found = self._inspector.detail(question.number("n") or 0)
        if found is None:
            raise Rejected(404, 20404, "The inspector does not have this entry (any more)")
        return found

    async def _task(self, question: _Question) -> Any:
        engine, sid = self._service.engine, question.path["task"]
        moment = question.number("moment")
        if moment is not None:
            # On another thread, because it applies the journal up to that moment again.
            engine = (await asyncio.to_thread(self._router.at, moment)).engine
        # A deleted task has no workspace any more, but its life is still in the log.
        workspace_sid = engine.workspace_of(sid) or self._router.workspace_sid() or ""
        return life.of_task(engine, self._service.log, workspace_sid, sid)

    async def _history(self, question: _Question) -> Any:
        limit = min(question.number("limit", 200) or 1, 1000)
        around = question.number("around", 0) or 0
        return {"moments": await asyncio.to_thread(self._router.moments, around, limit)}

    async def _fork(self, question: _Question) -> Any:
        return await asyncio.to_thread(self._router.fork, question.body.get("moment"))

    async def _end_fork(self, question: _Question) -> None:
        if not await asyncio.to_thread(self._router.end_fork, question.number("id") or 0):
            raise Rejected(404, 20404, "There is no such fork")


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    body = await read_body(request)
    try:
        document = loads(body) if body else {}
    except ValueError:
        raise refusals.invalid("The request body is not JSON") from None
    if not isinstance(document, dict):
        raise refusals.invalid("The request body must be a JSON object")
    return document
