"""The HTTP connections under urllib3's pools: opened within a deadline, aborted by any thread, fast once open.

urllib3 decides when a connection is made and through which proxy, wraps it in TLS, and keeps it. A request of ours is
small, its answer nearly always a JSON text of a known length: that is written with one system call and read straight
from the socket, at a fraction of what the general code costs. Any other answer (in chunks, encoded, without a length)
is left to urllib3.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

import attrs
import urllib3
import urllib3.connection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from . import tls
from .deadline import Deadline
from .resolver import Addresses, look_up

__all__ = [
    "POOLS",
    "Answer",
    "AnswerTooLarge",
    "ExchangeAborted",
    "HTTPPool",
    "HTTPSPool",
    "User",
    "distrust_idle",
    "shut_down",
    "use",
]

READ_SIZE = 65536
HEAD_LIMIT = 65536
"""Maximum size of an answer's head in bytes; a longer one is left to urllib3, which refuses it."""

_MOST_HEADERS = 100
"""As in http.client, which refuses more."""

ANSWER_LIMIT = 20 * 1024 * 1024
"""Maximum size of an answer in bytes. The largest honest ones are pages of 1000 records, a few megabytes; as objects
they take some twenty times their size."""

REUSE_SECONDS = 30.0
"""A connection that was idle for longer is not used again: routers forget it, and services close it, without notice."""

UNACKNOWLEDGED_MS = 10_000
"""How long sent bytes may stay unacknowledged before the system gives the connection up."""

SOCKET_OPTIONS: list[tuple[int, int, int]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
if hasattr(socket, "TCP_USER_TIMEOUT"):
    SOCKET_OPTIONS.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS))


class ExchangeAborted(Exception):
    """The exchange was aborted, or its deadline has passed."""


class AnswerTooLarge(Exception):
    """More than ANSWER_LIMIT bytes."""

    def __init__(self) -> None:
        super().__init__(f"the answer is larger than {ANSWER_LIMIT} bytes")


@attrs.frozen
class Answer:
    """Status, headers (lower-case names) and body."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


class User(Protocol):
    """The exchange that uses a connection."""

    def uses(self, connection: HttpConnection | None) -> None:
        """Note the connection that will be used, which is not necessarily open yet.

        Args:
            connection: The connection; None when it is about to be given back.
        """

    def about_to_send(self, *, reused: bool) -> None:
        """Note that the next byte is the request's.

        Args:
            reused: Whether the connection was used before.

        Raises:
            ExchangeAborted: The exchange was aborted meanwhile.
        """
        ...

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            ExchangeAborted: There are none.
        """
        ...


# The exchange of each thread. urllib3 has no way to hand it down to the connection.
_current = threading.local()

# Idle connections that were used last before this time may be dead.
_distrusted_at = 0.0


def use(user: User | None) -> None:
    """Set the exchange of this thread, to which connections used from now on belong.

    Args:
        user: The exchange; None when it has ended.
    """
    _current.user = user


def distrust_idle() -> None:
    """Exclude all connections that are idle now from reuse, since the network may have changed; any thread."""
    global _distrusted_at
    _distrusted_at = time.monotonic()


def _limit(sock: socket.socket, seconds: float) -> None:
    """Set the kernel's time limit for each send and receive.

    Python's own timeouts need a poll before each, and so another hand-over of the interpreter lock.
    """
    whole = int(seconds)
    # A timeval. All zeros would mean no limit, hence the 1.
    value = struct.pack("ll", whole, int((seconds - whole) * 1e6) or 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)


