"""A scripted event bridge that records everything, over real sockets on 127.0.0.1.

    with RecordingBridge() as bridge:
        worker = Worker(token, eb_server=bridge.eb_server, ws_server=bridge.ws_server)
        ...
        bridge.on_call("Tasks/WT", [503, None], method="POST")          # 503, then as usual
        bridge.send("task.updated", payload)
        call = bridge.wait_for_call("Tasks/WT", method="POST")

It runs in one daemon thread with an event loop of its own. Every method may be called from any thread. What a method
asks for has happened on the bridge's side when it returns: bytes are with the kernel, or buffered for a slow reader.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from tests.oracle.state import Record, State
from tests.tools import payloads
from tests.tools.answers import Act, Call, Drip, Hang, Reply, Reset, Response, Rule, to_answer
from tests.tools.records import Connection, Records, matcher

PATH = "/v1/wschannels"
THREAD_NAME = "tool-bridge"

_TEXT, _BINARY, _CLOSE, _PING = 0x1, 0x2, 0x8, 0x9
_NO_STATUS, _ABNORMAL = 1005, 1006

T = TypeVar("T")


def frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """Return one unmasked websocket frame; nothing about it is checked."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 1 << 16:
        return head + struct.pack("!BH", 126, len(data)) + data
    return head + struct.pack("!BQ", 127, len(data)) + data


AN_HOUR = 3_600_000
"""Milliseconds: what a token has left of which nothing is known."""


def _milliseconds_left(token: str) -> int:
    """By the token's own ``exp``, as the service counts; an hour where it cannot be read."""
    try:
        body = token.split(".")[1]
        exp = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"]
        return max(0, int((exp - time.time()) * 1000))
    except (ValueError, LookupError, TypeError):
        return AN_HOUR


