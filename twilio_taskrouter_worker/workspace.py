"""The Workspace client: looking things up, without a websocket."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from ._bridge import routes
from ._bridge.request import Request, as_it_is
from ._bridge.routes import PAGE_SIZE, Route
from ._bridge.schema import Resource
from ._version import __version__
from .errors import InvalidAnswerError, InvalidMessageError, TokenError
from .options import Options, set_log_level
from .task_info import TaskInfo
from .task_queue import TaskQueue
from .tokens import check_token, decode_unverified
from .worker_info import WorkerInfo

__all__ = ["Workspace"]

ResourceT = TypeVar("ResourceT", bound=Resource)
T = TypeVar("T")


class Workspace:
    """Workers, queues and tasks of a workspace, read with an admin's or a supervisor's token.

    It has no connection, no events and no threads of its own. All methods may be called on any thread; each returns a
    Future at once, with a result of its own, and follows all pages.

    :param token: the access token. Without ``workspace_sid`` it is read for the workspace, which an encrypted token
        does not allow.
    :param workspace_sid: the workspace; None takes the token's.
    :param page_size: records asked for at a time, 1 to 1000.

    Other options as in :class:`~twilio_taskrouter_worker.Worker`; those about the websocket are accepted and unused.
    Raises TokenError where no workspace is known.
    """

    def __init__(
        self, token: str, workspace_sid: str | None = None, *, page_size: int = PAGE_SIZE, **options: Any
    ) -> None:
        self.workspace_sid: str = workspace_sid or ""
        """Sid of the workspace."""
        self._token = check_token(token)
        if workspace_sid is not None:
            routes.string("workspace_sid", workspace_sid)
        if isinstance(page_size, bool) or not isinstance(page_size, int):
            raise TypeError(f"page_size should be a whole number, not {type(page_size).__name__}")
        if not 1 <= page_size <= PAGE_SIZE:
            raise ValueError(f"page_size should be between 1 and {PAGE_SIZE}, not {page_size}")
        checked = Options(**options)
        set_log_level(checked.log_level)
        self._page_size = page_size
        self._given_sid = workspace_sid
        self._read_token(token)
        # Imported here for the reason given in the module worker.
        from ._bridge.calls import Calls

        self._calls = Calls(checked.urls()[0], lambda: self._token, __version__, checked.request_timeout)

    def _read_token(self, token: str) -> None:
        """Take over what a token says; where it will not do, TokenError, and nothing changes."""
        try:
            claims = decode_unverified(token)
        except TokenError:
            if not self._given_sid:
                raise
            claims = {}
        grants = claims.get("grants")
        grant = grants.get("task_router") if isinstance(grants, dict) else None
        grant = grant if isinstance(grant, dict) else {}
        sid = self._given_sid or grant.get("workspace_sid")
        if not isinstance(sid, str) or not sid:
            raise TokenError("The token names no workspace; pass workspace_sid")
        self.workspace_sid = sid
        self.account_sid: str | None = claims.get("sub")
        """Sid of the account, from the token; None where it cannot be read."""
        self.worker_sid: str | None = grant.get("worker_sid")
        """Sid of the worker the token was made for; None where it names none."""
        self.role: str | None = grant.get("role")
        """The token's role; None where it cannot be read."""

    def __repr__(self) -> str:
        return f"<Workspace {self.workspace_sid}>"

    def update_token(self, token: str) -> None:
        """Use another token from now on. Where the workspace came from a token, it comes from the new one now.

        Raises TypeError or ValueError for what is no token, and TokenError where no workspace is known then; the old
        one stays in use.
        """
        check_token(token)
        self._read_token(token)
        self._token = token

    def fetch_worker_info(self, sid: str) -> Future[WorkerInfo]:
        """Read one worker; the Future resolves to it, and fails with NotFoundError where there is none."""
        return self._fetch(routes.GET_WORKER, WorkerInfo, wk=sid)

    def fetch_workers_info(
        self,
        *,
        friendly_name: str | None = None,
        activity_sid: str | None = None,
        activity_name: str | None = None,
        target_workers_expression: str | None = None,
        ordering: str | None = None,
        after_sid: str | None = None,
        max_workers: int | None = None,
    ) -> Future[Mapping[str, WorkerInfo]]:
        """Read all workers that match; the Future resolves to a mapping by sid, in server order.

        Names match exactly. ``target_workers_expression`` is an expression as in a queue's TargetWorkers.
        ``ordering`` is ``DateStatusChanged:asc`` or ``:desc``; None is the order of creation. ``after_sid`` leaves
        out that worker and those before. ``max_workers`` ends the reading; None reads all.
        """
        if max_workers is not None and routes.integer("max_workers", max_workers) < 1:
            raise ValueError(f"max_workers should be 1 or more, not {max_workers}")
        values = {
            "friendly_name": friendly_name,
            "activity_sid": activity_sid,
            "activity_name": activity_name,
            "target_workers_expression": target_workers_expression,
            "ordering": ordering,
            "after_sid": after_sid,
        }
        return self._list(routes.LIST_WORKERS, values, WorkerInfo, max_workers)

    def fetch_task_queue(self, sid: str) -> Future[TaskQueue]:
        """Read one task queue; the Future resolves to it, and fails with NotFoundError where there is none."""
        return self._fetch(routes.GET_TASK_QUEUE, TaskQueue, queue=sid)

    def fetch_task_queues(
        self,
        *,
        friendly_name: str | None = None,
        ordering: str | None = None,
        worker_sid: str | None = None,
        after_sid: str | None = None,
    ) -> Future[Mapping[str, TaskQueue]]:
        """Read all task queues that match; the Future resolves to a mapping by sid, in server order.

        ``worker_sid`` keeps those whose TargetWorkers match that worker; ``ordering`` is ``DateUpdated:asc`` or
        ``:desc``; the rest as in ``fetch_workers_info``.
        """
        values = {
            "friendly_name": friendly_name,
            "ordering": ordering,
            "worker_sid": worker_sid,
            "after_sid": after_sid,
        }
        return self._list(routes.LIST_TASK_QUEUES, values, TaskQueue, None)

    def fetch_task(self, sid: str) -> Future[TaskInfo]:
        """Read one task, as data; the Future resolves to it, and fails with NotFoundError where there is none."""
        return self._fetch(routes.GET_TASK, TaskInfo, task=sid)

    def fetch_worker(self, sid: str) -> Future[WorkerInfo]:
        """Deprecated name of ``fetch_worker_info``."""
        warnings.warn("fetch_worker is deprecated; use fetch_worker_info", DeprecationWarning, stacklevel=2)
        return self.fetch_worker_info(sid)

    def fetch_workers(self, **filters: Any) -> Future[Mapping[str, WorkerInfo]]:
        """Deprecated name of ``fetch_workers_info``."""
        warnings.warn("fetch_workers is deprecated; use fetch_workers_info", DeprecationWarning, stacklevel=2)
        return self.fetch_workers_info(**filters)

    def _fetch(self, route: Route, kind: type[ResourceT], **sids: str) -> Future[ResourceT]:
        return self._call(route, {}, lambda payload: kind(kind._schema.read(payload)), **sids)

    def _list(
        self, route: Route, values: Mapping[str, Any], kind: type[ResourceT], most: int | None
    ) -> Future[Mapping[str, ResourceT]]:
        params = {"PageSize": self._page_size, **route.encode({k: v for k, v in values.items() if v != ""})}
        from ._bridge.loading import list_pages

        pages = list_pages(
            lambda page: self._call(route, page, as_it_is),
            params,
            lambda records: most is not None and len(records) >= most,
        )
        result: Future[Mapping[str, ResourceT]] = Future()
        result.set_running_or_notify_cancel()

        def read(done: Future[list[Any]]) -> None:
            try:
                records = [kind._schema.read(payload) for payload in done.result()[:most]]
                sid = kind._schema.index["sid"]
                result.set_result({record[sid]: kind(record) for record in records})
            except InvalidMessageError as error:
                invalid = InvalidAnswerError(f"TaskRouter's answer is unusable. {error.message}", status=200)
                invalid.__cause__ = error
                result.set_exception(invalid)
            except Exception as error:
                result.set_exception(error)

        pages.add_done_callback(read)
        return result

    def _call(self, route: Route, params: dict[str, Any], then: Callable[[Any], T], **sids: str) -> Future[T]:
        return self._calls.call(Request(route, {"ws": self.workspace_sid, **sids}, params, then))
