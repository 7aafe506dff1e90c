"""Calls: a request in, one tunnelled POST on a pool thread, a Future out.

Retries need no thread: between two attempts a call is only an entry of the timers. Nor do deadlines: the timers' thread
fails a Future that is due even if all threads of the pool are taken.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from .._json import dumps
from .._log import CALLS as log
from ..errors import (
    AuthorizationError,
    ClosedError,
    InvalidMessageError,
    NetworkError,
    RequestError,
    RequestRejectedError,
    RequestTimeoutError,
    TaskRouterError,
    explained,
    unusable_answer,
)
from .futures import CallFuture, Unawaited
from .http import Answer, Exchange, HttpFailure, HttpTimeout, distrust_idle
from .outcomes import RETRY_RULES, RetryRules, read_answer, retry_delay
from .request import Request
from .settings import Settings, settings_for
from .threads import POOL, TIMERS, Timer
from .turns import Turn, Turns

__all__ = ["Calls", "CallsWatch"]

T = TypeVar("T")


class CallsWatch(Protocol):
    """Records calls; see :class:`~twilio_taskrouter_worker._bridge.watching.Watch`. Called on any thread."""

    def call(self, request: Request[Any], started: float, attempts: int, error: BaseException | None) -> None:
        """Record a call that has ended."""
        ...

    def retry(self, request: Request[Any], attempt: int, delay: float) -> None:
        """Record a failed attempt that will be repeated."""
        ...


class Calls:
    """Makes the calls of one client. Safe on any thread.

    **Order.** Calls that change the same object are sent one after the other, each when the one before has ended: it
    was answered, has failed for good, has expired or was cancelled. See ``turns``; ``Request.subjects`` names the
    objects that a call changes. If a call is aborted while the service may have received it, the next one waits until
    its connection is closed, which takes a moment, so that it does not overtake it needlessly.

    Args:
        url: Address of the event bridge.
        token: Returns the token to use; called at each attempt, on a pool thread.
        client_version: Version of this library, sent to the service.
        timeout: Seconds for each call as a whole, retries included.
        send_versions: Whether the known version of the changed object is sent.
        refused: Called on a pool thread with a token that the service refused (status 401).
        unawaited: Called on a shared thread with the error of a failed call whose Future was never checked, after it
            was logged.
        watch: Records each call that ended and each retry.
        rules: When a failed attempt is repeated.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        client_version: str,
        timeout: float,
        *,
        send_versions: bool = False,
        refused: Callable[[str], None] | None = None,
        unawaited: Unawaited | None = None,
        watch: CallsWatch | None = None,
        rules: RetryRules = RETRY_RULES,
    ) -> None:
        self.url = url
        self.token = token
        self.timeout = timeout
        self.rules = rules
        self.refused = refused
        self.unawaited = unawaited
        self.watch = watch
        self.send_versions = send_versions
        self._client_version = client_version
        self._settings: Settings | None = None
        # Guards the rest.
        self._lock = threading.Lock()
        self._open: dict[_Call[Any], None] = {}  # in the order in which they were made
        self._turns = Turns()
        self._closed_by: str | None = None

    def call(self, request: Request[T], /) -> Future[T]:
        """Send one request; does not block.

        Args:
            request: The request.

        Returns:
            A Future that resolves to the result of the request's ``then`` for the payload, and fails with a
            TaskRouterError. ``cancel()`` works until the request is sent. Its callbacks run on a pool thread.

        Raises:
            ClosedError: The client was closed.
            TaskRouterError: The system has no thread for it; nothing was sent.
        """
        call = _Call(self, request, time.monotonic() + self.timeout)
        # Checked here, and again below with the lock held: a closed client must not start threads.
        self._refuse_if_closed()
        # Before the call is registered: without threads its deadline would never be enforced.
        TIMERS.require()
        POOL.require()
        with self._lock:
            # Checked and registered under one lock: ``close`` fails every call that it does not prevent.
            self._refuse_if_closed()
            self._open[call] = None
            call.enter(self._turns)
        # Outside the lock, since it may start a thread.
        call.start()
        return call.future

    def _refuse_if_closed(self) -> None:
        if self._closed_by is not None:
            raise ClosedError(f"No call can be made: {self._closed_by}")

    def headers(self, api_version: str, version: str | None) -> dict[str, str]:
        """Return the HTTP headers of a request.

        Args:
            api_version: Version of the API that the route uses.
            version: Version for ``If-Match``; None sends none.

        Returns:
            The headers by name.
        """
        headers = {
            "apiVersion": api_version,
            "clientVersion": self._client_version,
            # Content type and spelling are those of the JS SDK, which the service is known to accept.
            "Content-Type": "text/plain;charset=UTF-8",
        }
        if version is not None:
            headers["If-Match"] = version
        return headers

    @property
    def closed(self) -> bool:
        """Whether calls are refused."""
        return self._closed_by is not None

    @property
    def in_flight(self) -> int:
        """Number of calls that have not ended."""
        return len(self._open)

    def settings(self) -> Settings:
        """Return the environment's settings, read once at the first call."""
        if self._settings is None:
            self._settings = settings_for(self.url)
        return self._settings

    def reopen(self) -> None:
        """Accept calls again."""
        with self._lock:
            self._closed_by = None

    def close(self, why: str) -> Callable[[], None]:
        """Refuse further calls.

        Args:
            why: Reason, for the text of ClosedError.

        Returns:
            A function that fails the calls under way with ClosedError, to be called without a lock. It does not block:
            callbacks of their Futures run on the pool.
        """
        with self._lock:
            self._closed_by = why
            calls = list(self._open)

        def give_up() -> None:
            for call in calls:
                call.close(why)

        return give_up

    def ended(self, call: _Call[Any]) -> None:
        """Release the calls that wait for this one; any thread, does not block.

        Args:
            call: The call, which is not on the wire and will not be sent any more.
        """
        with self._lock:
            self._open.pop(call, None)
            may_go = self._turns.leave(call)
        for each in may_go:
            assert isinstance(each, _Call)
            # Outside the lock: starting a thread may block for a moment, and other calls need the lock.
            POOL.submit(each.attempt)


