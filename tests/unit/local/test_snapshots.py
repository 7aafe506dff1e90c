"""Snapshots that a restart cannot use."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from twilio_taskrouter_worker import __version__
from twilio_taskrouter_worker.local import snapshots
from twilio_taskrouter_worker.local.tables import Snapshot


@pytest.mark.parametrize(
    "state",
    [b"not compressed", zlib.compress(b"{"), zlib.compress(b"{}"), zlib.compress(b"[]"), zlib.compress(b"\xff")],
    ids=["zlib", "json", "keys", "type", "utf-8"],
)
def test_a_damaged_snapshot_is_left_out(state: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It only saves time, so the start goes on with the journal, and a warning names file and entry."""
    snapshot = Snapshot(number=7, since=0, events=1, version=__version__, state=state, facts=b"", sessions="[]")
    store: Any = cast(Any, SimpleNamespace(path="state.db"))
    assert snapshots._engine(store, snapshot) is None
    assert "state.db: the snapshot after entry 7 is not used" in caplog.text
