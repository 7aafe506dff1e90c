"""A stand-in for the client that only reads, parses and calls back: what threads of CPython can do at best.

It has the few names of the package that the scenarios use. It validates nothing, orders nothing, retries nothing, makes
no dates, takes no locks for its objects and never reconnects: a floor, not a client.
"""

from __future__ import annotations

import base64
import http.client
import os
import queue
import socket
import ssl
import threading
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

try:
    from orjson import loads
except ImportError:
    from json import loads
from json import dumps

CALL_THREADS = int(os.environ.get("BARE_THREADS", "4"))


def _context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


class _Emitter:
    __slots__ = ("_callbacks",)

    def on(self, event: str, callback: Any) -> None:
        if not hasattr(self, "_callbacks"):
            self._callbacks: dict[str, list[Any]] = {}
        self._callbacks.setdefault(event, []).append(callback)

    def fire(self, event: str, argument: Any) -> None:
        for callback in getattr(self, "_callbacks", {}).get(event, ()):
            callback(argument)


class Task(_Emitter):
    __slots__ = ("_attributes", "_payload")

    def take(self, payload: dict[str, Any]) -> None:
        self._payload, self._attributes = payload, None

    @property
    def attributes(self) -> Any:
        if self._attributes is None:
            self._attributes = loads(self._payload["attributes"])
        return self._attributes


class Reservation(_Emitter):
    __slots__ = ("_payload", "_worker", "sid", "task")

    def __init__(self, worker: Worker, payload: dict[str, Any]) -> None:
        self._worker, self.sid, self.task = worker, payload["sid"], Task()
        self.take(payload)

    def take(self, payload: dict[str, Any]) -> Reservation:
        self._payload = payload
        self.task.take(payload["task"])
        return self

    def accept(self) -> Future[Any]:
        call = {"url": f"Workspaces/WS/Workers/WK/Reservations/{self.sid}", "method": "POST"}
        return self._worker.calls.send({**call, "params": {"ReservationStatus": "accepted"}}, self.take)


class _Calls:
    """A few threads, each with a connection that is kept."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._context = _context() if self._url.scheme == "https" else None
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(CALL_THREADS):
            threading.Thread(target=self._run, daemon=True).start()

    def send(self, request: dict[str, Any], then: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.put((request, then, future))
        return future

    def _run(self) -> None:
        host, port = self._url.hostname or "", self._url.port
        if self._context is None:
            connection = http.client.HTTPConnection(host, port)
        else:
            connection = http.client.HTTPSConnection(host, port, context=self._context)
        while True:
            request, then, future = self._jobs.get()
            try:
                if connection.sock is None:
                    _connect(connection)
                connection.request("POST", self._url.path, dumps(request), {"Content-Type": "application/json"})
                future.set_result(then(loads(connection.getresponse().read())["payload"]))
            except Exception as error:
                future.set_exception(error)


def _connect(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


_calls: dict[str, _Calls] = {}


class Worker(_Emitter):
    def __init__(self, token: str, *, eb_server: str, ws_server: str) -> None:
        self.calls = _calls.get(eb_server) or _calls.setdefault(eb_server, _Calls(eb_server))
        self.reservations: dict[str, Reservation] = {}
        self._by_task: dict[str, Reservation] = {}
        self._url, self._token = urlsplit(ws_server), token
        self._frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ready: Future[Worker] = Future()

    def start(self) -> Future[Worker]:
        threading.Thread(target=self._dispatch, daemon=True).start()
        threading.Thread(target=self._read, daemon=True).start()
        return self._ready

    def disconnect(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        url = self._url
        self._socket = socket.create_connection((url.hostname, url.port or 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "wss":
            self._socket = _context().wrap_socket(self._socket, server_hostname=url.hostname)
        key = base64.b64encode(os.urandom(16)).decode()
        request = f"GET {url.path}?token={self._token} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        request += f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self._socket.sendall(request.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        data = data.partition(b"\r\n\r\n")[2]
        try:
            while True:
                data = self._cut(data)
                more = self._socket.recv(65536)
                if not more:
                    break
                data += more
        except OSError:
            pass
        self._frames.put(None)

    def _cut(self, data: bytes) -> bytes:
        """Hand on the whole frames; return what is left."""
        start, end = 0, len(data)
        while end - start >= 2:
            opcode, size, body = data[start], data[start + 1], start + 2
            if size == 126:
                size, body = int.from_bytes(data[start + 2 : start + 4], "big"), start + 4
            elif size == 127:
                size, body = int.from_bytes(data[start + 2 : start + 10], "big"), start + 10
            if body + size > end:
                break
            start = body + size
            if opcode == 0x81:
                self._frames.put(data[body:start])
            elif opcode == 0x89:
                self._socket.sendall(bytes((0x8A, 0x80 | size)) + b"\0\0\0\0" + data[body:start])
        return data[start:]

    def _dispatch(self) -> None:
        while (frame := self._frames.get()) is not None:
            if len(frame) < 3:
                continue
            message = loads(frame)
            kind, payload = message["event_type"], message["payload"]
            if kind == "reservation.created":
                self.fire("reservation_created", self._add(payload))
            elif kind == "task.updated":
                task = self._by_task[payload["sid"]].task
                task.take(payload)
                task.fire("updated", task)
            elif kind == "reservation.accepted":
                reservation = self.reservations[payload["sid"]]
                reservation.take(payload)
                reservation.fire("accepted", reservation)
            elif kind == "reservation.canceled":
                reservation = self.reservations.pop(payload["sid"])
                del self._by_task[payload["task"]["sid"]]
                reservation.take(payload)
                reservation.fire("canceled", reservation)
            elif kind == "init":
                self._load(payload)

    def _add(self, payload: dict[str, Any]) -> Reservation:
        reservation = Reservation(self, payload)
        self.reservations[reservation.sid] = self._by_task[payload["task"]["sid"]] = reservation
        return reservation

    def _load(self, init: dict[str, Any]) -> None:
        base = f"Workspaces/{init['workspace_sid']}/Workers/{init['channel_id']}"
        left, lock = 4, threading.Lock()

        def ask(url: str, then: Any, after: str | None = None) -> None:
            params = {"PageSize": 1000, **({"AfterSid": after} if after else {})}
            self.calls.send({"url": url, "method": "GET", "params": params}, then)

        def done(_: Any) -> None:
            nonlocal left
            with lock:
                left -= 1
                if not left:
                    self._ready.set_result(self)

        def page(answer: dict[str, Any]) -> None:
            for payload in answer["contents"]:
                self._add(payload)
            if answer["after_sid"]:
                ask(f"{base}/Reservations", page, answer["after_sid"])
            else:
                done(answer)

        ask(base, done)
        ask(f"{base}/Activities", done)
        ask(f"{base}/WorkerChannels", done)
        ask(f"{base}/Reservations", page)
