"""Reading the worker and its lists after ``init``: all at once, each list with all its pages.

No thread waits here: each answer starts what comes next, on the pool thread that brought it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from ..errors import InvalidAnswerError, NotFoundError, RequestError, TaskRouterError
from . import routes
from .request import Caller, Request, as_it_is
from .resync import Snapshot
from .routes import Route
from .threads import POOL, TIMERS, Timer

__all__ = ["Gather", "Loader", "connect_activity_delay", "list_pages"]

CONNECT_ACTIVITY_STATUS = frozenset({None, 429, 500, 502, 503, 504})
CONNECT_ACTIVITY_RETRIES = 3


def connect_activity_delay(retry: int, rand: Callable[[], float]) -> float:
    """Seconds before the n-th retry of setting the connect activity, by the rule of the JS SDK. Pure."""
    step = min(max(0.8, 0.8 * (2.0**retry - 1) / 2), 3.0)
    return step + 0.001 + 0.099 * rand()


class Gather:
    """Several Futures at once; ``then`` gets all results, or ``failed`` the first error. Both at most once."""

    def __init__(
        self, futures: Iterable[Future[Any]], then: Callable[[list[Any]], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._futures = list(futures)
        self._then = then
        self._failed = failed
        self._lock = threading.Lock()
        self._left = len(self._futures)
        for future in self._futures:
            future.add_done_callback(self._one_done)

    def _one_done(self, future: Future[Any]) -> None:
        error = future.exception()
        with self._lock:
            if self._left <= 0:
                return
            self._left = 0 if error is not None else self._left - 1
            if self._left:
                return
        if error is not None:
            self._failed(error)
        else:
            self._then([each.result() for each in self._futures])


def list_pages(
    call: Callable[[dict[str, Any]], Future[Any]],
    params: dict[str, Any],
    enough: Callable[[list[Any]], bool] = lambda records: False,
) -> Future[list[Any]]:
    """All records of a list, page after page; the Future never blocks a thread.

    With ``Ordering`` among the params the next page is asked for by ``NextToken``, else by ``AfterSid``.
    """
    result: Future[list[Any]] = Future()
    result.set_running_or_notify_cancel()
    records: list[Any] = []
    seen: set[str] = set()

    def ask(extra: dict[str, Any]) -> None:
        try:
            call({**params, **extra}).add_done_callback(answered)
        except Exception as error:
            result.set_exception(error)

    def answered(future: Future[Any]) -> None:
        try:
            records.extend(_contents(future.result()))
            following = _following(future.result(), "Ordering" in params)
        except BaseException as error:
            result.set_exception(error)
            return
        if following is None or enough(records):
            result.set_result(records)
        elif following in seen:
            result.set_exception(InvalidAnswerError("A list repeats itself: the service names a page it has given"))
        else:
            seen.add(following)
            ask({"NextToken" if "Ordering" in params else "AfterSid": following})

    ask({})
    return result


def _contents(page: Any) -> list[Any]:
    contents = page.get("contents") if isinstance(page, dict) else None
    if not isinstance(contents, list):
        raise InvalidAnswerError("A list should come as an object with an array 'contents'")
    return contents


def _following(page: dict[str, Any], ordered: bool) -> str | None:
    """What names the next page; None on the last one."""
    meta = page.get("meta")
    following = (meta.get("next_token") if isinstance(meta, dict) else None) if ordered else page.get("after_sid")
    if not following:
        return None
    if not isinstance(following, str):
        raise InvalidAnswerError("A list should name its next page by a string")
    return following


class Loader:
    """Reads everything for one connection, and tells the result once: a Snapshot or an error."""

    def __init__(
        self,
        caller: Caller,
        workspace_sid: str,
        worker_sid: str,
        loaded: Callable[[Snapshot], None],
        failed: Callable[[TaskRouterError], None],
    ) -> None:
        self._caller = caller
        self._sids = {"ws": workspace_sid, "wk": worker_sid}
        self._loaded = loaded
        self._failed = failed
        self._retry: Timer | None = None

    def load(self, then: Callable[[Snapshot], None] | None = None) -> None:
        """Ask for the worker and its three lists; returns at once. ``then`` is told in place of ``loaded``."""
        page_size = {"PageSize": routes.PAGE_SIZE}
        Gather(
            [
                self._call(routes.GET_WORKER, {}),
                self._list(routes.LIST_ACTIVITIES, page_size),
                self._list(routes.LIST_CHANNELS, page_size),
                self._list(routes.LIST_RESERVATIONS, {"Active": "true", **page_size}),
            ],
            lambda results: (then or self._loaded)(Snapshot(*results)),
            self._fail,
        )

    def set_activity(
        self, activity_sid: str, snapshot: Snapshot, then: Callable[[RequestError | None], None], retries: int = 0
    ) -> None:
        """POST the activity chosen for connecting; the answer goes into the snapshot. ``then`` gets the final error,
        or None."""

        def answered(future: Future[Any]) -> None:
            error = future.exception()
            if error is None:
                snapshot.worker = future.result()
                then(None)
            elif not isinstance(error, RequestError):
                self._fail(error)
            elif error.status in CONNECT_ACTIVITY_STATUS and retries < CONNECT_ACTIVITY_RETRIES:
                delay = connect_activity_delay(retries + 1, random.random)
                self._retry = TIMERS.at(
                    time.monotonic() + delay,
                    lambda: POOL.submit(lambda: self.set_activity(activity_sid, snapshot, then, retries + 1)),
                )
            else:
                then(error)

        self._call(routes.SET_ACTIVITY, {"ActivitySid": activity_sid}).add_done_callback(answered)

    def give_up(self) -> None:
        """Try nothing again: the connection is over."""
        if self._retry is not None:
            self._retry.cancel()

    def look_up(self, sids: list[str], snapshot: Snapshot) -> None:
        """Find out how these reservations ended; the snapshot is complete then, and ``loaded`` is told again."""

        def found(payloads: list[Any]) -> None:
            snapshot.ended.update(zip(sids, payloads, strict=True))
            self._loaded(snapshot)

        Gather([self._reservation(sid) for sid in sids], found, self._fail)

    def _reservation(self, sid: str) -> Future[Any]:
        """The reservation with its task where that can be had; None where it is gone."""
        result: Future[Any] = Future()
        result.set_running_or_notify_cancel()

        def got_reservation(future: Future[Any]) -> None:
            error = future.exception()
            if isinstance(error, NotFoundError):
                result.set_result(None)
            elif error is not None:
                result.set_exception(error)
            else:
                payload = future.result()
                task_sid = payload.get("task_sid") if isinstance(payload, dict) and "task" not in payload else None
                if isinstance(task_sid, str) and task_sid:
                    task = self._call(routes.GET_TASK, {}, task=task_sid)
                    task.add_done_callback(lambda done: got_task(payload, done))
                else:
                    result.set_result(payload)

        def got_task(payload: dict[str, Any], future: Future[Any]) -> None:
            # The short form of a reservation has no task. If the task is gone, what was known of it stays.
            result.set_result(payload if future.exception() else {**payload, "task": future.result()})

        self._call(routes.GET_RESERVATION, {}, reservation=sid).add_done_callback(got_reservation)
        return result

    def _list(self, route: Route, params: dict[str, Any]) -> Future[list[Any]]:
        return list_pages(lambda page: self._call(route, page), params)

    def _call(self, route: Route, params: dict[str, Any], **sids: str) -> Future[Any]:
        try:
            # The only change made here is that of the worker's activity.
            subjects = () if route.method == "GET" else (self._sids["wk"],)
            return self._caller(Request(route, {**self._sids, **sids}, params, as_it_is, subjects))
        except TaskRouterError as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, TaskRouterError):
            unforeseen = TaskRouterError(f"Reading the worker failed: {type(error).__name__}")
            unforeseen.__cause__ = error
            error = unforeseen
        self._failed(error)
