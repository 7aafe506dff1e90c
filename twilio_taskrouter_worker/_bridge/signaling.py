"""The websocket and the thread that reads it.

``websocket-client`` makes the connection, with its proxies and TLS, and reads the frames; between it and the socket
stands a buffer, since it asks for each frame in three small pieces.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import certifi
import websocket

from ..errors import GatewayConnectionError, TaskRouterError, TokenError
from .http import Settings, settings_for

__all__ = ["Closed", "Socket", "connection_error", "websocket_settings"]

READ_SIZE = 262144

_TEXT = websocket.ABNF.OPCODE_TEXT
_CLOSE = websocket.ABNF.OPCODE_CLOSE
_PING = websocket.ABNF.OPCODE_PING
_PONG = websocket.ABNF.OPCODE_PONG


class Closed(Exception):
    """The websocket ended; ``code`` is None without a close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class _Buffered(websocket.WebSocket):
    """A WebSocket that takes from the kernel as much as there is, in one call for many frames."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unread = memoryview(b"")

    def _recv(self, bufsize: int) -> bytes:
        unread = self._unread
        if not unread:
            unread = memoryview(super()._recv(READ_SIZE))  # type: ignore[no-untyped-call]
        self._unread = unread[bufsize:]
        return bytes(unread[:bufsize])


def websocket_settings(url: str) -> Settings:
    """The environment's settings for a ws(s) URL: the same as for HTTP to that host."""
    scheme, rest = url.split(":", 1)
    return settings_for(("https:" if scheme == "wss" else "http:") + rest)


def _options(url: str, settings: Settings, timeout: float) -> dict[str, Any]:
    options: dict[str, Any] = {"timeout": timeout, "suppress_origin": True, "redirect_limit": 0}
    proxy = settings.proxies.get("https" if url.startswith("wss:") else "http") or settings.proxies.get("all")
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        options.update(
            http_proxy_host=parts.hostname,
            http_proxy_port=parts.port or 80,
            proxy_type="http" if parts.scheme in ("http", "https") else parts.scheme,
        )
        if parts.username:
            options["http_proxy_auth"] = (unquote(parts.username), unquote(parts.password or ""))
    else:
        # websocket-client would read the environment by its own rules, which differ from those of requests.
        options["http_no_proxy"] = ["*"]
    return options


def _tls(settings: Settings) -> dict[str, Any]:
    bundle = certifi.where() if settings.verify is True else settings.verify
    if not bundle:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    return {"ca_cert_path" if os.path.isdir(bundle) else "ca_certs": bundle}


class Socket:
    """One websocket. Read on one thread; ``hang_up`` and ``say_goodbye`` may come from any other."""

    def __init__(self, url: str, query: tuple[tuple[str, str], ...], settings: Settings) -> None:
        self._url = f"{url}?{urlencode(query, safe='')}"
        self._settings = settings
        self._ws = _Buffered(skip_utf8_validation=True, sslopt=_tls(settings) if url.startswith("wss:") else {})
        # Guards the flag against a connection that is being made while it is hung up.
        self._lock = threading.Lock()
        self._hung_up = False

    def open(self, timeout: float) -> None:
        """Connect and shake hands, in at most about ``timeout`` seconds per step; raises what the library raises."""
        options = _options(self._url, self._settings, timeout)
        try:
            self._ws.connect(self._url, **options)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise connection_error(error, self._url, timeout) from error
        with self._lock:
            if self._hung_up:
                self.close()
                raise GatewayConnectionError("The connection was given up while it was being made")
            if self._ws.sock is not None:
                self._ws.sock.settimeout(None)

    def read(self) -> bytes | None:
        """The next text message, or None for another sign of life; blocks without limit, raises Closed at the end."""
        try:
            opcode, frame = self._ws.recv_data_frame(True)
        except websocket.WebSocketConnectionClosedException:
            raise Closed(None, "") from None
        except websocket.WebSocketException as error:
            raise Closed(1002, f"Websocket protocol error: {type(error).__name__}") from error
        except (OSError, ValueError, AttributeError) as error:
            # AttributeError: the library's socket is taken away when another thread hangs up.
            raise Closed(None, "") from error
        if opcode == _TEXT:
            return frame.data  # type: ignore[no-any-return]
        if opcode in (_PING, _PONG):
            return None
        if opcode == _CLOSE:
            raise Closed(*_close_frame(frame.data))
        return b"\xff"  # a binary message: no text, which the parser will say

    def say_goodbye(self) -> None:
        """Send a close frame without a status, and no more; the reader ends when the peer answers or ends."""
        try:
            self._ws.send(b"", _CLOSE)
            sock = self._ws.sock
            if sock is not None and not isinstance(sock, ssl.SSLSocket):
                sock.shutdown(socket.SHUT_WR)
        except (websocket.WebSocketException, OSError, AttributeError, ValueError):
            pass

    def hang_up(self) -> None:
        """End the connection at once; a blocked ``read`` returns."""
        with self._lock:
            self._hung_up = True
            sock = self._ws.sock
        if sock is not None:
            try:
                # Closing alone would not wake the reader. Not SSLSocket.shutdown: it drops the TLS state under it.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Give the socket back to the system; on the reading thread."""
        self._ws.shutdown()  # type: ignore[no-untyped-call]


def _close_frame(data: bytes) -> tuple[int | None, str]:
    if len(data) < 2:
        return 1005, ""
    return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")


def connection_error(error: Exception, url: str, timeout: float) -> TaskRouterError:
    """The public error for whatever went wrong while connecting; it names the address, never the query (the token)."""
    where = url.split("?", 1)[0]
    if isinstance(error, websocket.WebSocketBadStatusException):
        status = error.status_code
        if status in (401, 403):
            return TokenError(
                f"The event bridge at {where} refused the token with status {status}{_body_message(error)}. Check that "
                "it is signed with the right key and secret, names an existing worker, and is not expired",
                status=status,
            )
        if 300 <= status < 400:
            return GatewayConnectionError(
                f"The event bridge at {where} redirects (status {status}), which is not followed, since the "
                "address carries a token",
                status=status,
            )
        return GatewayConnectionError(
            f"Could not connect to {where}: it answered with status {status} instead of a websocket; check "
            "ws_server and region",
            status=status,
        )
    if isinstance(error, (websocket.WebSocketTimeoutException, TimeoutError)):
        why = f"no answer within {timeout:.1f} s"
    elif isinstance(error, websocket.WebSocketAddressException):
        why = "the host name cannot be resolved"
    elif isinstance(error, ssl.SSLError):
        why = f"TLS failed: {error.reason or error.strerror or type(error).__name__}"
    elif isinstance(error, OSError):
        why = error.strerror or type(error).__name__
    else:
        why = f"{type(error).__name__}; is it an event bridge?"
    return GatewayConnectionError(f"Could not connect to {where}: {why}")


def _body_message(error: websocket.WebSocketBadStatusException) -> str:
    from .jsontext import loads

    try:
        message = loads(error.resp_body or b"")["message"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f" ({message})" if isinstance(message, str) else ""
