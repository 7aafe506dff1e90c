"""Calls: a route and its parameters in, one tunnelled POST on a pool thread, a Future out.

Retries need no thread: between two tries a call is only an entry of the timers.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

from .._json import dumps, loads
from .._log import CALLS as log
from ..errors import (
    ClosedError,
    InvalidAnswerError,
    InvalidMessageError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    TaskRouterError,
    rejected,
)
from .futures import Following
from .http import Answer, Exchange, HttpFailure, HttpTimeout, NotSent, Settings, hide, settings_for
from .request import Request
from .threads import POOL, TIMERS, Timer

__all__ = ["Calls", "read_answer", "retry_delay"]

T = TypeVar("T")

RETRY_FIRST = 0.25
RETRY_MAX = 4.0
"""Seconds: delay before the n-th retry, uniform between half of and the whole ``RETRY_FIRST * 2**(n-1)``, at most
RETRY_MAX, unless the service said ``Retry-After``."""

LAST_TRY = 0.2
"""Seconds a further try must have left: with less, the reason of the last failure serves the caller better than a
timeout that hides it."""

RETRIED_GET_STATUS = frozenset({429, 502, 503, 504})


def retry_delay(
    method: str, failure: HttpFailure | RequestError, tries: int, rand: Callable[[], float]
) -> float | None:
    """Seconds until the next try, or None where there must be none. Pure.

    A GET may always be asked again. A POST only where the service cannot have acted: the connection was never made,
    or it said so (429, or 503 with Retry-After).
    """
    said: float | None = None
    if isinstance(failure, RequestError):
        said = failure.retry_after
        safe = failure.status == 429 or (failure.status == 503 and said is not None)
        again = safe if method != "GET" else failure.status in RETRIED_GET_STATUS
    else:
        again = isinstance(failure, NotSent) if method != "GET" else not isinstance(failure, HttpTimeout)
    if not again:
        return None
    return said if said is not None else min(RETRY_MAX, RETRY_FIRST * 2.0 ** min(tries - 1, 10)) * (0.5 + 0.5 * rand())


def read_answer(answer: Answer, token: str = "") -> Any:
    """The payload of a good answer; RequestError for any other. Pure.

    A service that quotes the token in its message is not quoted in turn.
    """
    if 200 <= answer.status < 300:
        try:
            body = loads(answer.body)
        except ValueError:
            raise InvalidAnswerError(
                f"The answer ({len(answer.body)} bytes) is not JSON; is eb_server an event bridge?",
                status=answer.status,
            ) from None
        if not isinstance(body, dict) or "payload" not in body:
            raise InvalidAnswerError("The answer is JSON, but not an object with a 'payload'", status=answer.status)
        return body["payload"]
    details: Mapping[str, Any] = {}
    try:
        body = loads(answer.body)
        details = body if isinstance(body, dict) else {}
    except ValueError:
        pass
    message = details.get("message")
    code = details.get("code")
    more_info = details.get("more_info")
    raise rejected(
        answer.status,
        hide(token, message) if isinstance(message, str) else _without_message(answer),
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        more_info=hide(token, more_info) if isinstance(more_info, str) else None,
        retry_after=_retry_after(answer.headers.get("retry-after")),
    )


def _without_message(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return "The service redirects, which is not followed, since the request carries a token."
    return f"The answer has no message ({answer.headers.get('content-type', 'no content type')})."


def _retry_after(text: str | None) -> float | None:
    """Seconds, from either form of the header."""
    if not text:
        return None
    if text.isascii() and text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


class Calls:
    """Makes the calls of one client. Safe on any thread."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        client_version: str,
        timeout: float,
        *,
        send_versions: bool = False,
    ) -> None:
        self._url = url
        self._send_versions = send_versions
        self._token = token
        self._client_version = client_version
        self._timeout = timeout
        self._settings: Settings | None = None
        # Guards the two below.
        self._lock = threading.Lock()
        self._open: set[_Call[Any]] = set()
        self._closed_by: str | None = None

    def call(self, request: Request[T], /) -> Future[T]:
        """Send one request; returns at once.

        Returns:
            A Future of what the request's ``then`` makes of the payload. It fails with a TaskRouterError, nothing
            else. ``cancel()`` of it works until the request is sent.

        Raises:
            ClosedError: The client was closed.
        """
        call = _Call(self, request, time.monotonic() + self._timeout)
        with self._lock:
            if self._closed_by is not None:
                raise ClosedError(f"No call can be made: {self._closed_by}")
            self._open.add(call)
        call.start()
        return call.future if request.heard is None else Following(call.future, request.heard)

    def headers(self, request: Request[Any]) -> dict[str, str]:
        """The HTTP headers of a request."""
        headers = {
            "apiVersion": request.route.api_version,
            "clientVersion": self._client_version,
            "Content-Type": "text/plain;charset=UTF-8",
        }
        version = request.version() if self._send_versions and request.version is not None else None
        if version is not None:
            headers["If-Match"] = version
        return headers

    @property
    def closed(self) -> bool:
        return self._closed_by is not None

    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = settings_for(self._url)
        return self._settings

    def reopen(self) -> None:
        """Calls are possible again."""
        with self._lock:
            self._closed_by = None

    def close(self, why: str) -> Callable[[], None]:
        """Refuse further calls. What it returns fails those under way with ClosedError: to be called without a lock,
        since their callbacks run in it."""
        with self._lock:
            self._closed_by = why
            calls = list(self._open)

        def give_up() -> None:
            for call in calls:
                call.give_up(ClosedError(f"The call was given up: {why}. TaskRouter may or may not have acted on it"))

        return give_up

    def _done(self, call: _Call[Any]) -> None:
        with self._lock:
            self._open.discard(call)


