"""The committer without a file, and one whose commits fail."""

from __future__ import annotations

import asyncio

import pytest

from twilio_taskrouter_worker.errors import StateError
from twilio_taskrouter_worker.local.server.commits import Committer


def test_a_service_without_a_journal() -> None:
    """There is nothing to read, nothing to wait for, and nothing to close."""
    called: list[str] = []

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), None)
        with pytest.raises(StateError, match="keeps no journal"):
            committer.journal()
        committer.when_kept(lambda: called.append("later"))
        assert called == [], "it is called in a later turn of the loop"
        await committer.kept()
        await asyncio.sleep(0)
        committer.close()
        committer.close()

    asyncio.run(run())
    assert called == ["later"]
