"""A console over a service that cannot write its file any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.local.console.console_client import Browser
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.server.console import live as module


def test_a_console_after_a_failed_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its requests are answered with the reason, the page still opens, and its scans end without a traceback."""
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
            failure = StoreError("the disk is full")
            router._host.call(lambda: setattr(service_of(router).committer, "failure", failure))
            eventually(lambda: bool(scanned) and scanned[-1] is None, 30)
            refused = browser.request("GET", "rest/v1/Workspaces")
            assert refused.status_code == 503 and "the disk is full" in refused.json()["message"]
            assert browser.request("GET", "").status_code == 200
            assert router._host.call(facade.info)["workspace_sid"] == workspace_sid
    finally:
        router.stop()
    assert not [record for record in caplog.records if record.name == "asyncio"]
