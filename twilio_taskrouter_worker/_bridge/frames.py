"""The frames of a websocket (RFC 6455), from the peer's bytes to messages. Pure.

Whole text frames, which is nearly all that comes, are cut straight out of the bytes; a size is checked as soon as its
header is there, before anything is kept.
"""

from __future__ import annotations

__all__ = ["CLOSE", "MESSAGE_LIMIT", "PONG", "FrameError", "Frames"]

MESSAGE_LIMIT = 1024 * 1024
"""Maximum size of a message in bytes; the service's largest, a reservation with all attributes, has some 20,000."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_FINAL = 0x80
# First byte of nearly every frame: a complete, unfragmented text message without extension bits.
_WHOLE_TEXT = _FINAL | TEXT
# Values of the 7-bit length that announce a longer one, and the bytes which that takes (RFC 6455, 5.2).
_SIZE_BYTES = {126: 2, 127: 8}
_NOT_TEXT = b"\xff"
"""Stands for a binary message, which the parser refuses with a reason."""


class FrameError(Exception):
    """The peer broke the protocol; ``code`` is the close code for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Frames:
    """Cuts the peer's bytes into messages, regardless of how they are split.

    Args:
        limit: Maximum size of a message in bytes.
    """

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        # Bytes that end in the middle of a frame, and how many the frame lacks at least. Pieces, not one text that
        # grows: a peer that sends byte by byte would have all of it copied each time.
        self._pieces: list[bytes] = []
        self._lacking = 0
        # The fragments of a message so far; None while no fragmented message is under way.
        self._fragments: list[bytes] | None = None
        self._fragments_size = 0
        self._fragments_text = False
        self.ping: bytes | None = None
        """The payload of the latest ping, to be sent back. Earlier unanswered ones need no answer (RFC 6455, 5.5.3)."""
        self.closing: bytes | None = None
        """The payload of the peer's close frame; later frames are ignored."""
        self.failure: FrameError | None = None
        """The peer's violation of the protocol; later frames are ignored."""

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes received from the peer.

        Args:
            data: The bytes.

        Returns:
            The text messages completed by them, in order.
        """
        if self._pieces:
            self._pieces.append(data)
            self._lacking -= len(data)
            if self._lacking > 0:
                return []
            data = b"".join(self._pieces)
            self._pieces = []
        texts: list[bytes] = []
        try:
            rest = self._cut(data, texts)
        except FrameError as error:
            self.failure = error
        else:
            if rest < len(data):
                self._pieces.append(data[rest:])
        return texts

    def _cut(self, data: bytes, texts: list[bytes]) -> int:
        """Add the text messages to ``texts``; return where the first frame begins that is not complete."""
        start, end, limit = 0, len(data), self._limit
        # What follows a close frame is to be discarded (RFC 6455, 1.4).
        while self.closing is None:
            body = start + 2
            self._lacking = body - end
            if body > end:
                break
            first, size = data[start], data[start + 1]
            if size >= 126:
                body += _SIZE_BYTES.get(size, 0)
                # The top bit of the length byte is the mask bit, which only a client sets (RFC 6455, 5.1).
                if size > 127:
                    raise FrameError(1002, "a frame of a server is masked")
                self._lacking = body - end
                if body > end:
                    break
                size = int.from_bytes(data[start + 2 : body], "big")
            if size > limit:
                raise FrameError(1009, f"a message is larger than {limit} bytes")
            after = body + size
            if after > end:
                self._lacking = after - end
                break
            if first == _WHOLE_TEXT and self._fragments is None:
                texts.append(data[body:after])
            else:
                self._rare(first, data[body:after], texts)
            start = after
        return start

    def _rare(self, first: int, body: bytes, texts: list[bytes]) -> None:
        """Handle a frame that is not a complete text message."""
        opcode = first & 0x0F
        # RSV1 to RSV3: compression, for example, which was not offered.
        if first & 0x70:
            raise FrameError(1002, "a frame uses an extension that was not agreed")
        # Control frames may come between the fragments of a message (RFC 6455, 5.4), so they leave those alone.
        if opcode in (CLOSE, PING, PONG):
            if not first & _FINAL or len(body) > 125:
                raise FrameError(1002, "a control frame is fragmented or too long")
            if opcode == CLOSE:
                self.closing = body
            elif opcode == PING:
                self.ping = body
        elif opcode in (TEXT, BINARY) and self._fragments is None:
            self._fragments, self._fragments_size, self._fragments_text = [], 0, opcode == TEXT
            self._fragment(first, body, texts)
        elif opcode == CONTINUATION and self._fragments is not None:
            self._fragment(first, body, texts)
        else:
            raise FrameError(1002, f"a frame has the unexpected opcode {opcode}")

    def _fragment(self, first: int, body: bytes, texts: list[bytes]) -> None:
        assert self._fragments is not None
        self._fragments_size += len(body)
        if self._fragments_size > self._limit:
            raise FrameError(1009, f"a message is larger than {self._limit} bytes")
        # Empty fragments are valid and may come in any number: they must not make the list grow.
        if body:
            self._fragments.append(body)
        if first & _FINAL:
            texts.append(b"".join(self._fragments) if self._fragments_text else _NOT_TEXT)
            self._fragments = None
