"""Websocket frames as bytes, encoded once for all sessions that get the same one."""

from __future__ import annotations

import enum
import struct
from typing import Any

from ...._json import dumps

# RFC 6455, section 5.2: FIN and opcode 1; then the length in 7 bits, or 126 and 16 bits, or 127 and 64 bits.
_FINAL_TEXT = 0x81
_SHORT = 125
_LONG = 0xFFFF


class Kind(enum.Enum):
    """The purpose of a frame."""

    INIT = "init"
    """The first one of a session."""
    EVENT = "event"
    HEARTBEAT = "heartbeat"


def text(data: bytes) -> bytes:
    """Return an unmasked text frame, as a server sends it.

    Args:
        data: UTF-8 text.
    """
    size = len(data)
    if size <= _SHORT:
        return struct.pack("!BB", _FINAL_TEXT, size) + data
    if size <= _LONG:
        return struct.pack("!BBH", _FINAL_TEXT, 126, size) + data
    return struct.pack("!BBQ", _FINAL_TEXT, 127, size) + data


def message(event_type: str, payload: dict[str, Any]) -> bytes:
    """Return the frame of one event.

    Args:
        event_type: The type of the event.
        payload: Its payload.
    """
    return text(dumps({"event_type": event_type, "payload": payload}))


def payload(frame: bytes) -> bytes:
    """Return the text of a frame that :func:`text` made.

    Args:
        frame: The frame.
    """
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


# A text frame of only white space, as the live service sends it.
HEARTBEAT = text(b" ")
"""Shows a client that the connection is alive."""
