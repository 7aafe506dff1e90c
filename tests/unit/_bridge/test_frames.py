"""Frames of a websocket, however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker._bridge.frames import Frames

FIN, TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x80, 1, 2, 0, 8, 9, 10


def frame(opcode: int, body: bytes = b"", *, fin: bool = True, size_bytes: int | None = None) -> bytes:
    """A frame as a server sends it; ``size_bytes`` chooses the length of its size: 0, 2 or 8."""
    first = bytes([(FIN if fin else 0) | opcode])
    if size_bytes is None:
        size_bytes = 0 if len(body) < 126 else 2 if len(body) < 65536 else 8
    if size_bytes == 0:
        return first + bytes([len(body)]) + body
    return first + bytes([126 if size_bytes == 2 else 127]) + len(body).to_bytes(size_bytes, "big") + body


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1024 * 1024])
def test_sizes(size: int) -> None:
    """Each form of the size, up to the limit."""
    body = b"x" * size
    assert Frames().feed(frame(TEXT, body)) == [body]


def test_many_frames_at_once_and_a_part() -> None:
    """All that are complete come at once; the rest waits for its end."""
    frames = Frames()
    whole = frame(TEXT, b"one") + frame(TEXT, b"x" * 300) + frame(TEXT, b"three")
    assert frames.feed(whole[:-2]) == [b"one", b"x" * 300]
    assert frames.feed(whole[-2:]) == [b"three"]


MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.binary(max_size=300)),
        st.tuples(st.just("fragments"), st.lists(st.binary(max_size=150), min_size=2, max_size=4)),
        st.tuples(st.just("ping"), st.binary(max_size=10)),
        st.tuples(st.just("binary"), st.binary(max_size=10)),
    ),
    max_size=8,
)


@given(MESSAGES, st.lists(st.integers(1, 400)))
def test_any_cut_of_the_bytes_gives_the_same_messages(messages: list[tuple[str, object]], cuts: list[int]) -> None:
    """What arrives in one piece may arrive in any others."""
    wire, expected = b"", []
    for kind, content in messages:
        if kind == "fragments":
            assert isinstance(content, list)
            first, *middle, last = content
            wire += frame(TEXT, first, fin=False)
            # A control frame may stand between two fragments.
            wire += b"".join(frame(PONG) + frame(CONTINUATION, part, fin=False) for part in middle)
            wire += frame(CONTINUATION, last)
            expected.append(b"".join(content))
            continue
        assert isinstance(content, bytes)
        wire += frame({"text": TEXT, "ping": PING, "binary": BINARY}[kind], content)
        expected += {"text": [content], "ping": [], "binary": [b"\xff"]}[kind]
    frames, got, at = Frames(), [], 0
    for cut in [*cuts, len(wire) or 1]:
        got += frames.feed(wire[at : at + cut])
        at += cut
    assert got == expected and frames.failure is None
    pings = [content for kind, content in messages if kind == "ping"]
    assert frames.ping == (pings[-1] if pings else None)


def test_one_byte_at_a_time() -> None:
    """The slowest peer."""
    wire = frame(TEXT, b"x" * 200, size_bytes=8) + frame(CLOSE, b"\x03\xe8bye")
    frames, got = Frames(), []
    for index in range(len(wire)):
        got += frames.feed(wire[index : index + 1])
    assert got == [b"x" * 200] and frames.closing == b"\x03\xe8bye"


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (bytes([FIN | TEXT, 0x85]) + b"maskHello", 1002),
        (bytes([FIN | TEXT, 0xFF]) + b"\0" * 12, 1002),
        (bytes([FIN | 0x40 | TEXT, 0]), 1002),
        (frame(3), 1002),
        (frame(11), 1002),
        (frame(CONTINUATION, b"of nothing"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
        (frame(PING, b"", fin=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"x" * 126), 1002),
    ],
)
def test_a_broken_protocol(wire: bytes, code: int) -> None:
    """What came before counts, nothing after; the code says what it was."""
    frames = Frames()
    assert frames.feed(frame(TEXT, b"before") + wire + frame(TEXT, b"after")) == [b"before"]
    assert frames.failure is not None and frames.failure.code == code


@pytest.mark.parametrize("size", [2**63, 2**40, 1024 * 1024 + 1])
def test_a_message_too_large_ends_at_its_header(size: int) -> None:
    """Nothing of it is waited for, and nothing kept."""
    frames = Frames()
    assert frames.feed(bytes([FIN | TEXT, 127]) + size.to_bytes(8, "big")) == []
    assert frames.failure is not None and frames.failure.code == 1009


def test_fragments_too_large_together() -> None:
    """The limit is the message's, not the frame's."""
    frames = Frames(limit=1000)
    frames.feed(frame(TEXT, b"x" * 900, fin=False))
    before = frames.failure
    frames.feed(frame(CONTINUATION, b"x" * 101))
    assert before is None
    assert frames.failure is not None and frames.failure.code == 1009


def test_endless_empty_fragments_keep_nothing() -> None:
    """A fragment without content takes no memory."""
    frames = Frames()
    frames.feed(frame(TEXT, b"a", fin=False) + frame(CONTINUATION, fin=False) * 10_000)
    assert frames.feed(frame(CONTINUATION, b"b")) == [b"ab"]


def test_nothing_counts_after_the_close_frame() -> None:
    """Neither a message nor a second close frame."""
    frames = Frames()
    assert frames.feed(frame(TEXT, b"a") + frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"b") + frame(CLOSE)) == [b"a"]
    assert frames.closing == b"\x03\xe8"
