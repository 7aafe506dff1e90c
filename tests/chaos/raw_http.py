"""An HTTP server that sends any bytes at all as an answer, and hands everything else on to the recording bridge."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import Literal, NamedTuple


class RawAnswer(NamedTuple):
    """Bytes to send for one request, and what then becomes of the connection."""

    data: bytes
    then: Literal["close", "keep", "reset"] = "close"


class RawHttp:
    """Answers from ``script`` while there is something in it; otherwise as the server at ``port`` does."""

    def __init__(self, port: int) -> None:
        self.script: deque[RawAnswer] = deque()
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/wschannels"
        # Guards the two below.
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="tool-raw-http", daemon=True)]

    def __enter__(self) -> RawHttp:
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # shutdown wakes the blocked accept, close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), name="tool-raw-http", daemon=True)
                with self._lock:
                    self._open.add(connection)
                    self._threads = [each for each in self._threads if each.is_alive()] + [thread]
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, suppress(OSError, ValueError):
            while (request := _request(reader)) is not None:
                answer = self.script.popleft() if self.script else RawAnswer(self._forward(*request), "keep")
                connection.sendall(answer.data)
                if answer.then == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if answer.then != "keep":
                    break
        with self._lock:
            self._open.discard(connection)

    def _forward(self, head: bytes, headers: dict[str, str], body: bytes) -> bytes:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=10)
        try:
            upstream.request("POST", head.split()[1].decode(), body, headers)
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        return answered(data, status=answer.status)


def answered(body: bytes, *, status: int = 200, headers: tuple[str, ...] = (), length: int | None = None) -> bytes:
    """Return an answer as it stands on the wire; ``length`` is a Content-Length other than the true one."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _request(reader: object) -> tuple[bytes, dict[str, str], bytes] | None:
    """Read one request; None at the end of the stream."""
    readline, read = reader.readline, reader.read  # type: ignore[attr-defined]
    head = readline()
    if not head:
        return None
    headers = {}
    while line := readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name] = value.strip()
    lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
    headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "connection")}
    return head, headers, read(int(lengths[0]) if lengths else 0)