class RecordingBridge(Records):
    """An event bridge that answers like the service, does what the test scripts, and records what it is sent.

    ``heartbeat`` is the interval of blank frames in seconds, None for none. ``token_lifetime`` (milliseconds, None to
    leave the key out) goes into ``init``; an hour stands for what the token says. ``state`` holds the resources that it
    answers from.
    """

    def __init__(self, *, heartbeat: float | None = None, token_lifetime: int | None = AN_HOUR) -> None:
        super().__init__()
        self.state = State()
        self.init: Record = payloads.event("init")
        """The payload of ``init``; the test may change it at any time."""
        if token_lifetime is None:
            del self.init["token_lifetime"]
        else:
            self.init["token_lifetime"] = token_lifetime
        # Under the records' lock.
        self._rules: list[Rule] = []
        # Loop thread only.
        self._heartbeat = heartbeat
        self._hold_init = False
        self._refusal: tuple[Reply | Hang, int | None] | None = None
        self._gate = asyncio.Event()
        self._stopping = False
        self._beat_due: asyncio.TimerHandle | None = None
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._scripts = ThreadPoolExecutor(16, thread_name_prefix=f"{THREAD_NAME}-script")
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def eb_server(self) -> str:
        """The URL for the option ``eb_server``."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def ws_server(self) -> str:
        """The URL for the option ``ws_server``."""
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def __enter__(self) -> RecordingBridge:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Reset what is open, end every wait, and return when no thread and no socket is left."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(15)
        if self._thread.is_alive():
            raise RuntimeError("the bridge's thread did not stop")
        self._scripts.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            # Not while the loop runs: what is accepted in the very turn in which a server is closed, asyncio forgets
            # without closing it. Here those connections have been made before this coroutine begins.
            self._loop.run_until_complete(self._stop())
        finally:
            self._loop.close()

    async def _start(self) -> None:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        self._set_heartbeat(self._heartbeat)

    async def _stop(self) -> None:
        self._stopping = True
        self._set_heartbeat(None)
        self._gate.set()
        assert self._runner is not None and self._runner.server is not None
        for site in self._runner.sites:
            await site.stop()
        # The latest connections become known to the server in the next turns.
        for _ in range(3):
            await asyncio.sleep(0)
        transports = [each.transport for each in self._runner.server.connections if each.transport is not None]
        sockets = [each.get_extra_info("socket") for each in transports]
        for connection in self._open():
            self._reset(connection)
        await self._runner.cleanup()
        for transport in transports:
            # One that still has something to send to a peer that does not read would not close by itself.
            transport.abort()
        # A transport closes its socket in the turn after it was told to, and a socket that is left is a warning.
        for _ in range(100):
            if all(each.fileno() == -1 for each in sockets):
                break
            await asyncio.sleep(0)

    # -- events --------------------------------------------------------------------------------------------------

    def send(self, event_type: str, payload: Any = None, *, to: Connection | None = None) -> None:
        """Send an event to every open websocket, or to one."""
        self.send_raw(json.dumps({"event_type": event_type, "payload": payload}), to=to)

    def send_raw(self, data: str | bytes, *, binary: bool = False, to: Connection | None = None) -> None:
        """Send one frame as it is: text, or binary if asked. Bytes as text need not be UTF-8."""
        encoded = data.encode("utf-8") if isinstance(data, str) else data
        self.send_wire(frame(_BINARY if binary else _TEXT, encoded), to=to)

    def send_wire(self, data: bytes, *, to: Connection | None = None) -> None:
        """Write raw bytes into the websocket's stream: several frames in one segment, fragments, half a frame."""
        self._each(to, lambda connection: _write(connection, data))

    def ping(self, data: bytes = b"", *, to: Connection | None = None) -> None:
        """Send a websocket ping; the answer appears in ``Connection.pongs``."""
        self.send_wire(frame(_PING, data), to=to)

    def beat(self, *, to: Connection | None = None) -> None:
        """Send one heartbeat, a blank text frame."""
        self.send_raw("", to=to)

    def heartbeat(self, interval: float | None) -> None:
        """Send a heartbeat to every open websocket each ``interval`` seconds; None stops it."""
        self._on_loop(lambda: self._set_heartbeat(interval))

    def hold_init(self) -> None:
        """Send no ``init`` to websockets that open from now on."""
        self._on_loop(lambda: setattr(self, "_hold_init", True))

    def release_init(self) -> None:
        """Send ``init`` to open websockets that had none, and again to each new one at once."""

        def release() -> None:
            self._hold_init = False
            for connection in self._open():
                if not connection.init_sent:
                    self._send_init(connection)

        self._on_loop(release)

    def abort(self, *, to: Connection | None = None) -> None:
        """Reset (RST) every open websocket, or one."""
        self._each(to, self._reset)

    def close(self, code: int | None = 1000, reason: str = "", *, to: Connection | None = None) -> None:
        """Send a close frame to every open websocket, or to one; code None sends it without status and reason.

        The connection ends when the client answers it; one that does not stays open, as it would on a real network.
        """
        data = b"" if code is None else struct.pack("!H", code) + reason.encode("utf-8")

        def close_one(connection: Connection) -> None:
            with self._changed:
                connection.closed_by = connection.closed_by or "bridge"
            _write(connection, frame(_CLOSE, data))

        self._each(to, close_one)

    # -- handshakes ----------------------------------------------------------------------------------------------

    def refuse_handshake(
        self, status: int = 503, body: Any = b"", headers: dict[str, str] | None = None, *, times: int | None = None
    ) -> None:
        """Answer websocket handshakes with this status; ``times`` is how many of them, None for all."""
        self._on_loop(lambda: setattr(self, "_refusal", (Reply(status, body, headers or {}), times)))

    def hang_handshake(self, *, times: int | None = None) -> None:
        """Accept connections for websockets but never answer the handshake, until ``release``."""
        self._on_loop(lambda: setattr(self, "_refusal", (Hang(), times)))

    def accept_handshake(self) -> None:
        """Accept websockets again; handshakes that hang keep hanging until ``release``."""
        self._on_loop(lambda: setattr(self, "_refusal", None))

    # -- calls ---------------------------------------------------------------------------------------------------

    def on_call(
        self,
        which: str | Callable[[Call], bool],
        response: Response,
        *,
        method: str | None = None,
        times: int | None = None,
    ) -> Rule:
        """Answer the calls whose url contains the regular expression ``which`` (or for which it is true) so.

        The forms of ``response`` are listed in ``tests.tools.answers``. The rule made last goes first; ``times`` is how
        many calls it answers, None for all (for a list: as many as it is long).
        """
        rule = Rule(matcher(which, method), response, times)
        with self._changed:
            self._rules.insert(0, rule)
        return rule

    def release(self) -> None:
        """End every ``Hang`` of calls and handshakes that wait now; later ones hang again."""

        def open_gate() -> None:
            self._gate.set()
            self._gate = asyncio.Event()

        self._on_loop(open_gate)

    # -- resources -----------------------------------------------------------------------------------------------

    def add_reservation(self, status: str = "pending", *, announce: bool = False, **details: Any) -> Record:
        """Add a reservation (see ``State.add_reservation``), send its event if asked, return the nested payload."""
        payload = self.state.add_reservation(status, **details)
        if announce:
            self.send("reservation.created", payload)
        return payload

    def change_reservation(self, sid: str, status: str, *, announce: bool = True, **fields: Any) -> Record:
        """Change a reservation (see ``State.change_reservation``), send the event of it, return the nested payload."""
        payload = self.state.change_reservation(sid, status, **fields)
        if announce:
            self.send(f"reservation.{'wrapup' if status == 'wrapping' else status}", payload)
        return payload

    # -- the loop's side -----------------------------------------------------------------------------------------

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Run the action on the loop's thread and return its value."""
        if threading.current_thread() is self._thread:
            return action()

        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def _open(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.is_open]

    def _each(self, to: Connection | None, action: Callable[[Connection], None]) -> None:
        """Run the action on the loop's thread for every open websocket, or for one."""

        def run() -> None:
            targets = self._open() if to is None else [to]
            if not targets or not all(connection.is_open for connection in targets):
                raise RuntimeError("no websocket is open to do this to")
            for connection in targets:
                action(connection)

        self._on_loop(run)

    def _set_heartbeat(self, interval: float | None) -> None:
        if self._beat_due is not None:
            self._beat_due.cancel()
            self._beat_due = None
        if interval is not None:
            self._beat_due = self._loop.call_later(interval, self._beat_all, interval)

    def _beat_all(self, interval: float) -> None:
        for connection in self._open():
            _write(connection, frame(_TEXT, b""))
        self._set_heartbeat(interval)

    def _send_init(self, connection: Connection) -> None:
        connection.init_sent = True
        payload = dict(self.init)
        if payload.get("token_lifetime") == AN_HOUR:
            # Not chosen by the test: what the token has left, where it says so.
            payload["token_lifetime"] = _milliseconds_left(connection.params.get("token", ""))
        _write(connection, frame(_TEXT, json.dumps({"event_type": "init", "payload": payload}).encode("utf-8")))

    def _reset(self, connection: Connection) -> None:
        with self._changed:
            connection.closed_by = connection.closed_by or "bridge"
        _abort(connection.transport)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._handle_websocket(request)
            return await self._handle_call(request)
        except ConnectionError:
            # The peer has gone. The server would log that as an error, also in a test that looks at the log.
            return web.Response()

    # -- websockets ----------------------------------------------------------------------------------------------

    async def _handle_websocket(self, request: web.Request) -> web.StreamResponse:
        connection = Connection(
            request.path, list(request.query.items()), request.query_string,
            {name.lower(): value for name, value in request.headers.items()}, _peer(request),
        )  # fmt: skip
        refusal = self._next_refusal(request)
        if refusal is not None:
            self._note(lambda: self._refused.append(connection))
            if isinstance(refusal, Hang):
                await self._gate.wait()
                return self._reset_request(request)
            return _response(refusal)
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=64 * 2**20)
        await websocket.prepare(request)
        transport = request.transport
        if transport is None:
            return websocket
        connection.transport = transport
        connection.is_open = True
        self._note(lambda: self._connections.append(connection))
        if not self._hold_init:
            self._send_init(connection)
        try:
            await self._receive(websocket, connection)
        finally:
            self._note(lambda: _mark_closed(connection))
            transport.close()
        return websocket

    def _next_refusal(self, request: web.Request) -> Reply | Hang | None:
        if request.path != PATH:
            return Reply(404)
        if self._refusal is None:
            return None
        refusal, times = self._refusal
        if times is not None:
            self._refusal = (refusal, times - 1) if times > 1 else None
        return refusal

    async def _receive(self, websocket: web.WebSocketResponse, connection: Connection) -> None:
        """Read until the connection is over, answering pings and the close frame as the protocol asks."""
        while True:
            message = await websocket.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._note(lambda data=message.data: connection.messages.append(data))  # type: ignore[misc]
            elif message.type is WSMsgType.PING:
                _write(connection, frame(0xA, message.data))
            elif message.type is WSMsgType.PONG:
                self._note(lambda data=message.data: connection.pongs.append(bytes(data)))  # type: ignore[misc]
            elif message.type is WSMsgType.CLOSE:
                connection.close_code = message.data or _NO_STATUS
                connection.close_reason = message.extra or ""
                if connection.closed_by is None:
                    connection.closed_by = "client"
                    _write(connection, frame(_CLOSE, struct.pack("!H", message.data) if message.data else b""))
                return
            else:
                return

    # -- HTTP ----------------------------------------------------------------------------------------------------

    async def _handle_call(self, request: web.Request) -> web.StreamResponse:
        call = await _read_call(request)
        with self._changed:
            self._calls.append(call)
            rule = next((rule for rule in self._rules if rule.take(call)), None)
            self._changed.notify_all()
        response = rule.response_to(call) if rule else None
        if callable(response):
            response = await self._loop.run_in_executor(self._scripts, response, call)
        try:
            return await self._answer(request, call, response)
        finally:
            if call.outcome is None:
                self._note(lambda: setattr(call, "outcome", "hung"))

    async def _answer(self, request: web.Request, call: Call, response: Response) -> web.StreamResponse:
        answer = to_answer(response) or Act()
        if isinstance(answer, Drip):
            return await self._drip(request, call, answer)
        if isinstance(answer, Reset):
            return self._reset_request(request, call, answer.after)
        if isinstance(answer, Hang):
            if answer.after_headers:
                return await self._hang_after_headers(request, call)
            await self._gate.wait()
            answer = Act()
        if answer.delay and not self._stopping:
            await asyncio.sleep(answer.delay)
        if isinstance(answer, Act):
            reply = self._own_answer(call)
            if answer.lose:
                return self._reset_request(request, call)
        else:
            reply = answer
        sent = _response(reply)
        await sent.prepare(request)
        await sent.write_eof()
        self._note(lambda: setattr(call, "outcome", reply.status))
        return sent

    def _own_answer(self, call: Call) -> Reply:
        if call.path != PATH or call.http_method != "POST":
            return Reply(404, {"message": f"{call.http_method} {call.path} is not the event bridge"})
        return self.state.answer(call)

    async def _drip(self, request: web.Request, call: Call, drip: Drip) -> web.StreamResponse:
        reply = self._own_answer(call) if drip.body is None else Reply(drip.status, drip.body)
        body, content_type = reply.encoded()
        stream = web.StreamResponse(status=reply.status, headers={"Content-Type": content_type})
        stream.content_length = len(body)
        await stream.prepare(request)
        for start in range(0, len(body), drip.size):
            if self._stopping or request.transport is None:
                return self._reset_request(request, call)
            await stream.write(body[start : start + drip.size])
            await asyncio.sleep(drip.interval)
        await stream.write_eof()
        self._note(lambda: setattr(call, "outcome", reply.status))
        return stream

    async def _hang_after_headers(self, request: web.Request, call: Call) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream.content_length = 1000
        await stream.prepare(request)
        await stream.write(b'{"payload": ')
        await self._gate.wait()
        return self._reset_request(request, call)

    def _reset_request(self, request: web.Request, call: Call | None = None, after: bytes = b"") -> web.StreamResponse:
        transport = request.transport
        if transport is not None and after:
            transport.write(after)
        _abort(transport)
        if call is not None:
            self._note(lambda: setattr(call, "outcome", "reset"))
        return web.Response()


async def _read_call(request: web.Request) -> Call:
    raw = await request.read()
    raw_headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    headers = {name.lower(): value for name, value in raw_headers}
    query = list(request.query.items())
    return Call(request.method, request.path, query, headers, raw_headers, raw, _peer(request), document)


def _response(reply: Reply) -> web.Response:
    body, content_type = reply.encoded()
    response = web.Response(status=reply.status, body=body, headers={"Content-Type": content_type})
    response.headers.update(reply.headers)
    return response


def _peer(request: web.Request) -> tuple[str, int]:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return (peer[0], peer[1]) if peer else ("", 0)


def _write(connection: Connection, data: bytes) -> None:
    if connection.transport is not None and not connection.transport.is_closing():
        connection.transport.write(data)


def _mark_closed(connection: Connection) -> None:
    connection.is_open = False
    connection.closed_by = connection.closed_by or "client"
    if connection.close_code is None:
        connection.close_code = _ABNORMAL


def _abort(transport: asyncio.BaseTransport | None) -> None:
    """Reset the connection: with a linger time of zero the kernel sends RST instead of FIN."""
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert isinstance(transport, asyncio.Transport)
    transport.abort()