class _Call(Turn, Generic[T]):
    """One call through all its attempts."""

    __slots__ = (
        "_calls",
        "_deadline",
        "_ended",
        "_exchange",
        "_headers",
        "_last_failure",
        "_learns_version",
        "_lock",
        "_request",
        "_retry",
        "_running",
        "_sent",
        "_timeout",
        "_tries",
        "_url",
        "future",
        "waited",
    )

    def __init__(self, calls: Calls, request: Request[T], deadline: float) -> None:
        super().__init__()
        self.future: CallFuture[T] = CallFuture(request, self._cancelled, calls.unawaited)
        self.waited = False
        # Whether the answers of the calls it waits for contain the version of the object it changes.
        self._learns_version = False
        self._calls = calls
        self._request = request
        # Composed now, so that an invalid sid raises at the call.
        self._url = request.url
        self._headers = self._make_headers(checked=True)
        self._deadline = deadline
        # Attempts that have begun.
        self._tries = 0
        # Whether the service may have it.
        self._sent = False
        # The end of a sentence, for the error of a call that times out after it.
        self._last_failure = ""
        self._timeout: Timer | None = None
        self._retry: Timer | None = None
        # Guards the rest: the answer, the deadline, cancel() and close() race, and the first one wins.
        self._lock = threading.Lock()
        self._ended = False
        # Whether the Future runs; None while it may still be cancelled.
        self._running: bool | None = None
        # While an attempt is under way.
        self._exchange: Exchange | None = None

    def enter(self, turns: Turns) -> None:
        """Take a place in the line of each subject; called with the lock of the calls held.

        Args:
            turns: The lines.
        """
        ahead = turns.enter(self, self._request.subjects)
        self.waited = bool(ahead)
        self._learns_version = all(isinstance(each, _Call) and each._url == self._url for each in ahead)

    def start(self) -> None:
        """Start the deadline, and the first attempt if no call is ahead."""
        self._timeout = TIMERS.at(self._deadline, self._expire)
        if self._ended:
            # Closed before there was a timer to cancel.
            self._timeout.cancel()
        # Otherwise the last call ahead submits it when it ends, which may have happened already.
        if not self.waited:
            POOL.submit(self.attempt)

    def _make_headers(self, *, checked: bool) -> dict[str, str]:
        request = self._request
        checked = checked and self._calls.send_versions and request.version is not None
        version = request.version() if checked and request.version is not None else None
        return self._calls.headers(request.route.api_version, version)

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self, why: str) -> None:
        """Fail the Future with ClosedError now; a request on the wire is aborted.

        Args:
            why: Reason, for the text of the error.
        """

        def closed() -> ClosedError:
            acted = "TaskRouter may or may not have acted on it" if self._sent else "It was not sent"
            return ClosedError(f"The call was abandoned: {why}. {acted}")

        self._give_up(closed)

    def _expire(self) -> None:
        """The deadline has passed; runs on the timers' thread."""
        self._give_up(self._timed_out)
        if self._tries:
            # The network may have failed, and then no other idle connection would answer either.
            distrust_idle()

    def _timed_out(self) -> RequestTimeoutError:
        route, seconds = self._request.route, self._calls.timeout
        if self.waited and not self._sent:
            return RequestTimeoutError(
                f"Request timed out. {route} waited {seconds:g} s for earlier calls, and was not sent"
            )
        return RequestTimeoutError(
            f"Request timed out. {route} had no complete answer within {seconds:g} s{self._last_failure}"
        )

    def _give_up(self, error: Callable[[], TaskRouterError]) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            exchange = self._exchange
        self._tidy()
        on_the_wire = exchange is not None and exchange.abort()
        self._sent = self._sent or on_the_wire
        # If it is cut off while the service may have it, `_off_the_wire` lets the next call go.
        if not on_the_wire:
            self._calls.ended(self)
        self._fail(error())

    def _cancelled(self) -> None:
        """The Future was cancelled before the first attempt; runs on the thread that cancels."""
        # Without this, ``concurrent.futures.wait`` would not notice the cancellation: its waiters are only notified
        # here.
        self._run()
        with self._lock:
            self._ended = True
        self._tidy()
        self._calls.ended(self)

    def _tidy(self) -> None:
        self.future.settled()
        for timer in (self._timeout, self._retry):
            if timer is not None:
                timer.cancel()

    def _run(self) -> bool:
        """Make the Future uncancellable; return False if it was cancelled."""
        with self._lock:
            if self._running is None:
                self._running = self.future.set_running_or_notify_cancel()
            return self._running

    def _fail(self, error: BaseException) -> None:
        self._watch(error)
        # Without its frames, which hold this call and its Future: a failure that nobody looks at could not be
        # collected, and so not be reported.
        if self._run():
            self.future.set_exception(error.with_traceback(None))

    # -- attempts ----------------------------------------------------------------------------------------------------

    def attempt(self) -> None:
        """Send the request once and process the outcome; runs on a pool thread, blocks for the exchange."""
        exchange = self._begin()
        if exchange is not None:
            # The token is read at each attempt: it may have been renewed meanwhile.
            self._conclude(self._calls.token, lambda token: self._post(exchange, token))

    def _conclude(self, token_now: Callable[[], str], post: Callable[[str], Answer]) -> None:
        """Process the outcome of one attempt.

        Args:
            token_now: Returns the token to send, or raises the provider's failure.
            post: Sends the request with that token and returns the answer, or raises.
        """
        token = ""
        try:
            token = token_now()
            payload = read_answer(post(token), token)
        except (HttpFailure, RequestError) as failure:
            if isinstance(failure, AuthorizationError) and failure.status == 401 and self._calls.refused is not None:
                self._calls.refused(token)
            self._failed(failure)
        except TaskRouterError as error:
            # No token: the provider raised.
            self._finish(error)
        except Exception as error:
            log.exception("A call failed unexpectedly; this is a defect of the library")
            self._finish(error)
        else:
            self._succeed(payload)

    def _begin(self) -> Exchange | None:
        """Return the exchange for the next attempt; None if the call has ended."""
        if not self._run():
            return None
        calls, deadline, patience = self._calls, self._deadline, None
        if self._request.route.method == "GET":
            left = deadline - time.monotonic()
            # Only a read may be sent twice while the first one may still be answered.
            if calls.rules.patience * left >= calls.rules.patience_min:
                patience = deadline - (1.0 - calls.rules.patience) * left
        if self.waited and self._tries == 0:
            # Those before it may have changed the version it is based on. The answer of a call about the same object
            # has the new one. That of a call about a reservation does not have the task's, whose event may come later:
            # then no version is sent.
            self._headers = self._make_headers(checked=self._learns_version)
        exchange = Exchange(calls.url, calls.settings(), deadline, patience)
        with self._lock:
            if self._ended:
                return None
            # Published with the lock held: an abort either finds it here, or has set ``_ended`` before.
            self._exchange = exchange
            self._tries += 1
        return exchange

    def _post(self, exchange: Exchange, token: str) -> Answer:
        request = self._request
        # The keys, and their order, are those of the JS SDK.
        body = {"url": self._url, "method": request.route.method, "params": request.params, "token": token}
        try:
            return exchange.post(dumps(body), self._headers)
        finally:
            self._sent = self._sent or exchange.sent

    def _off_the_wire(self, *, final: bool) -> bool:
        """Note the end of the exchange, *final*: with an outcome; return False if the call had ended before."""
        with self._lock:
            self._exchange = None
            ended = self._ended
            self._ended = ended or final
        if ended:
            self._calls.ended(self)
        return not ended

    def _failed(self, failure: HttpFailure | RequestError) -> None:
        # Before the next attempt, which must not use another dead connection.
        if isinstance(failure, HttpTimeout):
            distrust_idle()
        calls, route = self._calls, self._request.route
        room = self._deadline - time.monotonic() - calls.rules.last_try
        delay = retry_delay(route.method, failure, self._tries, random.random, calls.rules, room)
        if delay is not None and delay <= room:
            self._last_failure = f"; the last of {self._tries} attempts: {failure}"
            if self._off_the_wire(final=False):
                log.debug("%s: attempt %d failed, next in %.2f s", route, self._tries, delay)
                if calls.watch is not None:
                    calls.watch.retry(self._request, self._tries, delay)
                self._retry = TIMERS.at(time.monotonic() + delay, lambda: POOL.submit(self.attempt))
                if self._ended:
                    # It ended while there was no timer for ``_tidy`` to cancel.
                    self._retry.cancel()
        elif isinstance(failure, HttpTimeout):
            self._finish(self._timed_out())
        elif isinstance(failure, HttpFailure):
            error = NetworkError(
                f"Network error has occurred. {route} got no answer: {failure}. "
                "Check eb_server, region, the network and the proxy settings"
            )
            error.__cause__ = failure.__cause__
            self._finish(error)
        else:
            self._finish(self._explained(failure))

    def _explained(self, failure: RequestError) -> TaskRouterError:
        explain = self._request.explain
        # Not for its subclasses: their class is the reason.
        why = explain() if explain is not None and type(failure) is RequestRejectedError else ""
        return explained(failure, why) if why else failure

    def _finish(self, error: BaseException) -> None:
        if self._off_the_wire(final=True):
            self._tidy()
            self._calls.ended(self)
            self._fail(error)

    def _succeed(self, payload: Any) -> None:
        if not self._off_the_wire(final=True):
            # Too late for the caller, but the answer still describes the service's state.
            self._apply_late(payload)
            return
        self._tidy()
        try:
            # Before the next call in line is sent, which may take its version from this answer.
            result = self._request.then(payload)
        except InvalidMessageError as message:
            self._calls.ended(self)
            self._fail(unusable_answer(message))
        except Exception as error:
            self._calls.ended(self)
            self._fail(error)
        else:
            # Before the callbacks, one of which may wait for the next call.
            self._calls.ended(self)
            self._watch(None)
            self.future.set_result(result)

    def _watch(self, error: BaseException | None) -> None:
        calls = self._calls
        if calls.watch is not None:
            calls.watch.call(self._request, self._deadline - calls.timeout, self._tries, error)

    def _apply_late(self, payload: Any) -> None:
        try:
            self._request.then(payload)
        except Exception as error:
            log.debug("A late answer could not be used: %s", type(error).__name__)
