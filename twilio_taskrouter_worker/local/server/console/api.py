"""The console's own address, ``/console/api/``: operations that neither REST nor the control address has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ....errors import StateError
from ...engine import Rejected
from ..http import refusals
from ..http.json_api import JsonRequest, json_answer, resolve
from ..http.paths import PathTable
from ..service import Service
from . import life
from .facade import Facade
from .inspector import Inspector
from .rehearsal import rehearse


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
        self._routes: PathTable[Callable[[JsonRequest], Awaitable[Any]]] = PathTable()
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
        function, call = await resolve(self._routes, request, path, request.path)
        try:
            answer = await function(call)
        # From the router's methods, whose arguments the page chooses.
        except (StateError, ValueError, TypeError) as error:
            raise refusals.invalid(str(error)) from None
        if answer is None:
            return web.Response(status=204)
        return json_answer(200, answer)

    async def _workflow(self, call: JsonRequest) -> Any:
        sid, text = call.body.get("sid"), call.body.get("configuration")
        if not isinstance(text, str) or not (sid is None or isinstance(sid, str)):
            raise refusals.invalid('The body must be {"sid": SID or null, "configuration": TEXT}')
        engine = self._service.engine
        workspace_sid = call.body.get("workspace_sid") or self._router.workspace_sid()
        if not isinstance(workspace_sid, str):
            raise refusals.invalid("workspace_sid must be the sid of a workspace")
        # Only the copy of the state is made here; the rest needs nothing of the service.
        state, now = engine.capture(), self._service.clock.now()
        # Restoring a state takes up to tenths of a second, in which the service must go on.
        return await asyncio.to_thread(rehearse, state, workspace_sid, sid, text, now)

    async def _wire(self, call: JsonRequest) -> Any:
        return self._inspector.page(call.number("before"), call.number("limit", 500) or 1)

    async def _clear_wire(self, call: JsonRequest) -> None:
        self._inspector.clear()

    async def _entry(self, call: JsonRequest) -> Any:
        found = self._inspector.detail(call.number("n") or 0)
        if found is None:
            raise Rejected(404, 20404, "The inspector does not have this entry (any more)")
        return found

    async def _task(self, call: JsonRequest) -> Any:
        engine, sid = self._service.engine, call.path["task"]
        moment = call.number("moment")
        if moment is not None:
            # On another thread, because it applies the journal up to that moment again.
            engine = (await asyncio.to_thread(self._router.at, moment)).engine
        # A deleted task has no workspace any more, but its life is still in the log.
        workspace_sid = engine.workspace_of(sid) or self._router.workspace_sid() or ""
        return life.of_task(engine, self._service.log, workspace_sid, sid)

    async def _history(self, call: JsonRequest) -> Any:
        limit = min(call.number("limit", 200) or 1, 1000)
        around = call.number("around", 0) or 0
        return {"moments": await asyncio.to_thread(self._router.moments, around, limit)}

    async def _fork(self, call: JsonRequest) -> Any:
        return await asyncio.to_thread(self._router.fork, call.body.get("moment"))

    async def _end_fork(self, call: JsonRequest) -> None:
        if not await asyncio.to_thread(self._router.end_fork, call.number("id") or 0):
            raise Rejected(404, 20404, "There is no such fork")
