"""The websocket: opened, read frame by frame, closed.

``websocket-client`` shakes hands and reads the frames; between it and the socket stands a buffer, since it asks for
each frame in three small pieces.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any
from urllib.parse import urlencode

import websocket

from .._json import loads
from ..errors import GatewayConnectionError, TaskRouterError, TokenError, TokenExpiredError
from .dialing import Dialing, GivenUp, ProxyRefused
from .http import Settings, hide, settings_for
from .threads import TIMERS

__all__ = ["Closed", "Socket", "connection_error", "websocket_settings"]

READ_SIZE = 262144

TOKEN_EXPIRED = 20104
"""Twilio's error code for a token whose time is over."""

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

    def send_close(self, *args: Any, **kwargs: Any) -> None:
        """Answer the peer's close frame; where the peer is gone already, its code still counts."""
        try:
            super().send_close(*args, **kwargs)  # type: ignore[no-untyped-call,unused-ignore]
        except (OSError, websocket.WebSocketException):
            pass

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


class Socket:
    """One websocket. Read on one thread; ``hang_up`` and ``say_goodbye`` may come from any other."""

    def __init__(self, url: str, query: tuple[tuple[str, str], ...], settings: Settings) -> None:
        self._url = f"{url}?{urlencode(query, safe='')}"
        self._token = dict(query).get("token", "")
        self._dialing = Dialing(url, settings)
        self._ws = _Buffered(skip_utf8_validation=True)
        self._late = False

    def open(self, timeout: float) -> None:
        """Connect and shake hands within ``timeout`` seconds; raises a TaskRouterError.

        ``hang_up`` ends it, except for the look-up of a name that takes long: that is left to end by itself.
        """
        deadline = time.monotonic() + timeout
        # The library reads the peer's answer byte by byte, with a time limit for each: this is the limit for all.
        limit = TIMERS.at(deadline, self._too_late)
        try:
            sock = self._dialing.connect(deadline)
            # Set before the handshake, which the library would only do after it: close() must find the socket.
            self._ws.sock = sock
            self._ws.connect(  # type: ignore[no-untyped-call]
                self._url, socket=sock, timeout=timeout, suppress_origin=True, redirect_limit=0
            )
            if self._redirected():
                raise websocket.WebSocketException
            sock.settimeout(None)
            return
        except Exception as error:
            self.close()
            failure = self._connection_error(error, timeout)
            if not isinstance(error, websocket.WebSocketBadStatusException) or hide(self._token, str(error)) == str(
                error
            ):
                failure.__cause__ = error
        finally:
            limit.cancel()
        # Outside of the handler: a peer's refusal that quotes the token must not stay attached.
        raise failure

    def _connection_error(self, error: Exception, timeout: float) -> TaskRouterError:
        if self._late:
            error = TimeoutError()
        elif self._redirected():
            error = Redirected(self._ws.status)
        return connection_error(error, self._url, timeout, self._token)

    def _redirected(self) -> bool:
        """Older versions of the library take a redirect for a connection, newer ones for any failure."""
        return self._ws.status is not None and 300 <= self._ws.status < 400

    def _too_late(self) -> None:
        self._late = True
        self._dialing.hang_up()

    def read(self) -> bytes | None:
        """The next text message, or None for another sign of life; blocks without limit, raises Closed at the end."""
        try:
            opcode, frame = self._ws.recv_data_frame(True)
        except websocket.WebSocketConnectionClosedException:
            raise Closed(None, "") from None
        except websocket.WebSocketException as error:
            raise Closed(1002, f"Websocket protocol error: {type(error).__name__}") from error
        except OSError as error:
            raise Closed(None, "") from error
        except Exception as error:
            # Whatever it is: a reading thread that dies would leave a worker that hears nothing.
            raise Closed(None, f"The websocket could not be read: {type(error).__name__}") from error
        if opcode == _TEXT:
            return frame.data  # type: ignore[no-any-return]
        if opcode in (_PING, _PONG):
            return None
        if opcode == _CLOSE:
            code, reason = _close_frame(frame.data)
            raise Closed(code, hide(self._token, reason))
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
        """End the connection, or the making of it, at once; a blocked ``read`` returns."""
        self._dialing.hang_up()

    def close(self) -> None:
        """Give the socket back to the system; on the reading thread."""
        self._ws.shutdown()  # type: ignore[no-untyped-call]
        self._dialing.close()


def _close_frame(data: bytes) -> tuple[int | None, str]:
    if len(data) < 2:
        return 1005, ""
    return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")


class Redirected(Exception):
    """The peer answered the upgrade with a redirect."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


def connection_error(error: Exception, url: str, timeout: float, token: str = "") -> TaskRouterError:
    """The public error for whatever went wrong while connecting; it names the address, never the query (the token)."""
    where = url.split("?", 1)[0]
    if isinstance(error, (websocket.WebSocketBadStatusException, Redirected)):
        return _status_error(error, where, token)
    if isinstance(error, (websocket.WebSocketTimeoutException, TimeoutError)):
        why = f"no answer within {timeout:.1f} s"
    elif isinstance(error, socket.gaierror):
        why = "the host name cannot be resolved; check eb_server, ws_server, region and the name service"
    elif isinstance(error, GivenUp):
        why = "it was given up while it was being made"
    elif isinstance(error, ProxyRefused):
        why = f"{error}; check the proxy settings of the environment"
    elif isinstance(error, websocket.WebSocketConnectionClosedException):
        why = "the peer closed it before it was made; is it an event bridge, and is it ws:// or wss://?"
    elif isinstance(error, ssl.SSLCertVerificationError):
        why = (
            f"TLS failed: {error.verify_message or error.reason}; if its certificate is to be trusted, name its CA in "
            "REQUESTS_CA_BUNDLE"
        )
    elif isinstance(error, ssl.SSLError):
        why = f"TLS failed: {error.reason or error.strerror or type(error).__name__}; is it wss:// or ws://?"
    elif isinstance(error, OSError):
        why = error.strerror or type(error).__name__
    else:
        why = f"{type(error).__name__}; is it an event bridge?"
    return GatewayConnectionError(f"Could not connect to {where}: {why}")


def _status_error(error: websocket.WebSocketBadStatusException | Redirected, where: str, token: str) -> TaskRouterError:
    """The peer answered the upgrade, but not with a websocket."""
    status = error.status_code
    if status in (401, 403):
        code, message = _refusal(error, token)
        refused = f"The event bridge at {where} refused the token with status {status}{message}."
        if code == TOKEN_EXPIRED:
            return TokenExpiredError(
                f"{refused} Get a new one and pass it to update_token(), or give a token_provider",
                status=status,
                code=code,
            )
        return TokenError(
            f"{refused} Check that it is signed with the right key and secret, names an existing worker, and is "
            "not expired",
            status=status,
            code=code,
        )
    if 300 <= status < 400:
        return GatewayConnectionError(
            f"The event bridge at {where} redirects (status {status}), which is not followed, since the address "
            "carries a token",
            status=status,
        )
    return GatewayConnectionError(
        f"Could not connect to {where}: it answered with status {status} instead of a websocket; check ws_server and "
        "region",
        status=status,
    )


def _refusal(error: websocket.WebSocketBadStatusException | Redirected, token: str) -> tuple[int | None, str]:
    """Twilio's error code and, in brackets, its message, where the answer has them."""
    try:
        body = loads(getattr(error, "resp_body", None) or b"")
    except ValueError:
        return None, ""
    code, message = (body.get("code"), body.get("message")) if isinstance(body, dict) else (None, None)
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        f" ({hide(token, message)})" if isinstance(message, str) else "",
    )
