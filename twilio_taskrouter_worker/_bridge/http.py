"""One HTTP POST at a time, with a deadline for the whole of it, and the environment's proxies and CA settings.

``requests`` is the interface to proxies, TLS and adapters; its per-call work (reading the environment, cookies,
redirects, hooks) is done once per address, and requests go straight through the session's adapter. One session, and so
one set of kept-alive connections, serves all clients of the process.
"""

from __future__ import annotations

import functools
import http.client
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests
import requests.adapters
import urllib3

from .. import _hosts
from .threads import POOL, POOL_SIZE
from .tls import ca_path

__all__ = [
    "Answer",
    "Exchange",
    "HttpFailure",
    "HttpTimeout",
    "NotSent",
    "Settings",
    "close_idle",
    "hide",
    "is_loopback",
    "settings_for",
]

READ_SIZE = 65536
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer at most; the largest honest ones are pages of 1000 records, a few megabytes."""


class HttpFailure(Exception):
    """No answer; the service may have acted."""


class NotSent(HttpFailure):
    """The connection was never made, so the service cannot have acted."""


class HttpTimeout(HttpFailure):
    """The deadline passed, or the exchange was aborted."""


@attrs.frozen
class Answer:
    """Status, headers (lower-case names) and body."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Settings:
    """What the environment says about one address, read once."""

    proxies: Mapping[str, str]
    verify: str
    """File or directory of the CAs to trust."""

    cert: Any


_JWT = re.compile(r"eyJ[\w-]+\.[\w.-]+")


def hide(token: str, text: str) -> str:
    """A text of the service's, without the token it may quote, or any other."""
    return _JWT.sub("(a token)", text.replace(token, "(the token)") if token else text)


def is_loopback(url: str) -> bool:
    """A proxy is never asked for an address of this very machine: it could not reach it."""
    return _hosts.is_loopback(urlsplit(url).hostname or "")


def settings_for(url: str) -> Settings:
    """Proxies (``HTTPS_PROXY``, ``NO_PROXY`` ...) and CA bundle (``REQUESTS_CA_BUNDLE`` ...) for an http(s) URL."""
    with requests.Session() as session:
        merged = session.merge_environment_settings(url, {}, None, None, None)
    proxies = {} if is_loopback(url) else {key: value for key, value in merged["proxies"].items() if value}
    return Settings(proxies, ca_path(), merged["cert"])


# The connection that each thread of the pool is using, so that another thread can abort it. Entries are replaced at
# each request, and removed when the exchange ends.
_in_use: dict[int, http.client.HTTPConnection] = {}


class _Traced:
    """Mixin of urllib3's connections: tells which thread uses it."""

    def connect(self) -> None:
        _in_use[threading.get_ident()] = self  # type: ignore[assignment]
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        _in_use[threading.get_ident()] = self  # type: ignore[assignment]
        super().request(*args, **kwargs)  # type: ignore[misc]


