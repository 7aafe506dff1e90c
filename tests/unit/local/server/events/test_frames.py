"""Websocket frames as a server writes them, read back by websocket-client's own reader."""

from __future__ import annotations

import pytest
from websocket._abnf import ABNF, frame_buffer

from twilio_taskrouter_worker.local.server.events import frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_text_frames(size: int) -> None:
    """Every length, around each change of the header's form, is read back whole."""
    left = bytearray(frames.text(b"x" * size))

    def receive(count: int) -> bytes:
        taken = bytes(left[:count])
        del left[:count]
        return taken

    frame = frame_buffer(receive, skip_utf8_validation=False).recv_frame()
    assert (frame.fin, frame.opcode, frame.mask_value) == (1, ABNF.OPCODE_TEXT, 0)
    assert frame.data == b"x" * size
    assert not left


def test_message() -> None:
    """An event is one compact JSON object with its type and payload."""
    assert frames.message("init", {"a": "é"})[2:] == b'{"event_type":"init","payload":{"a":"\\u00e9"}}'
