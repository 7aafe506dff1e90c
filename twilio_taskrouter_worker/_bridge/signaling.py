"""The websocket: opened, read, closed.

``websocket-client`` makes the upgrade and the frames that are sent; :mod:`frames` reads those that come.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlencode

import websocket

from .._json import loads
from ..errors import GatewayConnectionError, TaskRouterError, TokenError, TokenExpiredError
from .deadline import Deadline
from .dialing import ConnectAborted, Dialing, ProxyRefused
from .frames import CLOSE, PONG, Frames
from .http import hide
from .settings import Settings, settings_for
from .stream import HandshakeTooLong, Stream
from .tls import CaError

__all__ = ["Closed", "Socket", "connection_error", "websocket_settings"]

TOKEN_EXPIRED = 20104
"""Twilio's error code for an expired token."""


class Closed(Exception):
    """The websocket ended; ``code`` is None without a close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def websocket_settings(url: str) -> Settings:
    """Read the environment's settings for a websocket: the same as for HTTP to that host.

    Args:
        url: A ws(s) URL.

    Returns:
        The settings for it.
    """
    scheme, rest = url.split(":", 1)
    return settings_for(("https:" if scheme == "wss" else "http:") + rest)


class Socket:
    """One websocket. Read on one thread; ``abort`` and ``send_close`` may come from any other."""

    def __init__(self, url: str, query: tuple[tuple[str, str], ...], settings: Settings) -> None:
        # Escaping does not change a JWT, so the service gets the token as the JS SDK sends it.
        self._url = f"{url}?{urlencode(query, safe='')}"
        self._token = dict(query).get("token", "")
        self._dialing = Dialing(url, settings)
        self._stream: Stream | None = None
        self._frames = Frames()
        self._close_sent = False

    def open(self, timeout: float) -> None:
        """Connect and make the handshake; blocks. ``abort`` ends it.

        Args:
            timeout: Seconds for all steps together.

        Raises:
            TaskRouterError: There is no websocket; a TokenError if the service refused the token.
        """
        # Not kept: a stream that is open needs none of it.
        upgrade = websocket.WebSocket()
        try:
            stream = self._dialing.connect(Deadline.after(timeout))
            upgrade.connect(  # type: ignore[no-untyped-call]
                # Without Origin, which only browsers send and a service may check. Without redirects, since the query
                # has the token.
                self._url,
                socket=stream,
                suppress_origin=True,
                redirect_limit=0,
            )
            if _redirected(upgrade):
                raise websocket.WebSocketException
            stream.established()
            self._stream = stream
            return
        except Exception as error:
            self.close()
            reason = Redirected(upgrade.status) if _redirected(upgrade) else error
            failure = connection_error(reason, self._url, timeout, self._token)
            if not isinstance(error, websocket.WebSocketBadStatusException) or hide(self._token, str(error)) == str(
                error
            ):
                # Without the traceback: its frames would live as long as the failure.
                failure.__cause__ = error.with_traceback(None)
        # Outside of the handler: a peer's refusal that quotes the token must not stay attached.
        raise failure

    def read(self) -> list[bytes]:
        """Wait for bytes of the peer, and return the text messages that are complete with them.

        Blocks without limit. An empty list is a sign of life, too.

        Raises:
            Closed: The websocket has ended.
        """
        assert self._stream is not None
        frames = self._frames
        try:
            while frames.closing is None and frames.failure is None:
                data = self._stream.receive()
                if self._dialing.aborted or not data:
                    # What the kernel still holds after abort is not looked at: it may be a flood.
                    raise Closed(None, "")
                texts = frames.feed(data)
                if frames.ping is not None:
                    ping, frames.ping = frames.ping, None
                    self._send(PONG, ping)
                # Messages before a close frame count; the next call finds the close.
                if texts or frames.closing is None:
                    return texts
        except OSError as error:
            raise Closed(None, "") from error
        raise self._ended()

    def has_unread(self) -> bool:
        """Whether the kernel holds bytes that ``read`` has not taken yet; on any thread."""
        return self._stream is not None and self._stream.has_unread()

    def _ended(self) -> Closed:
        """Return the reason in the peer's last frame, after answering its close frame."""
        if (failure := self._frames.failure) is not None:
            return Closed(failure.code, f"Websocket protocol error: {failure}")
        closing = self._frames.closing or b""
        if not self._close_sent:
            try:
                # The same status code, as RFC 6455, 5.5.1 suggests.
                self._send(CLOSE, closing[:2])
            except OSError:
                # The peer is gone already; its code still counts.
                pass
        code, reason = _close_frame(closing)
        return Closed(code, hide(self._token, reason))

    def _send(self, opcode: int, body: bytes) -> Stream:
        assert self._stream is not None
        self._stream.send_all(websocket.ABNF.create_frame(body, opcode).format())
        return self._stream

    def send_close(self) -> None:
        """Send a close frame without a status; the reader ends when the peer answers or closes.

        Any thread; blocks while the peer does not read.
        """
        self._close_sent = True
        try:
            # As the JS SDK does.
            self._send(CLOSE, b"").end_writing()
        except OSError:
            pass

    def abort(self) -> None:
        """End the connection, or the attempt to open it; a blocked ``read`` returns. Any thread, does not block."""
        self._dialing.abort()

    def close(self) -> None:
        """Release the socket; on the reading thread."""
        self._dialing.close()


def _redirected(upgrade: websocket.WebSocket) -> bool:
    """Older versions of the library take a redirect for a connection, newer ones for any failure."""
    return upgrade.status is not None and 300 <= upgrade.status < 400


def _close_frame(data: bytes) -> tuple[int | None, str]:
    if len(data) < 2:
        # RFC 6455, 7.1.5: the close frame has no code.
        return 1005, ""
    return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")


class Redirected(Exception):
    """The peer answered the upgrade with a redirect."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


def connection_error(error: Exception, url: str, timeout: float, token: str = "") -> TaskRouterError:
    """Create the public error for a failure to connect; it contains the address, never the query (the token).

    Args:
        error: The failure.
        url: Address of the websocket, which may have a query.
        timeout: Seconds that the attempt was allowed.
        token: The token, which is removed from the service's message.

    Returns:
        A TokenError if the service refused the token, else a GatewayConnectionError.
    """
    where = url.split("?", 1)[0]
    if isinstance(error, (websocket.WebSocketBadStatusException, Redirected)):
        return _status_error(error, where, token)
    # Subclasses first: nearly all of these are OSErrors.
    if isinstance(error, CaError):
        why = str(error)
    elif isinstance(error, (websocket.WebSocketTimeoutException, TimeoutError)):
        why = f"no answer within {timeout:.1f} s"
    elif isinstance(error, socket.gaierror):
        why = "the host name cannot be resolved; check eb_server, ws_server, region and the name service"
    elif isinstance(error, ConnectAborted):
        why = "it was aborted while connecting"
    elif isinstance(error, HandshakeTooLong):
        why = f"{error}; is it an event bridge?"
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
        # Of its own class, since the remedy is certain: another token.
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
