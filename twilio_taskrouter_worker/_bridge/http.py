"""One HTTP POST at a time, with a deadline for the whole of it, and the environment's proxies and CA settings.

Each address is resolved once to a pool of urllib3, and requests go straight to that: the per-call work of ``requests``
(reading the environment, preparing, cookies, redirects, hooks) costs several times what the exchange itself does.
Where there are proxies, the pool is the one that the adapter of ``requests`` would use, see ``proxies``. urllib3 makes
the connections; what is sent and read over one is in ``connections``. One set of kept-alive connections serves all
clients of the process.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import urllib3
from urllib3.util import parse_url

from . import tls
from .connections import (
    POOLS,
    Answer,
    AnswerTooLarge,
    ExchangeAborted,
    HttpConnection,
    HTTPPool,
    HTTPSPool,
    distrust_idle,
    shut_down,
    use,
)
from .settings import Settings
from .threads import POOL, POOL_SIZE

if TYPE_CHECKING:
    # It brings requests, a fifth of the time that a cold start takes, and is loaded where there is a proxy.
    from .proxies import ProxyAdapter

__all__ = [
    "Answer",
    "Exchange",
    "HttpFailure",
    "HttpTimeout",
    "NotSent",
    "Unusable",
    "close_idle",
    "distrust_idle",
    "hide",
]

TEXT_LIMIT = 2000
"""Characters that are kept of a text of the service."""

HOSTS = 32
"""Maximum number of hosts with a pool of connections. A pool keeps a connection for each thread of ours: urllib3 closes
those beyond after one use."""


class HttpFailure(Exception):
    """No answer; the service may have acted."""


class NotSent(HttpFailure):
    """Nothing of the request was sent, so the service cannot have acted."""


class HttpTimeout(HttpFailure):
    """The deadline passed, or the exchange was aborted."""


class Unusable(HttpFailure):
    """A retry would fail in the same way: the certificate is refused, or the answer is too large."""


# -- texts of the service ----------------------------------------------------------------------------------------------

# The characters of a JWT. One class without alternatives, so that matching is linear for any text.
_WORD = re.compile(r"[\w.-]+")


def hide(token: str, text: str) -> str:
    """Remove tokens from a text of the service, and truncate it to TEXT_LIMIT characters.

    Runs in time proportional to the kept length, for any text.

    Args:
        token: The token in use; empty for none.
        text: The text, which may quote it.

    Returns:
        The text without this token and any other JWT.
    """
    # Long enough for a token that begins within what is kept to be found whole.
    text = text[: TEXT_LIMIT + len(token)]
    if token:
        text = text.replace(token, "(the token)")
    return _WORD.sub(_without_jwt, text[:TEXT_LIMIT])


def _without_jwt(word: re.Match[str]) -> str:
    text = word[0]
    # Each part of a JWT that is JSON begins so: base64url of ``{"``.
    start = text.find("eyJ")
    return text if start < 0 or "." not in text[start:] else text[:start] + "(a token)"


# -- pools of connections ----------------------------------------------------------------------------------------------


@attrs.frozen
class _Target:
    """The destination of requests to one URL."""

    pool: HTTPPool | HTTPSPool
    path: str
    """The path, or the whole URL where a proxy forwards."""


class _Targets:
    """The targets of the process, and what makes their pools."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, without touching a socket."""
        self._lock = threading.Lock()
        self._direct = urllib3.PoolManager(HOSTS, maxsize=POOL_SIZE)
        self._direct.pool_classes_by_scheme = POOLS
        # None until there is a proxy.
        self._adapter: ProxyAdapter | None = None
        self._targets: dict[tuple[str, ...], _Target] = {}

    def find(self, url: str, settings: Settings) -> _Target:
        """Return the target for a URL.

        Args:
            url: The address.
            settings: The environment's settings for it.

        Returns:
            The target, shared by all threads.

        Raises:
            CaError: The CAs to trust could not be read.
            urllib3.exceptions.HTTPError: The URL is invalid.
            requests.RequestException: The URL or a proxy setting is invalid.
        """
        key = (url, settings.verify, *(part for proxy in sorted(settings.proxies.items()) for part in proxy))
        target = self._targets.get(key)
        # Two threads may both come here. Both get the same pool.
        if target is None:
            with self._lock:
                pool, path = self._through_proxy(url, settings) if settings.proxies else self._straight(url, settings)
                target = self._targets[key] = _Target(pool, path)
        return target

    def _straight(self, url: str, settings: Settings) -> tuple[Any, str]:
        to = parse_url(url)
        # A context in place of the path of CAs: urllib3 would read the bundle again for each connection.
        secure = {"ssl_context": tls.context(settings.verify)} if to.scheme == "https" else {}
        return self._direct.connection_from_host(to.host, to.port, to.scheme, secure), to.request_uri

    def _through_proxy(self, url: str, settings: Settings) -> tuple[Any, str]:
        if self._adapter is None:
            from .proxies import ProxyAdapter

            self._adapter = ProxyAdapter(HOSTS, POOL_SIZE)
        return self._adapter.target(url, settings.verify, settings.proxies)

    def close(self) -> None:
        """Close the kept-alive connections that no request is using; later requests make new ones."""
        with self._lock:
            self._targets = {}
            for manager in (self._direct, *(() if self._adapter is None else self._adapter.managers())):
                for key in manager.pools.keys():
                    pool = manager.pools.get(key)
                    if pool is not None:
                        # Explicitly: a pool that is only dropped lives on in the cycles of old exceptions.
                        pool.close()
                manager.clear()


_targets = _Targets()

close_idle = _targets.close

