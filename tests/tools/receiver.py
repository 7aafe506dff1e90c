"""A program that webhooks are posted to: it records each request, and answers as the test says.

with Receiver() as receiver:
    receiver.answer("/assign", {"instruction": "accept"})
    ...                                                       # a workflow calls receiver.url + "/assign"
    [post] = receiver.wait_for("/assign")
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl


@dataclass
class Post:
    """One request as it arrived."""

    path: str
    """Path and query, as in the request line."""
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes
    at: float
    """When it was there; ``time.monotonic()``."""

    @property
    def form(self) -> dict[str, str]:
        """The parameters, empty ones too."""
        return dict(parse_qsl(self.raw.decode(), keep_blank_values=True, strict_parsing=True))


@dataclass
class Reply:
    """What to answer."""

    body: Any = None
    """JSON, unless it is bytes; None: nothing."""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    """Wait for this before the answer, at most 60 s."""


class Receiver:
    """An HTTP server on 127.0.0.1 in threads of its own."""

    def __init__(self) -> None:
        self._replies: dict[str, list[Reply]] = {}
        # Guards the list; notified at each request.
        self._changed = threading.Condition(threading.RLock())
        self.posts: list[Post] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            # With 1.0 the connection would end with each answer, and nothing about kept-alive connections would be
            # tested.
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner._handle(self)

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that gave up while it was to be answered

        self._server = Server(("127.0.0.1", 0), Handler)
        # Its poll interval: the default of 0.5 s would be spent at the end of every test.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="tool-receiver")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Answers that wait for the test are released, so that their threads end.
        for replies in self._replies.values():
            for reply in replies:
                if reply.gate is not None:
                    reply.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, body: Any = None, status: int = 200, **more: Any) -> None:
        """Answer requests for a path (without its query) so, the first answer first; the last one is for all others."""
        self._replies.setdefault(path, []).append(Reply(body, status, **more))

    def of(self, path: str) -> list[Post]:
        """The requests for a path so far."""
        with self._changed:
            return [post for post in self.posts if post.path.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1, timeout: float = 60.0) -> list[Post]:
        """Wait until so many requests have come for a path, and return all of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(path)) >= count, timeout), (
                f"{len(self.of(path))} of {count} requests came for {path}"
            )
            return self.of(path)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._changed:
            self.posts.append(Post(handler.path, headers, raw, time.monotonic()))
            script = self._replies.get(handler.path.partition("?")[0], [])
            reply = Reply() if not script else script.pop(0) if len(script) > 1 else script[0]
            self._changed.notify_all()
        if reply.gate is not None:
            reply.gate.wait(60)
        body = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else None
        body = json.dumps(reply.body).encode() if body is None else body
        handler.send_response(reply.status)
        if reply.body is not None:
            handler.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
