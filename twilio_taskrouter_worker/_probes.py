"""The HTTP server of a HealthServer."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .health import Health

__all__ = ["ProbeServer"]


class ProbeServer(ThreadingHTTPServer):
    """Answers ``/live`` and ``/ready``.

    Args:
        address: Host and port to listen on.
        health: Returns the health; called on the thread of the probe.
    """

    # One thread for each probe: one that sends nothing must not keep the others waiting.
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], health: Callable[[], Health]) -> None:
        super().__init__(address, _handler(health))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore probes that disconnect early."""


def _handler(health: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Seconds for a probe that connects and then sends nothing.
        timeout = 5.0
        server_version = "taskrouter-worker"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path not in ("/live", "/ready"):
                self._answer(404, {"paths": ["/live", "/ready"]})
                return
            now = health()
            good = now.running if path == "/live" else now.ready and not now.stopping
            # What failed can quote addresses; it is in the log.
            self._answer(200 if good else 503, {**now.to_dict(), "failure": now.failure is not None})

        do_HEAD = do_GET

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            # No proxy may answer in place of the worker.
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes come every few seconds: they are not logged."""

    return Handler
