"""A connected socket, plain or under TLS: one thread reads it, any thread may write.

TLS runs in memory (``ssl.SSLObject``), not in an ``SSLSocket``. OpenSSL forbids that one thread writes while another
reads the same TLS connection; here the reading thread waits on the bare socket, and the TLS object is touched under a
lock that is never held while waiting for the peer's bytes. One read of the socket also takes in many TLS records.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable

from . import tls
from .deadline import Deadline

__all__ = ["HandshakeTooLong", "Stream"]

READ_SIZE = 65536
"""Bytes taken from the kernel at once."""

HANDSHAKE_LIMIT = 65536
"""Maximum size of a peer's answer to the upgrade or to CONNECT in bytes."""


class HandshakeTooLong(Exception):
    """The peer's answer to a handshake does not end."""


class Stream:
    """The bytes of one connection.

    Until ``deadline`` is set to None, every step keeps it and raises TimeoutError. The owner keeps the socket, and may
    shut it down on any thread to end all steps.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self.deadline: Deadline | None = deadline
        self.gettimeout: Callable[[], float | None] = sock.gettimeout
        """The time limit of the socket in seconds. The socket's own method, since websocket-client calls it before each
        byte."""
        self._tls: ssl.SSLObject | None = None
        # Encrypted, with TLS only: what the peer has sent, and what is to be sent to it.
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        # Held for each use of the TLS object, and until what it made is sent, so that records leave in order.
        self._lock = threading.Lock()
        # Read during a handshake, and how much of it that has taken: websocket-client takes single bytes.
        self._received, self._taken = b"", 0
        self._handshake_left = HANDSHAKE_LIMIT
        # Port of the peer, until the first read after the handshake has brought the session.
        self._to_remember: int | None = None

    def start_tls(self, context: ssl.SSLContext, host: str, port: int) -> None:
        """Make the TLS handshake as a client; blocks until the deadline at most.

        Args:
            context: The TLS context.
            host: Name in the certificate.
            port: Port, which selects a session to resume.

        Raises:
            ssl.SSLError: The handshake failed.
            OSError: The connection failed.
            TimeoutError: The deadline has passed.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host, session=tls.resumable(context, host, port)
        )
        # Without the lock: until ``established`` only the connecting thread uses the stream. What was received behind a
        # proxy's answer to CONNECT is the peer's.
        self._incoming.write(self._unread())
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                # The peer answers only what it has received.
                self._flush()
                data = self._receive()
                if not data:
                    raise ConnectionResetError("the peer closed it during the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                # The alert gives the peer the reason.
                self._flush()
                raise
        self._flush()
        # TLS 1.3 brings the session only after the handshake.
        self._to_remember = port

    def receive(self) -> bytes:
        """Block for bytes of the peer.

        Returns:
            The bytes; empty at the end of the connection.

        Raises:
            OSError: The connection failed (ssl.SSLError included).
            TimeoutError: The deadline has passed.
        """
        # Frames that came together with the answer to the upgrade.
        if data := self._unread():
            return data
        while True:
            data = self._receive()
            if self._tls is None or not data:
                return data
            with self._lock:
                self._incoming.write(data)
                decrypted = self._decrypt(self._tls)
                self._flush()
            if decrypted is not None:
                return decrypted

    def _unread(self) -> bytes:
        """Take all that a handshake has left."""
        unread = self._received[self._taken :]
        self._received, self._taken = b"", 0
        return unread

    def has_unread(self) -> bool:
        """Whether the kernel holds bytes for ``receive``; does not block."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                return bool(selector.select(0))
        except (OSError, ValueError):
            # Closed meanwhile.
            return False

    def _decrypt(self, connection: ssl.SSLObject) -> bytes | None:
        """Return all available data; None without a complete record, ``b""`` at the end of the TLS connection."""
        pieces: list[bytes] = []
        try:
            while self._incoming.pending or connection.pending():
                piece = connection.read(READ_SIZE)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        if pieces and self._to_remember is not None:
            tls.remember(connection, self._to_remember)
            self._to_remember = None
        return b"".join(pieces) if pieces else None

    def send_all(self, data: bytes) -> None:
        """Send bytes; any thread. Blocks while the peer does not read.

        Args:
            data: The bytes.

        Raises:
            OSError: The connection failed.
        """
        with self._lock:
            if self._tls is None:
                self._send(data)
            else:
                self._tls.write(data)
                self._flush()

    def end_writing(self) -> None:
        """Announce the end of writing if that is possible without ending the reading too, i.e. without TLS.

        Raises:
            OSError: The connection failed.
        """
        if self._tls is None:
            self._socket.shutdown(socket.SHUT_WR)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def _send(self, data: bytes) -> None:
        self._limit_time()
        self._socket.sendall(data)

    def _receive(self) -> bytes:
        self._limit_time()
        return self._socket.recv(READ_SIZE)

    def _limit_time(self) -> None:
        if self.deadline is not None:
            self._socket.settimeout(self.deadline.require())

    def established(self) -> None:
        """All handshakes are done: reading and writing block without limit from now on."""
        self.deadline = None
        self._socket.settimeout(None)

    # -- what websocket-client asks of a socket, during its handshake ----------------------------------------------

    def recv(self, size: int) -> bytes:
        """Receive part of a handshake; blocks. Bytes beyond its end stay for ``receive``.

        Args:
            size: Maximum number of bytes.

        Returns:
            The bytes.

        Raises:
            HandshakeTooLong: The peer's answer is too long.
            OSError: The connection failed.
        """
        if size <= 0:
            # As a socket does: older versions of websocket-client read a body of no bytes so.
            return b""
        if self._handshake_left <= 0:
            raise HandshakeTooLong(f"its answer is longer than {HANDSHAKE_LIMIT} bytes")
        if self._taken >= len(self._received):
            self._received, self._taken = self.receive(), 0
        data = self._received[self._taken : self._taken + size]
        self._taken += len(data)
        self._handshake_left -= len(data)
        return data

    def send(self, data: bytes) -> int:
        """Send bytes like ``send_all``; blocks while the peer does not read.

        Args:
            data: The bytes.

        Returns:
            Their number.

        Raises:
            OSError: The connection failed.
        """
        self.send_all(data)
        return len(data)

    def settimeout(self, timeout: float | None) -> None:
        """Ignored: the deadline counts.

        Args:
            timeout: Seconds.
        """

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
