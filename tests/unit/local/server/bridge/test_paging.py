"""The remembered ends of pages."""

from __future__ import annotations

import pytest

from twilio_taskrouter_worker.local.server.bridge import paging


def test_the_oldest_end_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients cannot fill the memory with pages; ends of different lists at one record are two."""
    monkeypatch.setattr(paging, "KNOWN_POSITIONS", 2)
    positions = paging.Positions()
    positions.remember("WK1", {"Name": "a"}, 1)
    positions.remember("WK1", {"Name": "b"}, 2)
    positions.remember("WK2", {"Name": "b"}, 3)
    assert positions.recall("WK1", {"Name": "a"}) is None
    assert (positions.recall("WK1", {"Name": "b", "PageSize": "5"}), positions.recall("WK2", {"Name": "b"})) == (2, 3)
