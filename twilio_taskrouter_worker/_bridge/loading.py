"""Reading the worker and its lists after ``init``: all at once, each list with all its pages.

No thread waits here: each answer starts what comes next, on the pool thread that brought it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from ..errors import InvalidAnswerError, InvalidMessageError, NotFoundError, TaskRouterError, unusable_answer
from . import routes
from .futures import PlainFuture
from .messages import Init
from .reload import Snapshot
from .request import Caller, Request, as_it_is
from .routes import Route

__all__ = ["Loader", "gather", "list_pages"]

LIST_SECONDS = 120.0
LIST_RECORDS = 200_000
"""A list of which there are still more pages after this time, or with this many records, is not read further."""


def gather(futures: Iterable[Future[Any]]) -> Future[list[Any]]:
    """Combine Futures into one, without blocking a thread.

    Args:
        futures: The Futures; may be empty.

    Returns:
        A Future that resolves to all results in order once the last one is done, and fails with the first error as soon
        as it occurs. Its callbacks run on the thread that settles the last Future. It cannot be cancelled.
    """
    futures = list(futures)
    result: Future[list[Any]] = Future()
    result.set_running_or_notify_cancel()
    # Guards the count, which is 0 once the result is settled.
    lock, left = threading.Lock(), len(futures)

    def one_done(future: Future[Any]) -> None:
        nonlocal left
        error = future.exception()
        with lock:
            # Settled already: by the first error.
            if left == 0:
                return
            left = 0 if error is not None else left - 1
            if left:
                return
        # Outside the lock, since this runs the callbacks of the result.
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result([each.result() for each in futures])

    if not futures:
        # No callback would ever run.
        result.set_result([])
    for future in futures:
        future.add_done_callback(one_done)
    return result


def list_pages(
    call: Callable[[dict[str, Any]], Future[Any]],
    params: dict[str, Any],
    enough: Callable[[list[Any]], bool] = lambda records: False,
    then: Callable[[list[Any]], Any] = as_it_is,
) -> Future[Any]:
    """Read all records of a list, page after page, without blocking a thread.

    With ``Ordering`` among the params the next page is requested by ``NextToken``, else by ``AfterSid``.

    Args:
        call: Requests one page with these parameters.
        params: Parameters of every page.
        enough: Whether the records read so far suffice.
        then: Makes the result from the records; runs on a pool thread.

    Returns:
        A Future that resolves to the result of ``then``, and can be cancelled at any time. It fails with
        InvalidAnswerError if the list does not end within LIST_SECONDS or LIST_RECORDS.
    """
    pages = _Pages(call, params, enough, then)
    pages.request({})
    return pages.result


class _Pages:
    """A list that is being read: the Future of ``list_pages``, and the pages so far."""

    def __init__(
        self,
        call: Callable[[dict[str, Any]], Future[Any]],
        params: dict[str, Any],
        enough: Callable[[list[Any]], bool],
        then: Callable[[list[Any]], Any],
    ) -> None:
        self.result: Future[Any] = PlainFuture()
        self._call = call
        self._params = params
        self._enough = enough
        self._then = then
        self._records: list[Any] = []
        # Sids or tokens by which pages were requested.
        self._seen: set[str] = set()
        self._until = time.monotonic() + LIST_SECONDS

    def request(self, position: dict[str, str]) -> None:
        try:
            page = self._call({**self._params, **position})
        except Exception as error:
            self._fail(error)
        else:
            # A cancelled list cancels its request, which may still wait in line.
            self.result.add_done_callback(lambda done: page.cancel())
            page.add_done_callback(self._answered)

    def _answered(self, page: Future[Any]) -> None:
        if self.result.cancelled():
            self.result.set_running_or_notify_cancel()
            return
        records, seen, ordered = self._records, self._seen, "Ordering" in self._params
        try:
            records.extend(_contents(page.result()))
            following = _following(page.result(), ordered)
        except BaseException as error:
            self._fail(error)
            return
        if following is None or self._enough(records):
            self._finish()
        # A service that repeats a page would otherwise be read for ever.
        elif following in seen:
            self._fail(InvalidAnswerError("A list repeats itself: the service names a page that was read already"))
        elif len(records) > LIST_RECORDS or time.monotonic() > self._until:
            text = f"A list does not end: {len(records)} records on {len(seen) + 1} pages so far"
            self._fail(InvalidAnswerError(text))
        else:
            seen.add(following)
            self.request({"NextToken" if ordered else "AfterSid": following})

    def _finish(self) -> None:
        try:
            made = self._then(self._records)
        except InvalidMessageError as error:
            self._fail(unusable_answer(error))
        except Exception as error:
            self._fail(error)
        else:
            if self.result.set_running_or_notify_cancel():
                self.result.set_result(made)

    def _fail(self, error: BaseException) -> None:
        if self.result.set_running_or_notify_cancel():
            self.result.set_exception(error)


def _contents(page: Any) -> list[Any]:
    contents = page.get("contents") if isinstance(page, dict) else None
    if not isinstance(contents, list):
        raise InvalidAnswerError("A list should come as an object with an array 'contents'")
    return contents


def _following(page: dict[str, Any], ordered: bool) -> str | None:
    """Return the token or sid of the next page; None on the last one."""
    meta = page.get("meta")
    following = (meta.get("next_token") if isinstance(meta, dict) else None) if ordered else page.get("after_sid")
    if not following:
        return None
    if not isinstance(following, str):
        raise InvalidAnswerError("A list should name its next page by a string")
    return following


class Loader:
    """The requests of a reload, for the worker that ``init`` identified. No method blocks.

    Args:
        caller: Sends requests.
        init: The message.
    """

    def __init__(self, caller: Caller, init: Init) -> None:
        self._caller = caller
        self._sids = {"ws": init.workspace_sid, "wk": init.worker_sid}

    def read_lists(self) -> Future[Snapshot]:
        """Read the worker and its three lists, all at once.

        Does not block; callbacks of the Future run on a pool thread.

        Returns:
            A Future that resolves to the lists.
        """
        # The JS SDK reads the worker first, and then the lists; ``init`` has all the sids that they need.
        page_size = {"PageSize": routes.PAGE_SIZE}
        lists = gather(
            [
                self._call(routes.GET_WORKER, {}),
                self._list(routes.LIST_ACTIVITIES, page_size),
                self._list(routes.LIST_CHANNELS, page_size),
                # A string, as in the JS SDK.
                self._list(routes.LIST_RESERVATIONS, {"Active": "true", **page_size}),
            ]
        )
        return _then(lists, lambda results: Snapshot(*results))

    def set_activity(self, sid: str) -> Future[Any]:
        """Move the worker to an activity.

        Does not block; callbacks of the Future run on a pool thread.

        Args:
            sid: Sid of the activity.

        Returns:
            A Future that resolves to the worker's payload.
        """
        return self._call(routes.SET_ACTIVITY, {"ActivitySid": sid})

    def look_up(self, sids: Sequence[str]) -> Future[tuple[dict[str, Any], TaskRouterError | None]]:
        """Read how these reservations ended.

        Does not block; callbacks of the Future run on a pool thread.

        Args:
            sids: Their sids.

        Returns:
            A Future that resolves to the payloads by sid, None for a reservation that no longer exists, and the first
            error. It never fails itself.
        """

        def sort(results: list[Any]) -> tuple[dict[str, Any], TaskRouterError | None]:
            found = dict(zip(sids, results, strict=True))
            errors = [each for each in results if isinstance(each, BaseException)]
            error = as_task_router_error(errors[0]) if errors else None
            return {sid: each for sid, each in found.items() if not isinstance(each, BaseException)}, error

        return _then(gather([_with_error(self._reservation(sid)) for sid in sids]), sort)

    def _reservation(self, sid: str) -> Future[Any]:
        """Read a reservation with its task if possible; None if it no longer exists."""
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
        except Exception as error:
            # Raised at the call: the client was closed, or the service has sent a sid that no path can have. For the
            # caller all failures come in the Future, so that each one ends this attempt to load.
            return _failed(error)


def as_task_router_error(error: BaseException) -> TaskRouterError:
    """Convert any exception into an error of this library.

    Args:
        error: The exception.

    Returns:
        The same error if it is one already, else one with the exception as its cause.
    """
    if isinstance(error, TaskRouterError):
        return error
    unforeseen = TaskRouterError(f"Reading the worker failed: {type(error).__name__}")
    unforeseen.__cause__ = error
    return unforeseen


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _then(future: Future[Any], make: Callable[[Any], Any]) -> Future[Any]:
    """A Future of what *make* returns for the result."""
    result: Future[Any] = Future()
    result.set_running_or_notify_cancel()

    def done(_: Future[Any]) -> None:
        try:
            made = make(future.result())
        except BaseException as error:
            result.set_exception(error)
        else:
            result.set_result(made)

    future.add_done_callback(done)
    return result


def _with_error(future: Future[Any]) -> Future[Any]:
    """A Future that resolves to the result or, in its place, to the exception."""
    result: Future[Any] = Future()
    result.set_running_or_notify_cancel()
    future.add_done_callback(lambda done: result.set_result(done.exception() or done.result()))
    return result
