"""The sender of one page, where its websocket fails and messages come to nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local.server.console.viewer import Viewer


class Socket:
    """A websocket that fails once it has sent a number of messages."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.sent: list[str] = []
        self.closed = False

    async def send_str(self, text: str) -> None:
        """Send, or fail."""
        if self.sent:
            raise self.error
        self.sent.append(text)

    async def close(self) -> None:
        """Close."""
        self.closed = True


def ended(socket: Socket, fill: Callable[[Viewer], None]) -> None:
    """Run a sender until it ends."""

    async def kept() -> None:
        return None

    async def run() -> None:
        viewer = Viewer(cast(Any, socket), kept)
        fill(viewer)
        await asyncio.wait_for(viewer.send(), 60)

    asyncio.run(run())


def three(viewer: Viewer) -> None:
    """Two messages, and one between them that has nothing to send any more."""
    viewer.put("a", lambda: "1")
    viewer.put("b", lambda: None)
    viewer.put("c", lambda: "3")


@pytest.mark.parametrize("error", [ConnectionResetError(), StoreError("the disk is full")])
def test_a_page_that_has_gone(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The sender ends quietly; a message that came to nothing was not sent."""
    socket = Socket(error)
    ended(socket, three)
    assert (socket.sent, socket.closed) == (["1"], False)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_unexpected_failure_closes_the_websocket(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the page connects again."""
    socket = Socket(RuntimeError("broken"))
    ended(socket, three)
    assert socket.closed
    assert "A console failed" in caplog.text


def test_a_snapshot_replaces_changes() -> None:
    """Changes that were made before it is sent are in it."""

    def fill(viewer: Viewer) -> None:
        viewer.show(None, lambda: '"a":1')
        viewer.change('"a":0')
        viewer.put("end", lambda: "")

    socket = Socket(ConnectionResetError())
    ended(socket, fill)
    assert socket.sent == ['{"type":"snapshot","seq":0,"a":1}']
