"""Making the connection under a websocket: the name looked up, TCP, a proxy's tunnel, TLS.

``websocket-client`` can do all this, but cannot be interrupted in it, nor held to one deadline over all steps.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from base64 import b64encode
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import certifi

from .http import Settings
from .threads import POOL

__all__ = ["Dialing", "GivenUp", "ProxyRefused"]

PROXY_ANSWER_LIMIT = 64 * 1024
"""Bytes of a proxy's answer to CONNECT at most."""

DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


class GivenUp(Exception):
    """The connection was hung up while it was being made."""


class ProxyRefused(Exception):
    """The proxy did not open a tunnel, or is of a kind that cannot."""


class Dialing:
    """One try to connect, on one thread; ``hang_up`` from any other ends it.

    No lock: a socket is published before the flag is looked at, and the flag set before the socket is looked at, so
    that one of the two threads sees the other.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = urlsplit(url)
        self._settings = settings
        self._socket: socket.socket | None = None
        self._addresses: Future[list[Any]] | None = None
        self._hung_up = False
        self._deadline = 0.0

    def hang_up(self) -> None:
        """End it at once: ``connect`` raises GivenUp, or any error of a socket."""
        self._hung_up = True
        addresses, sock = self._addresses, self._socket
        if addresses is not None:
            _settle(addresses, error=GivenUp())
        if sock is not None:
            try:
                # Not SSLSocket.shutdown: it would drop the TLS state under the thread that uses it.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def connect(self, deadline: float) -> socket.socket:
        """A socket to the peer, ready for the upgrade; raises GivenUp, ProxyRefused, TimeoutError or OSError."""
        self._deadline = deadline
        proxy = self._proxy()
        try:
            self._open(urlsplit(proxy) if proxy else self._url)
            if proxy:
                self._tunnel(urlsplit(proxy))
            if self._url.scheme == "wss":
                self._start_tls(self._host)
        except BaseException:
            self.close()
            raise
        assert self._socket is not None
        return self._socket

    def close(self) -> None:
        """Give the socket back to the system."""
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
        keys = (f"{scheme}://{self._host}", scheme, f"all://{self._host}", "all")
        proxy = next((proxies[key] for key in keys if key in proxies), None)
        if proxy is None:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        kind = urlsplit(proxy).scheme
        if kind != "http" and (kind, scheme) != ("https", "http"):
            raise ProxyRefused(f"a websocket of this kind cannot go through a proxy of the kind {kind}://; use http://")
        return proxy

    def _open(self, to: SplitResult) -> None:
        port = to.port or DEFAULT_PORTS[to.scheme]
        failure: OSError | None = None
        for family, kind, protocol, _, address in self._look_up(to.hostname or "", port):
            sock = socket.socket(family, kind, protocol)
            self._hold(sock)
            try:
                sock.settimeout(self._left())
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.connect(address)
                self._check()
                return
            except OSError as error:
                sock.close()
                failure = error
                self._check()
        raise failure or OSError("the host has no address")

    def _look_up(self, host: str, port: int) -> list[Any]:
        """On a thread of the pool, since a resolver takes its time and cannot be interrupted."""
        found: Future[list[Any]] = Future()
        self._addresses = found
        self._check()

        def look_up() -> None:
            try:
                _settle(found, socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
            except Exception as error:
                _settle(found, error=error)

        POOL.submit(look_up)
        try:
            return found.result(self._left())
        except FutureTimeoutError:
            raise TimeoutError("the host name was not resolved in time") from None

    def _tunnel(self, proxy: SplitResult) -> None:
        if proxy.scheme == "https":
            self._start_tls(proxy.hostname or "")
        sock = self._socket
        assert sock is not None
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._url.port or DEFAULT_PORTS[self._url.scheme]}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.username:
            credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(credentials.encode()).decode('ascii')}")
        sock.settimeout(self._left())
        sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b""
        # Byte by byte: what follows the empty line is the peer's, not the proxy's.
        while not answer.endswith(b"\r\n\r\n"):
            sock.settimeout(self._left())
            received = sock.recv(1)
            if not received or len(answer) > PROXY_ANSWER_LIMIT:
                raise ProxyRefused("the proxy did not answer as a proxy does")
            answer += received
        status = answer.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)[1:2]
        if not status or not ("200" <= status[0] < "300"):
            raise ProxyRefused(f"the proxy refused the tunnel with status {status[0] if status else 'unknown'}")

    def _start_tls(self, host: str) -> None:
        assert self._socket is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        bundle = certifi.where() if self._settings.verify is True else self._settings.verify
        if not bundle:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif os.path.isdir(bundle):
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
        self._socket.settimeout(self._left())
        secure = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._hold(secure)
        secure.do_handshake()

    def _hold(self, sock: socket.socket) -> None:
        self._socket = sock
        self._check()

    def _check(self) -> None:
        if self._hung_up:
            raise GivenUp

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        return left


def _settle(future: Future[list[Any]], addresses: list[Any] | None = None, error: Exception | None = None) -> None:
    """Two threads may come to this; the first one counts."""
    try:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(addresses or [])
    except InvalidStateError:
        pass