POOL.at_rest = close_idle

if hasattr(os, "register_at_fork"):
    # Sockets shared with the parent must not be used, nor shut down.
    os.register_at_fork(after_in_child=_targets.reset)


# -- one exchange ------------------------------------------------------------------------------------------------------

# The connection sets the time limits of its socket, by what is left at each step.
_OWN_LIMITS = urllib3.Timeout(None)

# Every failure is raised as it is: when and whether to try again is decided elsewhere.
_NO_RETRIES = urllib3.Retry(False, redirect=False, raise_on_status=False)


class Exchange:
    """One POST, made on one thread. ``abort`` may be called on any other.

    The module ``connections`` queries the time left for each step, and reports that the first byte is about to be sent.

    Args:
        url: The address.
        settings: The environment's settings for it.
        deadline: Time limit in monotonic seconds.
        patience: Earlier time limit for a connection that was used before, since it may be dead; None for the deadline.
        clock: Replaced in tests.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        deadline: float,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._settings = settings
        self._deadline = deadline
        self._patience = deadline if patience is None else patience
        self._clock = clock
        # Guards the rest: what is aborted must not be sent, and an abort must hit this exchange's connection only.
        self._lock = threading.Lock()
        self._connection: HttpConnection | None = None
        self._aborted = False
        self.sent = False
        """Whether anything of the request may have been sent."""

    def abort(self) -> bool:
        """End the exchange at once, except for a TLS handshake, which continues to its own limit. Does not block.

        Returns:
            Whether the service may have received the request. If False, it will not be sent any more.
        """
        with self._lock:
            self._aborted = True
            if self._connection is not None:
                shut_down(self._connection)
            # Final, as the lock is held: ``about_to_send`` either was first, or raises from now on.
            return self.sent

    # -- for connections ---------------------------------------------------------------------------------------------

    def uses(self, connection: HttpConnection | None) -> None:
        """Note the connection of this exchange, so that an abort can close it.

        Args:
            connection: The connection, which is not necessarily open yet; None when it is about to be given back.
        """
        with self._lock:
            # An abort that came before finds no connection to shut down; ``left`` and ``about_to_send`` see its flag.
            self._connection = connection

    def about_to_send(self, *, reused: bool) -> None:
        """Note that the request is about to be sent.

        Args:
            reused: Whether the connection was used before.

        Raises:
            ExchangeAborted: The exchange was aborted meanwhile.
        """
        if reused:
            # Known only here: the pool has chosen the connection.
            self._deadline = min(self._deadline, self._patience)
        with self._lock:
            if self._aborted:
                raise ExchangeAborted
            self.sent = True

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            ExchangeAborted: The deadline has passed, or the exchange was aborted.
        """
        left = self._deadline - self._clock()
        if left <= 0 or self._aborted:
            raise ExchangeAborted
        return left

    # -- for the caller ----------------------------------------------------------------------------------------------

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send the request, and read the whole answer; blocks at most until the deadline.

        Args:
            body: The body.
            headers: Headers by name.

        Returns:
            The answer, with any status.

        Raises:
            HttpFailure: There is no answer. The cause is attached if it quotes nothing from the peer.
        """
        use(self)
        try:
            return self._post(body, headers)
        except Exception as error:
            failure = self._failure(error)
            if not _quotes(error):
                failure.__cause__ = error
        finally:
            use(None)
        # Outside of the handler, so that nothing is attached but the cause.
        raise failure

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        target = _targets.find(self._url, self._settings)
        # A call whose time is up, or that was aborted, must not open a connection.
        self.left()
        response: Any = target.pool.urlopen(
            "POST",
            target.path,
            body,
            headers,
            _NO_RETRIES,
            redirect=False,
            # A proxy that forwards is given the whole URL, whose host is not the pool's.
            assert_same_host=False,
            timeout=_OWN_LIMITS,
            # The connection reads the whole answer before it gives it out, so it is free again by then.
            release_conn=True,
            preload_content=False,
        )
        return response.answer  # type: ignore[no-any-return]

    def _failure(self, error: Exception) -> HttpFailure:
        if isinstance(error, (AnswerTooLarge, tls.CaError)):
            return Unusable(str(error))
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error)):
            return Unusable(_describe(error))
        late = isinstance(error, TimeoutError) or self._aborted or self._clock() >= self._deadline
        if isinstance(error, urllib3.exceptions.TimeoutError):
            # A NewConnectionError is a subclass of it, but not a timeout.
            late = late or not isinstance(error, urllib3.exceptions.NewConnectionError)
        if isinstance(error, ExchangeAborted):
            return HttpTimeout("the deadline passed")
        if not self.sent:
            return NotSent("the host does not answer" if late else _describe(error))
        return HttpTimeout("the deadline passed") if late else HttpFailure(_describe(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes and contexts, and exceptions among their arguments."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _quotes(error: BaseException) -> bool:
    """Whether an exception must not be kept, as it holds something of what the peer sent.

    Others lose the frames they came from, which hold sockets and the request with its token: an application that
    reports exceptions may report everything that they hold.
    """
    for each in _chain(error):
        if isinstance(each, http.client.HTTPException) and not isinstance(each, http.client.RemoteDisconnected):
            return True
        each.__traceback__ = None
    return False


def _describe(error: BaseException) -> str:
    """The innermost reason; the outer layers repeat the address and object ids."""
    if _quotes(error):
        return "the answer is not HTTP, or it breaks off"
    reason = error
    while True:
        inner = [each for each in (reason.__cause__, *reason.args) if isinstance(each, BaseException)]
        if not inner:
            break
        reason = inner[0]
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
