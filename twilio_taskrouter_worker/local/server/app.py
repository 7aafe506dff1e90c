"""The path of an HTTP request: which part of the service answers it, and how every answer is written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from aiohttp import web

from ..._json import dumps, loads
from ..._log import LOCAL as log
from ..._log import LOCAL_REQUESTS as requests_log
from ...errors import StoreError
from ...options import BRIDGE_PATH
from ..engine import Rejected
from .auth import basic
from .bridge import tunnel, websocket
from .console import access
from .console.console import Console
from .console.facade import Facade
from .events.sessions import Batch
from .faults.active import HANDSHAKE, REST, TUNNEL, AnsweredByFault, Arrival
from .http import forms, headers, refusals
from .http.connections import JSON, TUNNEL_BODY_BYTES, Request, read_body
from .http.guard import Guard
from .http.paths import MethodNotAllowed
from .rest.call import Answer, Call, Operation
from .rest.operations import TABLE
from .service import Context, Service

_tunnelled: ContextVar[str] = ContextVar("tunnelled", default="")
"""For the log: the tunnelled request inside of the current one."""

_REST = "/v1/"


class Control(Protocol):
    """Answers requests outside of Twilio's API."""

    async def __call__(self, service: Service, request: web.BaseRequest, path: str) -> web.Response | None:
        """Answer a request; None for an unknown path."""
        ...

    async def operate(self, request: web.BaseRequest, path: str) -> web.Response:
        """Execute a request of the control address whose sender was checked already."""
        ...


