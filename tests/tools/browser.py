"""A real browser for the tests of pages, and a web site of an attacker's on this machine.

Needs Playwright (the extra ``peers``) and a Chromium: Debian's, or the one that ``TASKROUTER_TEST_CHROMIUM`` names.
Importing it skips the test module where one is missing.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra 'peers')")
CHROMIUM = os.environ.get("TASKROUTER_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)

SECONDS = 30
FOREIGN = "evil.example"
_ARGUMENTS = [
    # As root in a container, where Chromium's sandbox does not start.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A real foreign site for the browser's rules on origins, without any network.
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
]

expect = sync_api.expect


@contextmanager
def launched() -> Iterator[Any]:
    """A browser in which a foreign name means this machine."""
    expect.set_options(timeout=SECONDS * 1000)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS, timeout=SECONDS * 1000)
        try:
            yield browser
        finally:
            browser.close()


class _Page(BaseHTTPRequestHandler):
    """Serves the attacker's page."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>An offer</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def foreign_site() -> Iterator[int]:
    """The port of a web site on this machine, with an empty page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