class _HTTPConnection(_Traced, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_Traced, urllib3.connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(requests.adapters.HTTPAdapter):
    """The standard adapter, over connections that can be aborted."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _new_adapter() -> _Adapter:
    return _Adapter(pool_connections=32, pool_maxsize=POOL_SIZE, max_retries=0)


_adapter = _new_adapter()


def close_idle() -> None:
    """Close the kept-alive connections that no request is using; later requests make new ones."""
    for manager in (_adapter.poolmanager, *_adapter.proxy_manager.values()):
        for key in manager.pools.keys():
            pool = manager.pools.get(key)
            if pool is not None:
                # Explicitly: a pool that is only dropped lives on in the cycles of old exceptions.
                pool.close()
    _adapter.close()


POOL.at_rest = close_idle


def _forget_connections() -> None:
    """In a forked child: sockets shared with the parent must not be used, nor shut down."""
    global _adapter
    _adapter = _new_adapter()
    _in_use.clear()
    POOL.at_rest = close_idle


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


@functools.lru_cache(maxsize=64)
def _template(url: str) -> requests.PreparedRequest:
    """A request to copy: preparing it (parsing, IDNA, header checks) costs more than sending it."""
    return requests.Request("POST", url, headers={"User-Agent": requests.utils.default_user_agent()}).prepare()


class Exchange:
    """One POST. ``abort`` may come from any thread and ends it with HttpTimeout."""

    def __init__(self, url: str, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._settings = settings
        self._clock = clock
        self._thread: int | None = None
        self._aborted = False
        # Guards the two above: an abort must hit this exchange, never the thread's next one.
        self._lock = threading.Lock()

    def abort(self) -> None:
        """End the exchange at once; only the making of a connection goes on to its own limit."""
        with self._lock:
            self._aborted = True
            connection = _in_use.get(self._thread) if self._thread is not None else None
            sock = connection.sock if connection is not None else None
            if sock is not None:
                try:
                    # Not sock.shutdown: an SSLSocket would first drop its TLS state under the thread that reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    pass

    def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
        """Send, and read the whole answer; raises HttpFailure or a subclass, with the cause attached."""
        with self._lock:
            if self._aborted:
                raise HttpTimeout("aborted before it was sent")
            self._thread = threading.get_ident()
        try:
            return self._post(body, headers, deadline)
        except HttpFailure:
            raise
        except Exception as error:
            failure = self._failure(error, deadline)
            if not _quotes(error):
                failure.__cause__ = error
        finally:
            with self._lock:
                self._thread = None
                _in_use.pop(threading.get_ident(), None)
        # Outside of the handler, so that nothing is attached but the cause.
        raise failure

    def _post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
        request = _template(self._url).copy()
        request.body = body
        request.headers.update(headers)
        request.headers["Content-Length"] = str(len(body))
        left = self._left(deadline)
        response = _adapter.send(
            request,
            stream=True,
            timeout=(left, left),
            verify=self._settings.verify,
            cert=self._settings.cert,
            proxies=self._settings.proxies,
        )
        try:
            chunks, size = [], 0
            for chunk in response.iter_content(READ_SIZE):
                size += len(chunk)
                if size > ANSWER_LIMIT:
                    raise HttpFailure(f"the answer is larger than {ANSWER_LIMIT} bytes")
                chunks.append(chunk)
                self._left(deadline)
        finally:
            response.close()
        return Answer(
            response.status_code, {key.lower(): value for key, value in response.headers.items()}, b"".join(chunks)
        )

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0 or self._aborted:
            raise HttpTimeout("the deadline passed")
        return left

    def _failure(self, error: Exception, deadline: float) -> HttpFailure:
        if self._aborted or self._clock() >= deadline or isinstance(error, requests.Timeout):
            if isinstance(error, requests.ConnectTimeout):
                return NotSent("the host does not answer")
            return HttpTimeout("the deadline passed")
        if _never_connected(error):
            return NotSent(_describe(error))
        return HttpFailure(_describe(error))


def _never_connected(error: BaseException) -> bool:
    reason = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    return isinstance(reason, _BEFORE_CONNECTING)


_BEFORE_CONNECTING = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.NameResolutionError,
    # close_idle came between the choice of a pool of connections and the use of one.
    urllib3.exceptions.ClosedPoolError,
)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was made of: its cause, its context, and exceptions among its arguments."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _quotes(error: BaseException) -> bool:
    """Whether an exception must not be kept, as it holds something of what the peer sent. Others lose the request,
    which holds the token: whoever reports exceptions may report all that they hold."""
    for each in _chain(error):
        if isinstance(each, http.client.HTTPException) and not isinstance(each, http.client.RemoteDisconnected):
            return True
        if isinstance(each, requests.RequestException):
            each.request = each.response = None
    return False


def _describe(error: BaseException) -> str:
    """The innermost reason; the outer layers repeat the address and object ids."""
    if _quotes(error):
        return "the answer is not HTTP, or it breaks off"
    reason = error.args[0] if error.args else error
    reason = getattr(reason, "reason", reason)
    if isinstance(reason, BaseException) and reason.__cause__ is not None:
        reason = reason.__cause__
    text = getattr(reason, "strerror", None) or str(reason)
    return text or type(error).__name__