class App:
    """Answers the requests for one service. Belongs to its loop's thread.

    Args:
        service: The service.
        guard: Refuses requests of foreign web pages.
        control: Answers requests outside of Twilio's API.
        router: The router around the service, for its console; None: it has no console.
    """

    def __init__(self, service: Service, guard: Guard, control: Control, router: Facade | None = None) -> None:
        self.service = service
        self._guard = guard
        self._control = control
        self._console = None if router is None else Console(service, self._operate_console, control.operate, router)

    async def close(self) -> None:
        """Close the websockets of the console."""
        if self._console is not None:
            await self._console.close()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error becomes an answer too.

        Raises:
            ConnectionError: The client has disconnected, so that no answer can be sent.
        """
        logged = requests_log.isEnabledFor(logging.INFO)
        if not logged and self._console is None:
            return await self._respond(request)
        begun = self.service.loop.time()
        # aiohttp serves all requests of a connection in one task, so the value of the request before is still there.
        _tunnelled.set("")
        response = await self._respond(request)
        seconds = self.service.loop.time() - begun
        if self._console is not None:
            self._console.wire.request(request, response, seconds)
        if not logged:
            return response
        what = _tunnelled.get() or f"{request.method} {request.raw_path.partition('?')[0]}"
        requests_log.info("%d %s (%.1f ms)", response.status, what, seconds * 1000)
        return response

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._guard.check(request)
        except Rejected as refusal:
            # Without any header that would allow the page to read this.
            return await _write(request, _refusal(refusal, {}))
        # Not decoded: the path tables decode segment by segment, so that an encoded slash does not separate segments.
        path = request.raw_path.partition("?")[0]
        try:
            if path == BRIDGE_PATH:
                return await self._bridge(request)
            if path.startswith(f"{BRIDGE_PATH}/"):
                raise refusals.old_sdk()
            if path.startswith(_REST):
                return await self._rest(request, path)
            if self._console is not None and (path == access.PATH or path.startswith(f"{access.PATH}/")):
                answer = await self._console.answer(request, path)
                # A websocket, and an answer that waited for its commit, are written already.
                return answer if answer.prepared else await _write(request, answer)
            response = await self._control(self.service, request, path)
            if response is None:
                raise refusals.not_found(path)
            return await _write(request, response)
        except Rejected as refusal:
            return await _write(request, _refusal(refusal, _general(path)))
        except AnsweredByFault as fault:
            more = {**_general(path), **fault.headers}
            return await _write(request, web.Response(status=fault.status, body=fault.body, headers=more))
        # The commit failed after the engine had applied the command: it may or may not be in the file after a restart.
        except StoreError as failure:
            return await _write(request, _refusal(refusals.not_stored(failure), _general(path)))
        except ConnectionError:
            raise  # the client has disconnected
        except Exception:
            log.exception("%s %s failed", request.method, path)
            return await _write(request, _refusal(refusals.internal_error(), _general(path)))

    # -- the bridge ------------------------------------------------------------------------------------------------

    async def _bridge(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            # Before the handshake is answered: a fault that refuses it must come before the 101.
            await self.service.faults.request(Arrival(HANDSHAKE, "GET", "", request.query.get("token")))
            accepted = None if self._console is None else self._console.wire.handshake
            return await websocket.serve(self.service, request, accepted)
        if request.method == "OPTIONS":
            return await _write(request, web.Response(status=204, headers=headers.BRIDGE_PREFLIGHT))
        if request.method != "POST":
            raise refusals.MethodRefused(request.method, BRIDGE_PATH, ("GET", "POST"))
        # Faults select by route and worker, both of which are inside of the envelope.
        envelope = tunnel.open_envelope(await read_body(request, TUNNEL_BODY_BYTES))
        _tunnelled.set(f"{envelope.method} {envelope.url} (bridge)")
        if isinstance(request, Request):
            request.tunnelled = envelope
        await self.service.faults.request(Arrival(TUNNEL, envelope.method, envelope.url, envelope.token))
        if_match = request.headers.get("If-Match")

        def answer(context: Context) -> web.Response:
            return _json(200, {"payload": tunnel.answer(self.service, envelope, if_match, context)}, headers.BRIDGE)

        return await self._exchange(request, answer, headers.BRIDGE)

    # -- REST ------------------------------------------------------------------------------------------------------

    async def _rest(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if request.method == "OPTIONS":
            # No credentials here: browsers send preflight requests without them.
            more = {**headers.REST, **headers.allow(_methods(path))}
            return await _write(request, web.Response(status=204, headers=more))
        # Before the path is looked up: without credentials, unknown and known paths get the same answer.
        basic.check(self.service, request.headers.get("Authorization"))
        return await self._operate(request, path)

    async def _operate_console(self, request: web.BaseRequest, path: str, actor_sid: str | None) -> web.StreamResponse:
        """Execute a request of the console; faults do not apply to it."""
        if not path.startswith(_REST):
            raise refusals.not_found(path)
        # Without CORS headers, unlike REST proper: a page of another origin must not read the console's answers.
        return await self._operate(request, path, access.SECURITY, actor_sid, faults=False)

    async def _operate(
        self,
        request: web.BaseRequest,
        path: str,
        more: Mapping[str, str] = headers.REST,
        actor_sid: str | None = None,
        *,
        faults: bool = True,
    ) -> web.StreamResponse:
        operation, variables = _find(request.method, path)
        if operation.handle is None:
            raise refusals.not_implemented(operation.name)
        form, document = await _body(request, operation)
        if faults:
            await self.service.faults.request(Arrival(REST, request.method, path[len(_REST) :]))
        # Links lead to where the client reached the service, which may be behind a relay or in a container.
        origin = f"{request.scheme}://{request.host}"
        query = forms.parse_form(request.raw_path.partition("?")[2].encode())
        if_match = forms.if_match(request.headers.get("If-Match"))
        handle = operation.handle

        def answer(context: Context) -> web.Response:
            call = Call(
                service=self.service,
                context=context,
                path=variables,
                query=query,
                form=form,
                if_match=if_match,
                base=f"{origin}/v1",
                url=f"{origin}{path}",
                document=document,
            )
            return _answer(handle(call), more)

        return await self._exchange(request, answer, more, actor_sid)

    # -- both ------------------------------------------------------------------------------------------------------

    async def _exchange(
        self,
        request: web.BaseRequest,
        answer: Callable[[Context], web.Response],
        more: Mapping[str, str],
        actor_sid: str | None = None,
    ) -> web.StreamResponse:
        """Execute a request, wait for its commit, and write its answer, which its events follow."""
        batch = Batch()
        try:
            # Synchronous, so that no other request's command comes between those of this one.
            response = answer(Context(batch, request.remote, actor_sid))
        except Rejected as refusal:
            # It takes the same way as a success: timers that the command ran first may have caused events and journal
            # entries.
            response = _refusal(refusal, more)
        except BaseException:
            # An unexpected error after some of the commands: their events must still be sent.
            batch.release()
            raise
        await self.service.committer.kept()
        # The timer is started first because writing may wait for a client that does not read; the bytes themselves
        # are handed to the transport before anything can wait, so the events cannot be earlier than the answer.
        self.service.release_soon(batch, request.transport)
        return await _write(request, response)


def _find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    try:
        # aiohttp leaves the body out of an answer to HEAD, and keeps its headers.
        found = TABLE.find("GET" if method == "HEAD" else method, path[len(_REST) :])
    except MethodNotAllowed as known:
        raise refusals.MethodRefused(method, path, known.allowed) from None
    if found is None:
        raise refusals.not_found(path)
    return found


def _methods(path: str) -> list[str]:
    """Return the methods of a REST path."""
    try:
        # No operation has the empty method, so a known path always raises.
        TABLE.find("", path[len(_REST) :])
    except MethodNotAllowed as known:
        return known.allowed
    raise refusals.not_found(path)


async def _body(request: web.BaseRequest, operation: Operation) -> tuple[dict[str, Any], Any]:
    """Return the parameters of a form, and the JSON of an operation that takes JSON instead."""
    body = await read_body(request) if request.method == "POST" else b""
    if operation.takes_json:
        try:
            return {}, loads(body)
        except ValueError:
            raise refusals.invalid("The request body is not JSON") from None
    if not body:
        return {}, None
    if request.content_type == "multipart/form-data":
        return forms.parse_multipart(body, request.headers["Content-Type"]), None
    # octet-stream is aiohttp's content type for a request without the header.
    if request.content_type not in ("application/x-www-form-urlencoded", "application/octet-stream"):
        raise refusals.invalid("The request body must be application/x-www-form-urlencoded or multipart/form-data")
    return forms.parse_form(body), None


def _answer(answer: Answer, more: Mapping[str, str]) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=more)
    own = {"ETag": answer.etag} if answer.etag is not None else {}
    return _json(answer.status, answer.body, {**more, **own})


def _json(status: int, body: Any, more: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=dumps(body), headers={"Content-Type": JSON, **more})


def _refusal(refusal: Rejected, more: Mapping[str, str]) -> web.Response:
    own: dict[str, str] = {}
    # RFC 9110 demands a challenge with each 401; on the bridge it would name a scheme that does not work there.
    if refusal.status == 401 and more is not headers.BRIDGE:
        own = {"WWW-Authenticate": 'Basic realm="Local TaskRouter"'}
    elif isinstance(refusal, refusals.MethodRefused):
        own = headers.allow(refusal.allowed)
    return _json(refusal.status, refusals.body(refusal), {**more, **own})


def _general(path: str) -> Mapping[str, str]:
    """Return the headers of every answer of the path's part of the service."""
    if path == BRIDGE_PATH:
        return headers.BRIDGE
    # Paths outside of Twilio's API get no CORS header: pages of other origins must not read them.
    return headers.REST if path.startswith(_REST) else access.SECURITY if path.startswith(access.PATH) else {}


async def _write(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    # Here rather than in aiohttp after the handler: a caller that awaits this knows that the answer was written.
    response.headers.update(headers.request_id())
    await response.prepare(request)
    await response.write_eof()
    return response
