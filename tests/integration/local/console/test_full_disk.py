"""A console over a service that cannot write its file any more."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
import requests
import websocket

from tests.integration.local.console.console_client import Browser, Live
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.server.console import live as module


def closed(page: Live) -> str:
    """Receive until the service ends a websocket because it cannot go on, and return the reason."""
    while (frame := page.socket.recv_frame()).opcode != websocket.ABNF.OPCODE_CLOSE:
        assert frame.opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_PING)
    data = frame.data
    assert isinstance(data, bytes)
    assert struct.unpack("!H", data[:2]) == (1011,)
    return data[2:].decode()


def test_a_console_after_a_failed_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests get the reason, open and new websockets end with it, and the scans end without a traceback."""
    monkeypatch.setattr(module, "STATUS_SECONDS", 0.05)
    scanned: list[asyncio.TimerHandle | asyncio.Handle | None] = []
    scan = module.Live._scan_status

    def watched(self: module.Live) -> None:
        scan(self)
        scanned.append(self._status_handle)

    monkeypatch.setattr(module.Live, "_scan_status", watched)
    router = LocalTaskRouter(db=str(tmp_path / "full.db")).start()
    try:
        facade, workspace_sid = router._console, router.workspace_sid
        assert facade is not None
        with Browser(router) as browser, browser.live() as page:
            page.until(lambda: page.state["whole"])
            failure = StoreError("the disk is full, " + "\u00fc" * 60)
            router._host.call(lambda: setattr(service_of(router).committer, "failure", failure))
            eventually(lambda: bool(scanned) and scanned[-1] is None)
            refused = browser.request("GET", "rest/v1/Workspaces")
            assert refused.status_code == 503 and "the disk is full" in refused.json()["message"]
            assert browser.request("GET", "").status_code == 200
            health = requests.get(f"{router.url}/health", timeout=30)
            assert (health.status_code, health.json()["status"], "disk" in health.text) == (503, "failed", False)
            assert router._host.call(facade.info)["workspace_sid"] == workspace_sid
            reasons = [closed(page)]
            with browser.live() as late:
                reasons.append(closed(late))
            assert reasons[0] == reasons[1]
            assert reasons[0].startswith("the disk is full, \u00fc")
    finally:
        router.stop()
    assert not [record for record in caplog.records if record.name == "asyncio"]
