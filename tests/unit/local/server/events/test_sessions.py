"""How a session writes its frames: in order, those of one change at once, and none to a client that was dropped."""

from __future__ import annotations

import asyncio
from typing import Any

from twilio_taskrouter_worker.local.server.events.frames import Kind
from twilio_taskrouter_worker.local.server.events.sessions import BURST_BYTES, Batch, Session


class Wire:
    """A transport that keeps what is written to it; ``unread`` is what its peer has not read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unread = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        """Keep the data."""
        assert not self.aborted
        self.written.append(data)

    def abort(self) -> None:
        """Close at once."""
        self.aborted = True

    def is_closing(self) -> bool:
        """Whether it was aborted."""
        return self.aborted

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def get_write_buffer_size(self) -> int:
        """Return what is unread."""
        return self.unread


def session() -> tuple[Session, Wire]:
    """A session on a wire."""

    async def close_politely(code: int, reason: str) -> None:
        raise AssertionError("nobody closes it")

    wire = Wire()
    return Session("WS1", "WK1", wire, close_politely, expires_at=0.0, set_offline=None), wire


def test_frames_of_a_change_are_written_at_once() -> None:
    """The frames of a released batch are one write, many are a few writes, and their order stays."""
    client, wire = session()
    first, second = Batch(), Batch()
    first.add(client, b"a")
    second.add(client, b"b")
    first.add(client, b"c")
    second.release()
    assert wire.written == []
    first.release()
    assert wire.written == [b"abc"]
    client.write(Kind.HEARTBEAT, b" ")
    assert wire.written.pop() == b" "
    large = Batch()
    frames = [bytes([number]) for number in range(40)]
    for frame in frames:
        large.add(client, frame)
    large.release()
    assert [len(data) for data in wire.written[1:]] == [16, 16, 8]
    assert b"".join(wire.written[1:]) == b"".join(frames)


def test_held_frames_are_not_written() -> None:
    """Frames that a fault holds back do not come with the others; it writes them itself, later."""
    client, wire = session()
    held = []

    def hold(of: Session, kind: Kind, frame: bytes) -> None:
        if frame == b"b":
            held.append(frame)
        else:
            of.transmit(frame)

    client.sender = hold
    batch = Batch()
    for frame in (b"a", b"b", b"c"):
        batch.add(client, frame)
    batch.release()
    client.transmit(held.pop())
    assert wire.written == [b"ac", b"b"]


def test_a_client_that_does_not_read_is_dropped() -> None:
    """Nothing is written to a session that has been dropped in the middle of its frames."""

    async def drop() -> Any:
        client, wire = session()
        batch = Batch()
        for _ in range(3):
            batch.add(client, b"a")
        wire.unread = BURST_BYTES + 1
        batch.release()
        return client, wire

    client, wire = asyncio.run(drop())
    assert wire.aborted
    assert wire.written == []
    assert not client.queue