class HttpConnection(urllib3.connection.HTTPConnection):
    """Base of all connections; those over TLS add urllib3's part."""

    user: User
    opening: socket.socket | None = None
    """The socket while it is being connected."""
    looking_up: Future[Addresses] | None = None
    fresh = True
    """Whether nothing was sent over it yet."""
    last_used = 0.0

    # -- making it ---------------------------------------------------------------------------------------------------

    def _new_conn(self) -> socket.socket:
        """Connect to the host or the proxy; called by urllib3."""
        self.fresh = True
        deadline = Deadline.after(self.user.left())
        failure: OSError | None = None
        addresses = self._addresses(deadline)
        try:
            for index, (family, kind, protocol, _, address) in enumerate(addresses):
                sock = self.opening = socket.socket(family, kind, protocol)
                try:
                    for option in SOCKET_OPTIONS:
                        sock.setsockopt(*option)
                    # Published before the user is asked: an abort finds the socket, or this finds the abort.
                    self.user.left()
                    sock.settimeout(deadline.share(len(addresses) - index))
                    sock.connect(address)
                    sock.settimeout(deadline.require())
                    # As http.client and urllib3 do: audit hooks observe connections by it.
                    sys.audit("http.client.connect", self, self.host, self.port)
                    return sock
                except BaseException as error:
                    sock.close()
                    if not isinstance(error, OSError):
                        raise
                    failure = error.with_traceback(None)
        finally:
            self.opening = None
        # urllib3's own classes: its pool recognizes them, and reports a proxy that cannot be reached as such.
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "the host does not answer") from failure
        raise NewConnectionError(self, str(failure or "the host has no address")) from failure

    def _addresses(self, deadline: Deadline) -> Addresses:
        try:
            self.user.left()
            found = look_up(self._dns_host.strip("[]"), self.port)
            if found.done():
                # As for any address, which needs no look-up.
                return found.result()
            # A Future of its own, which an abort may cancel: the look-up's is shared with others.
            answer = self.looking_up = Future()
            self.user.left()
            found.add_done_callback(lambda found: _pass_on(found, answer))
            return answer.result(deadline.left())
        except FutureTimeoutError:
            raise ConnectTimeoutError(self, "the host name was not resolved in time") from None
        except CancelledError:
            raise ExchangeAborted from None
        except OSError as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        finally:
            self.looking_up = None

    # -- using it ----------------------------------------------------------------------------------------------------

    def request(  # type: ignore[override]
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = {}, **_options: Any
    ) -> None:
        """Send a request; called by urllib3, blocks within the exchange's time limit.

        Args:
            method: HTTP method.
            url: Path, or the whole URL for a proxy.
            body: The body.
            headers: Headers by name.
            **_options: Ignored options of urllib3.

        Raises:
            ValueError: A header contains a line break.
            ExchangeAborted: The exchange was aborted, or its deadline has passed.
            OSError: The connection failed.
        """
        if self.sock is None:
            self.connect()
        sock: Any = self.sock
        lines = [f"{method} {url} HTTP/1.1", f"Host: {self._host_header()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header must not have a line break")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        # After everything that can fail before the first byte: only then is a failure certain to be NotSent.
        self.user.about_to_send(reused=not self.fresh)
        if self.fresh:
            # The kernel's limits replace Python's from here on.
            sock.settimeout(None)
            self.fresh = False
        _limit(sock, self.user.left())
        sock.sendall(head + body)

    def _host_header(self) -> str:
        host, port = self._tunnel_host or self.host, self._tunnel_port or self.port
        host = f"[{host}]" if ":" in host else host
        return host if port == self.default_port else f"{host}:{port}"

    def getresponse(self) -> Any:
        """Read the whole answer; called by urllib3, blocks within the exchange's time limit.

        Returns:
            The answer, in the form of a urllib3 response.

        Raises:
            http.client.HTTPException: The answer is not HTTP, or is incomplete.
            AnswerTooLarge: The answer is too large.
            ExchangeAborted: The exchange was aborted, or its deadline has passed.
            OSError: The connection failed.
        """
        assert self.sock is not None
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0 and len(received) <= HEAD_LIMIT:
            more = self.sock.recv(READ_SIZE)
            if not more and not received:
                # As http.client does: the usual end of a kept-alive connection that the service has closed.
                raise http.client.RemoteDisconnected("Remote end closed connection without response")
            if not more:
                break
            received += more
        answer, closes = self._usual(received, end) or self._unusual(received)
        self._keep_session()
        if closes:
            self.close()
        self.last_used = time.monotonic()
        return _Response(answer)

    def _keep_session(self) -> None:
        """Keep the TLS session, which comes with the first answer, to resume it later."""

    def _usual(self, received: bytes, end: int) -> tuple[Answer, bool] | None:
        """Return the answer, and whether the connection ends with it; None for an answer that urllib3 must read."""
        # One receive may bring more than the limit: what is longer is the library's to refuse.
        head = _parse_head(received[:end]) if 0 <= end <= HEAD_LIMIT else None
        if head is None:
            return None
        status, headers, length = head
        if length > ANSWER_LIMIT:
            raise AnswerTooLarge
        body = received[end + 4 :]
        if len(body) < length:
            body += self._rest(length - len(body))
        # More than announced: the rest would be taken for the next answer.
        closes = headers.get("connection", "").lower() == "close" or len(body) > length
        return Answer(status, headers, body[:length]), closes

    def _rest(self, missing: int) -> bytes:
        assert self.sock is not None
        chunks: list[bytes] = []
        while missing > 0:
            self.user.left()
            chunk = self.sock.recv(min(missing, READ_SIZE))
            if not chunk:
                raise http.client.IncompleteRead(b"", missing)
            chunks.append(chunk)
            missing -= len(chunk)
        return b"".join(chunks)

    def _unusual(self, received: bytes) -> tuple[Answer, bool]:
        response = http.client.HTTPResponse(_Replay(self.sock, received), method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            if response.length is not None and response.length > ANSWER_LIMIT:
                raise AnswerTooLarge
            body = self._read_unusual(response)
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body), response.will_close

    def _read_unusual(self, response: http.client.HTTPResponse) -> bytes:
        # It decodes gzip and the like. The decoded size is what counts: a small answer may expand without bound.
        general = urllib3.HTTPResponse(
            response,
            urllib3._collections.HTTPHeaderDict(response.headers.items()),
            response.status,
            preload_content=False,
            original_response=response,
            request_method="POST",
        )
        chunks, size = [], 0
        for chunk in general.stream(READ_SIZE, decode_content=True):
            size += len(chunk)
            if size > ANSWER_LIMIT:
                raise AnswerTooLarge
            chunks.append(chunk)
            self.user.left()
        return b"".join(chunks)


