"""The requests of the console, all below ``/console``."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from aiohttp import web

from ...engine import Rejected
from ..http import refusals
from ..service import Service
from . import access, pages, timers
from .api import Api
from .facade import Facade
from .inspector import Inspector
from .live import Live
from .secrets import Secrets
from .status import Status
from .totals import Totals
from .wire import Wire

PATH = access.PATH
_REST = f"{PATH}/rest/"
_CONTROL = f"{PATH}/control/"
_API = f"{PATH}/api/"
_LIVE = f"{PATH}/live"
_WORKER = "X-Console-Worker"
"""Names the worker whose part is played, for the event log."""
_WORKER_SID = re.compile(r"WK[0-9a-fA-F]{32}")

Control = Callable[[web.BaseRequest, str], Awaitable[web.Response]]
"""Executes a request of the control address, whose sender was checked already: the request, and its path."""
Operate = Callable[[web.BaseRequest, str, "str | None"], Awaitable[web.StreamResponse]]
"""Executes a request of REST for the console: the request, the path from ``/v1/`` on, and the acting worker."""


class Console:
    """Answers the console's requests for one service. Belongs to its loop's thread.

    Args:
        service: The service.
        operate: Executes a request of REST, whose answer it has written when it returns.
        control: Executes a request of the control address.
        router: The router around the service.
    """

    def __init__(self, service: Service, operate: Operate, control: Control, router: Facade) -> None:
        self._service = service
        self._operate = operate
        self._control = control
        self._router = router
        self._access = access.Access(service.auth_token)
        self.wire: Wire = Wire()
        """Gets every request, frame and webhook."""
        # Recording goes on without a viewer: the inspector shows what led to a fault, and that is before it is opened.
        service.sessions.seen = self.wire.frame
        service.webhooks.record(self.wire.webhook)
        hidden = Secrets((service.auth_token, service.signing_key.secret))
        inspector = Inspector(service.loop, self.wire, hidden, lambda: str(router.info()["url"]))
        totals = Totals(service)
        # Compared once a second and sent if different, so that a fault, a timer or a fork needs no notification of its
        # own.
        status = Status(
            {
                "info": lambda workspace_sid: self._info(router),
                "timers": lambda workspace_sid: timers.rows(service.engine, workspace_sid),
                "faults": lambda workspace_sid: router.faults(),
                "totals": totals.of,
                "forks": lambda workspace_sid: router.forks(),
                "history": lambda workspace_sid: router.history(),
                "wire_last": lambda workspace_sid: inspector.last,
            }
        )
        self._api = Api(service, router, inspector)
        self._live = Live(service, status, router, inspector)

    async def answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Answer a request.

        Args:
            request: The request.
            path: Its path, :data:`PATH` or below.

        Returns:
            The answer, which may have been written already.

        Raises:
            Rejected: It was not made by the console, or is invalid.
        """
        # The only paths without the cookie; everything below them needs it.
        if path in (PATH, f"{PATH}/"):
            return self._open(request, path)
        self._access.check(request)
        if path == _LIVE:
            return await self._live.serve(request)
        # The console's own address changes nothing but forks and its own entries, which a past may have as well.
        if self._router.read_only and request.method not in ("GET", "HEAD") and not path.startswith(_API):
            raise Rejected(403, 20403, "This console is read-only: it shows a past that cannot be changed; fork it")
        if path.startswith(_REST):
            # With the slash: the rest is the path as REST has it.
            return await self._act(request, path[len(_REST) - 1 :])
        if path.startswith((_CONTROL, _API)):
            if path.startswith(_API):
                response = await self._api(request, path[len(_API) :])
            else:
                response = await self._control(request, path[len(PATH) :])
            if request.method != "GET":
                # The page shows the effect of a button at once, not with the next second's comparison.
                self._live.scan_soon()
            return _secured(response)
        return _file(request, path[len(PATH) + 1 :])

    async def close(self) -> None:
        """Close the websockets."""
        await self._live.close()

    def _open(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer the link, and the page itself."""
        _reading(request, path)
        access.check_origin(request)
        token = request.query.get("token")
        if token is not None:
            if not self._access.is_start_token(token):
                return _closed(
                    "The token in the address is wrong: it may be of an earlier start, or of another service."
                )
            # The token must not stay in the address, where it is kept in the history and seen by people.
            response = _redirection()
            if request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
                # A browser does not send a strict cookie along a redirection that began at another site.
                response = web.Response(text=pages.FORWARD_PAGE.format(path=f"{PATH}/"), content_type="text/html")
            self._access.set_cookie(request, response)
            return _secured(response)
        if not self._access.has_cookie(request):
            return _closed("This browser has not opened the link yet.")
        if path == PATH:
            return _secured(_redirection())
        return _file(request, pages.INDEX)

    async def _act(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        worker_sid = request.headers.get(_WORKER)
        if worker_sid is not None and not _WORKER_SID.fullmatch(worker_sid):
            raise refusals.invalid(f"{_WORKER} must be the sid of a worker, not {worker_sid[:60]!r}")
        return await self._operate(request, path, worker_sid)

    def _info(self, router: Facade) -> dict[str, Any]:
        workspaces = self._service.engine.workspaces()
        named = [{"sid": each.sid, "friendly_name": each.friendly_name} for each in workspaces]
        return {**router.info(), "workspaces": named}


def _file(request: web.BaseRequest, path: str) -> web.Response:
    """Return a file of the page."""
    _reading(request, path)
    found = pages.page().get(path)
    if found is None:
        raise refusals.not_found(f"{PATH}/{path}")
    # As a part of the header, which may list several, and weak ones (W/).
    same = found.etag in request.headers.get("If-None-Match", "")
    response = web.Response(status=304 if same else 200, body=None if same else found.body)
    response.headers["ETag"] = found.etag
    response.headers["Content-Type"] = found.content_type
    return _secured(response)


def _redirection() -> web.Response:
    return web.Response(status=303, headers={"Location": f"{PATH}/"})


def _closed(reason: str) -> web.Response:
    text = pages.CLOSED_PAGE.format(reason=escape(reason))
    return _secured(web.Response(status=403, text=text, content_type="text/html"))


def _secured(response: web.Response) -> web.Response:
    response.headers.update(access.SECURITY)
    return response


def _reading(request: web.BaseRequest, path: str) -> None:
    if request.method not in ("GET", "HEAD"):
        raise refusals.MethodRefused(request.method, path, ("GET",))
