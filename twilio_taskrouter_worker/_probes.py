"""The HTTP server of a HealthServer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["ProbeServer"]


Probe = Callable[[], tuple[bool, dict[str, Any]]]
"""Returns whether all is well, and the details."""


class ProbeServer(ThreadingHTTPServer):
    """Answers GET and HEAD of some paths: 200 if all is well, else 503, with the details as JSON.

    Args:
        address: Host and port to listen on.
        probes: The probe of each path; called on the thread of the request.
    """

    # One thread for each probe: one that sends nothing must not keep the others waiting.
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], probes: Mapping[str, Probe]) -> None:
        super().__init__(address, _handler(probes))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore probes that disconnect early."""


def _handler(probes: Mapping[str, Probe]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Seconds for a probe that connects and then sends nothing.
        timeout = 5.0
        server_version = "taskrouter-worker"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path not in probes:
                self._answer(404, {"paths": list(probes)})
                return
            good, details = probes[path]()
            self._answer(200 if good else 503, details)

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