def _parse_head(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Parse status, headers and body length of a plain answer; None if anything is unusual."""
    first, *lines = head.decode("latin-1").split("\r\n")
    if len(lines) > _MOST_HEADERS:
        return None
    status = first[9:12]
    if not first.startswith("HTTP/1.1 ") or not status.isdecimal() or first[12:13] not in ("", " "):
        return None
    # Interim answers (1xx) are followed by another one.
    if not "200" <= status <= "599" or "\n" in first:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        # A repeated header is joined, or refused, by the general parser.
        if not colon or name in headers or not (name.isascii() and name.isprintable()) or " " in name:
            return None
        if "\n" in value or "\r" in value:
            return None
        headers[name] = value.strip(" \t")
    # 204 and 304 have no body, whatever length they announce (RFC 9110, 6.4.1).
    length = headers.get("content-length", "")
    if not length.isdecimal() or not length.isascii() or len(length) > 18 or status in ("204", "304"):
        return None
    if "transfer-encoding" in headers or "content-encoding" in headers:
        return None
    return int(status), headers, int(length)


class _Replay(io.RawIOBase):
    """A socket of which some bytes were received already, for ``http.client``."""

    def __init__(self, sock: socket.socket | None, received: bytes) -> None:
        assert sock is not None
        self._sock = sock
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._received:
            return self._sock.recv_into(buffer)
        piece, self._received = self._received[: len(buffer)], self._received[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


class _Response:
    """An answer, in the form in which urllib3's pool passes a response on."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self.version_string = "HTTP/1.1"
        self.length_remaining = 0


def _pass_on(found: Future[Addresses], answer: Future[Addresses]) -> None:
    try:
        error = found.exception()
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found.result())
    except InvalidStateError:
        # Cancelled by an abort.
        pass


def shut_down(connection: HttpConnection) -> None:
    """Abort the connection, on another thread; a TLS handshake continues to its own limit. Does not block.

    Args:
        connection: The connection, in any state.
    """
    looking_up = connection.looking_up
    if looking_up is not None:
        looking_up.cancel()
    for sock in (connection.opening, connection.sock):
        if sock is not None:
            try:
                # Not sock.shutdown: an SSLSocket would first drop its TLS state under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass


class HttpsConnection(HttpConnection, urllib3.connection.HTTPSConnection):
    """The same over TLS."""

    _session_of: ssl.SSLSocket | None = None
    # The last socket whose session was looked at.

    def _keep_session(self) -> None:
        # Of a connection inside that to a proxy, the socket is another class of urllib3's, which has no session.
        if self.sock is not self._session_of and isinstance(self.sock, ssl.SSLSocket):
            self._session_of = self.sock
            tls.remember(self.sock, self.sock.getpeername()[1])


class _Idle:
    """The idle connections of a pool, of which the last used one is taken first.

    In place of a LifoQueue, whose locks and conditions serve pools that wait for a connection. Ours makes another one.
    """

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        # Its methods are atomic.
        self._connections: list[Any] = []

    def put(self, connection: Any, **_options: Any) -> None:
        if len(self._connections) >= self.maxsize:
            raise queue.Full
        # None stands for a connection that is still to be made, which only a pool that waits has to count.
        if connection is not None:
            self._connections.append(connection)

    def get(self, **_options: Any) -> Any:
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None


class _Pool(urllib3.HTTPConnectionPool):
    """Mixin: passes connections to the exchange of the thread, except those that may be dead."""

    QueueCls = _Idle  # type: ignore[assignment]

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None:
            used = connection.last_used
            if used < _distrusted_at or time.monotonic() - used > REUSE_SECONDS:
                # The pool's connections connect again when they are used.
                connection.close()
        connection.user = _current.user
        connection.user.uses(connection)
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            # Before: then it may be another exchange's, which a late abort of this one must not shut down.
            conn.user.uses(None)
        super()._put_conn(conn)


class HTTPPool(_Pool):
    ConnectionCls = HttpConnection  # type: ignore[assignment]


class HTTPSPool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = HttpsConnection  # type: ignore[assignment]


POOLS = {"http": HTTPPool, "https": HTTPSPool}
