"""CA settings and TLS contexts, for HTTP and the websocket alike.

Reading a bundle of CAs takes tens of milliseconds and half a megabyte, so the process keeps one context per bundle.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import certifi

__all__ = ["CaError", "ca_path", "context", "loading", "remember", "resumable"]

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name a file or a directory of CAs; the first that is set counts."""

_KEPT = 32
"""Maximum number of contexts, and of sessions of each: a bundle that is replaced repeatedly must not fill the
memory."""

_Stamp = tuple[str, int, int]

_lock = threading.Lock()
_contexts: dict[_Stamp, ssl.SSLContext] = {}
# By context, since ssl refuses to resume a session that another context made.
_sessions: dict[ssl.SSLContext, dict[tuple[str, int], ssl.SSLSession]] = {}


class CaError(OSError):
    """The CAs to trust could not be read; the text names the path and the variable it comes from."""


class _Context(ssl.SSLContext):
    """Resumes sessions also where urllib3 wraps a socket, since it has no argument for that."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        # The port is the proxy's where there is one, as it is when the session is kept.
        kwargs["session"] = resumable(self, str(kwargs.get("server_hostname")), sock.getpeername()[1])
        return super().wrap_socket(sock, *args, **kwargs)


def ca_path() -> str:
    """Return the file or directory of CAs to trust: the environment's, or certifi's."""
    return next((path for name in CA_VARIABLES if (path := os.environ.get(name))), None) or certifi.where()


def context(path: str) -> ssl.SSLContext:
    """Return the process's client context that trusts the CAs at a path; a file that has changed is read again.

    Args:
        path: File or directory of CAs.

    Returns:
        The context, shared by all threads.

    Raises:
        CaError: The file does not exist, cannot be read, or contains no certificate.
    """
    try:
        found = os.stat(path)
        stamp = (path, found.st_mtime_ns, found.st_size)
        with _lock:
            known = _contexts.get(stamp)
            if known is None:
                if len(_contexts) >= _KEPT:
                    # The oldest, as dictionaries keep the order of insertion.
                    _sessions.pop(_contexts.pop(next(iter(_contexts))), None)
                known = _contexts[stamp] = _load(path)
        return known
    except (OSError, ValueError) as error:
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise CaError(f"the CA file {path!r}{_source(path)} cannot be used: {reason or 'unreadable'}") from None


@contextmanager
def loading(*urls: str) -> Iterator[None]:
    """Read the CAs on another thread while a ``with`` block runs, if one of the URLs needs them; then wait for it.

    Reading takes about as long as importing the libraries of a client, and leaves the interpreter lock to that. Does
    nothing if they are known already; a failure is left to the connection that needs them.

    Args:
        *urls: The addresses.
    """
    secure = any(url.startswith(("https:", "wss:")) for url in urls)
    if not secure or _is_known(path := ca_path()):
        yield
        return
    thread = threading.Thread(target=_try_to_load, args=(path,), name="taskrouter-ca", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The system has no thread to give.
        yield
        return
    try:
        yield
    finally:
        thread.join()


def _is_known(path: str) -> bool:
    with _lock:
        return any(path == known for known, _, _ in _contexts)


def _try_to_load(path: str) -> None:
    with suppress(CaError):
        context(path)


def _load(path: str) -> ssl.SSLContext:
    # Certificate and host name are checked by default.
    made = _Context(ssl.PROTOCOL_TLS_CLIENT)
    if os.path.isdir(path):
        made.load_verify_locations(capath=path)
    else:
        made.load_verify_locations(cafile=path)
    return made


def _source(path: str) -> str:
    name = next((name for name in CA_VARIABLES if os.environ.get(name) == path), None)
    return f" (from {name})" if name else ""


def resumable(trusting: ssl.SSLContext, host: str, port: int) -> ssl.SSLSession | None:
    """Return a TLS session to resume with this peer, which saves most of the handshake.

    Args:
        trusting: The context.
        host: Name of the peer.
        port: Its port.

    Returns:
        The session; None if there is none.
    """
    with _lock:
        return _sessions.get(trusting, {}).get((host, port))


def remember(connection: ssl.SSLObject | ssl.SSLSocket, port: int) -> None:
    """Keep the session of a connection for ``resumable``, unless the connection resumed one itself.

    A peer that accepts a ticket once only gets a full handshake for every second connection. Keeping the session of
    each would cost all others more than a resumed handshake saves.

    Args:
        connection: The connection, over which something was received: TLS 1.3 brings the session after the handshake.
        port: Port of the peer.
    """
    session = None if connection.session_reused else connection.session
    if session is None or not session.has_ticket:
        return
    with _lock:
        sessions = _sessions.setdefault(connection.context, {})
        if len(sessions) >= _KEPT:
            sessions.pop(next(iter(sessions)))
        sessions[connection.server_hostname or "", port] = session


def _forget() -> None:
    """In a forked child: the lock may have been held, and a session must not be resumed by two processes."""
    global _lock
    _lock = threading.Lock()
    _contexts.clear()
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
