"""The connection under a websocket: name look-up, TCP, a proxy's tunnel, TLS.

``websocket-client`` can do all this, but can neither be interrupted meanwhile nor held to one deadline for all steps.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from urllib.parse import SplitResult, unquote, urlsplit

from . import tls
from .deadline import Deadline
from .resolver import Addresses, look_up
from .settings import Settings
from .stream import HandshakeTooLong, Stream

__all__ = ["ConnectAborted", "Dialing", "ProxyRefused"]

DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


class ConnectAborted(Exception):
    """``abort`` was called while the connection was being made."""


class ProxyRefused(Exception):
    """The proxy did not open a tunnel, or is of a kind that has none."""


class Dialing:
    """One attempt to connect, on one thread; ``abort`` on any other thread ends it.

    No lock: a socket is published before the flag is read, and the flag is set before the socket is read, so
    that one of the two threads sees the other.
    """

    def __init__(
        self, url: str, settings: Settings, look_up: Callable[[str, int], Future[Addresses]] = look_up
    ) -> None:
        self._url = urlsplit(url)
        self._settings = settings
        self._look_up = look_up
        self._socket: socket.socket | None = None
        self._answer: Future[Addresses] | None = None
        self.aborted = False
        """Whether ``abort`` was called: further results are ignored."""

    def abort(self) -> None:
        """End the attempt at once: ``connect`` raises ConnectAborted or any OSError. Any thread; does not block."""
        self.aborted = True
        answer, sock = self._answer, self._socket
        if answer is not None:
            _settle(answer, ConnectAborted())
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def connect(self, deadline: Deadline) -> Stream:
        """Connect, and return the bytes of the connection, ready for the upgrade.

        Raises:
            ConnectAborted: ``abort`` was called.
            ProxyRefused: The proxy opens no tunnel.
            TimeoutError: The deadline passed.
            OSError: Anything else, ``tls.CaError`` and ``ssl.SSLError`` among them.
        """
        proxy = self._proxy()
        try:
            stream = self._open(urlsplit(proxy) if proxy else self._url, deadline)
            if proxy:
                self._tunnel(stream, urlsplit(proxy))
            if self._url.scheme == "wss":
                self._start_tls(stream, self._url)
        except BaseException:
            self.close()
            raise
        return stream

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    # -- steps -----------------------------------------------------------------------------------------------------

    @property
    def _host(self) -> str:
        return self._url.hostname or ""

    def _proxy(self) -> str | None:
        """The environment's proxy for this address, as requests chooses it."""
        scheme = "https" if self._url.scheme == "wss" else "http"
        proxies = self._settings.proxies
        # The most specific first, as in ``requests.utils.select_proxy``.
        keys = (f"{scheme}://{self._host}", scheme, f"all://{self._host}", "all")
        proxy = next((proxies[key] for key in keys if key in proxies), None)
        if proxy is None:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        kind = urlsplit(proxy).scheme
        # wss:// through an https:// proxy would be TLS inside TLS, which Stream does not do.
        if kind != "http" and (kind, scheme) != ("https", "http"):
            raise ProxyRefused(f"a websocket of this kind cannot go through a proxy of the kind {kind}://; use http://")
        return proxy

    def _open(self, to: SplitResult, deadline: Deadline) -> Stream:
        addresses = self._addresses(to.hostname or "", to.port or DEFAULT_PORTS[to.scheme], deadline)
        failure: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            self._hold(sock)
            try:
                # An address that does not answer leaves time for those after it (the spirit of RFC 8305).
                sock.settimeout(deadline.share(len(addresses) - index))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.connect(address)
                # Checked again, since a shutdown has no effect on a socket that is not connected yet.
                self._check()
                return Stream(sock, deadline)
            except OSError as error:
                sock.close()
                failure = error
                self._check()
        # Without the traceback: its frames would keep the sockets alive for as long as the error.
        raise failure.with_traceback(None) if failure else OSError("the host has no address")

    def _addresses(self, host: str, port: int, deadline: Deadline) -> Addresses:
        self._check()
        found = self._look_up(host, port)
        if found.done():
            # As for any address, which needs no look-up.
            return found.result()
        # A Future of its own, which abort may settle: the look-up's is shared with others.
        answer: Future[Addresses] = Future()
        self._answer = answer
        self._check()
        found.add_done_callback(lambda found: _settle(answer, found))
        try:
            return answer.result(deadline.left())
        except FutureTimeoutError:
            raise TimeoutError("the host name was not resolved in time") from None

    def _tunnel(self, stream: Stream, proxy: SplitResult) -> None:
        if proxy.scheme == "https":
            self._start_tls(stream, proxy)
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._url.port or DEFAULT_PORTS[self._url.scheme]}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        # Basic credentials in the URL of the proxy, as requests reads them.
        if proxy.username:
            credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(credentials.encode()).decode('ascii')}")
        stream.send_all("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = bytearray()
        # Byte by byte: what follows the empty line is the peer's, not the proxy's.
        while not answer.endswith(b"\r\n\r\n"):
            try:
                received = stream.recv(1)
            except HandshakeTooLong:
                received = b""
            if not received:
                raise ProxyRefused("the proxy did not answer as a proxy does")
            answer += received
        status = answer.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)[1:2]
        if not status or not ("200" <= status[0] < "300"):
            raise ProxyRefused(f"the proxy refused the tunnel with status {status[0] if status else 'unknown'}")

    def _start_tls(self, stream: Stream, to: SplitResult) -> None:
        stream.start_tls(tls.context(self._settings.verify), to.hostname or "", to.port or DEFAULT_PORTS[to.scheme])

    def _hold(self, sock: socket.socket) -> None:
        self._socket = sock
        self._check()

    def _check(self) -> None:
        if self.aborted:
            raise ConnectAborted


def _settle(answer: Future[Addresses], outcome: Future[Addresses] | Exception) -> None:
    """Settle the Future; of two threads that do so, the first one counts."""
    error = outcome if isinstance(outcome, Exception) else outcome.exception()
    try:
        if error is not None:
            answer.set_exception(error)
        else:
            assert isinstance(outcome, Future)
            answer.set_result(outcome.result())
    except InvalidStateError:
        pass
