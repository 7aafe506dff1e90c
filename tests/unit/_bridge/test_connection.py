"""The connection's steps that need no service."""

from __future__ import annotations

from tests.unit._bridge.driver import event_frame
from twilio_taskrouter_worker._bridge.connection import _readable


def test_frames_that_came_while_the_lists_were_read() -> None:
    """Heartbeats and frames that are no messages are left out; the others keep their order."""
    messages = _readable((event_frame(1), "\n", "{", b"\xff", event_frame(2).encode()))
    assert [message.payload for message in messages] == [{"number": 1}, {"number": 2}]