class _Call(Generic[T]):
    """One call through all its tries."""

    def __init__(self, calls: Calls, request: Request[T], deadline: float) -> None:
        self.future: Future[T] = Future()
        self._calls = calls
        self._request = request
        # Now: a wrong sid raises at the call.
        self._url = request.url
        self._headers = calls.headers(request)
        self._deadline = deadline
        self._tries = 0
        self._running = self._cancelled = False
        self._last_failure = ""
        self._exchange: Exchange | None = None
        self._timeout: Timer | None = None
        self._retry: Timer | None = None
        # Guards the outcome (the answer, the deadline and close() race, and the first one wins) and the Future's step
        # from pending to running.
        self._lock = threading.Lock()
        self._ended = False

    def start(self) -> None:
        # Not on the timers' thread: a callback of the Future could block every deadline.
        self._timeout = TIMERS.at(self._deadline, lambda: POOL.submit(self._expire))
        if self._ended:
            # Closed before there was a timer to cancel.
            self._timeout.cancel()
        POOL.submit(self._try)

    def give_up(self, error: TaskRouterError) -> None:
        """Fail the Future now; a request on the wire is abandoned."""
        if self._end():
            exchange = self._exchange
            if exchange is not None:
                exchange.abort()
            self._fail(error)

    def _expire(self) -> None:
        self.give_up(
            RequestTimeoutError(
                f"Request timed out. {self._request.route} had no complete answer within "
                f"{self._calls._timeout:g} s{self._last_failure}"
            )
        )

    def _end(self) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._ended = True
        for timer in (self._timeout, self._retry):
            if timer is not None:
                timer.cancel()
        self._calls._done(self)
        return True

    def _run(self) -> bool:
        """From here on the Future cannot be cancelled; False where it was."""
        with self._lock:
            if not self._running and not self._cancelled:
                self._running = self.future.set_running_or_notify_cancel()
                self._cancelled = not self._running
            return self._running

    def _fail(self, error: BaseException) -> None:
        if self._run():
            self.future.set_exception(error)

    def _try(self) -> None:
        if self._ended:
            return
        if not self._run():
            self._end()
            return
        self._tries += 1
        try:
            # The token is read at each try: it may have been renewed meanwhile.
            token = self._calls._token()
            payload = read_answer(self._post(token), token)
        except (HttpFailure, RequestError) as failure:
            self._failed(failure)
        except TaskRouterError as error:
            # There is no token: its provider raised.
            self._finish_with(error)
        except Exception as error:
            log.exception("A call failed in an unforeseen way; this is a defect of the library")
            self._finish_with(error)
        else:
            self._succeed(payload)

    def _post(self, token: str) -> Answer:
        request = self._request
        body = dumps({"url": self._url, "method": request.route.method, "params": request.params, "token": token})
        self._exchange = exchange = Exchange(self._calls._url, self._calls.settings())
        if self._ended:
            raise HttpTimeout("given up")
        return exchange.post(body, self._headers, self._deadline)

    def _failed(self, failure: HttpFailure | RequestError) -> None:
        delay = retry_delay(self._request.route.method, failure, self._tries, random.random)
        if delay is not None and time.monotonic() + delay + LAST_TRY < self._deadline:
            self._last_failure = f"; the last of {self._tries} tries: {failure}"
            log.debug("%s: try %d failed, next in %.2f s", self._request.route, self._tries, delay)
            self._retry = TIMERS.at(time.monotonic() + delay, lambda: POOL.submit(self._try))
            if self._ended:
                self._retry.cancel()
            return
        if isinstance(failure, HttpTimeout):
            self._expire()
            return
        if isinstance(failure, HttpFailure):
            error: RequestError = NetworkError(
                f"Network error has occurred. {self._request.route} got no answer: {failure}. "
                "Check eb_server, region, the network and the proxy settings"
            )
            error.__cause__ = failure.__cause__
        else:
            error = failure
        self._finish_with(error)

    def _finish_with(self, error: BaseException) -> None:
        if self._end():
            self._fail(error)

    def _succeed(self, payload: Any) -> None:
        if not self._end():
            # Too late for the caller, but what it tells is as true as ever.
            self._apply_late(payload)
            return
        try:
            result = self._request.then(payload)
        except InvalidMessageError as error:
            invalid = InvalidAnswerError(f"TaskRouter's answer is unusable. {error.message}", status=200)
            invalid.__cause__ = error
            self._fail(invalid)
        except Exception as error:
            self._fail(error)
        else:
            self.future.set_result(result)

    def _apply_late(self, payload: Any) -> None:
        try:
            self._request.then(payload)
        except Exception as error:
            log.debug("A late answer could not be used: %s", type(error).__name__)
