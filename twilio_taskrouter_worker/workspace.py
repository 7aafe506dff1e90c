"""The Workspace client: looking things up, without a websocket."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from . import _checks
from ._bridge import routes
from ._bridge.request import Request, as_it_is
from ._bridge.routes import PAGE_SIZE, Route
from ._bridge.schema import Resource
from ._token_source import TokenSource
from ._version import __version__
from .activity import Activity
from .directory import Named
from .errors import TokenError
from .observer import Observer
from .options import LogLevel, Options, set_log_level
from .single import Single
from .task_info import TaskInfo
from .task_queue import TaskQueue
from .tokens import check_first_token, decode_unverified, task_router_grant
from .worker_info import WorkerInfo

__all__ = ["Workspace"]

ResourceT = TypeVar("ResourceT", bound=Resource)
ListedT = TypeVar("ListedT", TaskQueue, WorkerInfo)
T = TypeVar("T")


class Workspace:
    """Workers, queues and tasks of a workspace, read with an admin's or a supervisor's token.

    It has no websocket, no events and no threads of its own. All methods may be called on any thread. Each returns a
    Future at once and reads all pages; the result is a new object each time. Callbacks of the Futures run on a shared
    pool thread. A Future fails with a RequestError if the service refuses the request or does not answer.

    Args:
        token: The access token. Without ``workspace_sid`` it is read for the workspace, which an encrypted token does
            not allow. None asks ``token_provider`` at the first request, and needs ``workspace_sid``.
        workspace_sid: The workspace; None takes the token's.
        page_size: Records requested at a time, 1 to 1000.
        log_level: As for :class:`~twilio_taskrouter_worker.Worker`, as are all that follow.
        region: Twilio region, part of the host name.
        edge: Withdrawn by Twilio.
        eb_server: Address for HTTP in place of Twilio's.
        ws_server: Address of the websocket; only the HTTP address that follows from it is used.
        request_timeout: Seconds for each request as a whole, retries included.
        token_provider: Function without arguments that returns a token; called on a shared thread at the first request
            without a token, and at the first request in the last minute of a token's life.
        connect_activity: Unused, as are all that follow: they concern the websocket, and are accepted so that one
            set of options serves all clients.
        connect_activity_sid: Unused.
        close_existing_sessions: Unused.
        set_worker_offline_if_disconnected: Unused.
        enable_version_check: Unused.
        return_to_activity: Unused.
        report_unawaited: Unused; a failed call that was never checked is logged as a WARNING only.
        single: Unused.
        observer: Unused.

    Raises:
        TokenError: No workspace is known.
        TypeError: An argument has the wrong type, or there is neither a token nor a token_provider.
        ValueError: An argument is invalid.
    """

    def __init__(
        self,
        token: str | None = None,
        workspace_sid: str | None = None,
        *,
        page_size: int = PAGE_SIZE,
        log_level: LogLevel | None = None,
        region: str | None = None,
        edge: str | None = None,
        eb_server: str | None = None,
        ws_server: str | None = None,
        request_timeout: float = 15.0,
        token_provider: Callable[[], str] | None = None,
        connect_activity: str | Activity | None = None,
        connect_activity_sid: str = "",
        close_existing_sessions: bool = False,
        set_worker_offline_if_disconnected: bool | None = None,
        enable_version_check: bool = False,
        return_to_activity: str | Activity | None = None,
        report_unawaited: bool = False,
        single: str | os.PathLike[str] | Single | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.workspace_sid: str = workspace_sid or ""
        """Sid of the workspace."""
        check_first_token(token, token_provider)
        if workspace_sid is not None:
            _checks.string("workspace_sid", workspace_sid)
        _checks.between(1, PAGE_SIZE)("page_size", page_size)
        checked = Options(
            connect_activity=connect_activity,
            connect_activity_sid=connect_activity_sid,
            close_existing_sessions=close_existing_sessions,
            set_worker_offline_if_disconnected=set_worker_offline_if_disconnected,
            enable_version_check=enable_version_check,
            log_level=log_level,
            region=region,
            edge=edge,
            eb_server=eb_server,
            ws_server=ws_server,
            return_to_activity=return_to_activity,
            token_provider=token_provider,
            request_timeout=request_timeout,
            report_unawaited=report_unawaited,
            single=single,
            observer=observer,
        )
        set_log_level(checked.log_level)
        self._page_size = page_size
        self._given_sid = workspace_sid
        self._read_token(token)
        # Imported here for the reason given in the module worker.
        from ._bridge.calls import Calls

        # Without sids: this client may move to another workspace with its token.
        self._tokens = TokenSource(token, token_provider)
        self._calls = Calls(checked.urls(token)[0], self._tokens.current, __version__, checked.request_timeout)

    def _read_token(self, token: str | None) -> None:
        """Store the claims of a token; on TokenError nothing has changed."""
        claims: dict[str, Any] = {}
        try:
            if token is not None:
                claims = decode_unverified(token)
        except TokenError as error:
            if not self._given_sid:
                raise TokenError(f"{error}; in the second case pass the workspace sid") from error
        grant = task_router_grant(claims)
        sid = self._given_sid or grant.get("workspace_sid")
        if not isinstance(sid, str) or not sid:
            what = (
                "Without a token the workspace is not known" if token is None else "The token does not name a workspace"
            )
            raise TokenError(f"{what}; pass workspace_sid")
        # The first change: all that can raise is above.
        self.workspace_sid = sid
        self.account_sid: str | None = claims.get("sub")
        """Sid of the account, from the token that was passed; None where it cannot be read."""
        self.worker_sid: str | None = grant.get("worker_sid")
        """Sid of the worker the token was made for; None where it names none."""
        self.role: str | None = grant.get("role")
        """The token's role; None where it cannot be read."""

    def __repr__(self) -> str:
        return f"<Workspace {self.workspace_sid}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "Workspace cannot be pickled or copied, as it has a lock and a token of this process; make another one "
            "there, from a token or a token_provider"
        )

    def update_token(self, token: str) -> None:
        """Use another token from now on; if the workspace was read from a token, it is read again from this one.

        Does not block. When this raises, the token in use is kept.

        Args:
            token: The new token.

        Raises:
            TypeError: It is not a string.
            ValueError: It does not have the form of a token.
            TokenError: It does not name a workspace, and none was passed.
            TokenExpiredError: It has certainly expired.
        """
        self._tokens.checked(token)
        self._read_token(token)
        self._tokens.replace(token)

    def fetch_worker_info(self, sid: str) -> Future[WorkerInfo]:
        """Read one worker.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            sid: Sid of the worker.

        Returns:
            A Future that resolves to the worker. It fails with NotFoundError if it does not exist.

        Raises:
            TypeError: The sid is not a string.
            ValueError: The sid is empty.
        """
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
    ) -> Future[Named[WorkerInfo]]:
        """Read all workers that match; names match exactly, and None leaves a filter out.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            friendly_name: Name of the worker.
            activity_sid: Sid of the activity.
            activity_name: Name of the activity.
            target_workers_expression: An expression as in a queue's TargetWorkers.
            ordering: ``DateStatusChanged:asc`` or ``:desc``; None is the order of creation.
            after_sid: Leaves out that worker and those before.
            max_workers: Number of workers after which reading ends; None reads all.

        Returns:
            A Future that resolves to a mapping by sid or name, in server order.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
        """
        # Checked here, not by the route: it is not sent, but ends the paging.
        if max_workers is not None and _checks.integer("max_workers", max_workers) < 1:
            raise ValueError(f"max_workers must be 1 or more, not {max_workers}")
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
        """Read one task queue.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            sid: Sid of the queue.

        Returns:
            A Future that resolves to the queue. It fails with NotFoundError if it does not exist.

        Raises:
            TypeError: The sid is not a string.
            ValueError: The sid is empty.
        """
        return self._fetch(routes.GET_TASK_QUEUE, TaskQueue, queue=sid)

    def fetch_task_queues(
        self,
        *,
        friendly_name: str | None = None,
        ordering: str | None = None,
        worker_sid: str | None = None,
        after_sid: str | None = None,
    ) -> Future[Named[TaskQueue]]:
        """Read all task queues that match; names match exactly, and None leaves a filter out.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            friendly_name: Name of the queue.
            ordering: ``DateUpdated:asc`` or ``:desc``; None is the order of creation.
            worker_sid: Keeps the queues whose TargetWorkers match that worker.
            after_sid: Leaves out that queue and those before.

        Returns:
            A Future that resolves to a mapping by sid or name, in server order.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
        """
        values = {
            "friendly_name": friendly_name,
            "ordering": ordering,
            "worker_sid": worker_sid,
            "after_sid": after_sid,
        }
        return self._list(routes.LIST_TASK_QUEUES, values, TaskQueue, None)

    def fetch_task(self, sid: str) -> Future[TaskInfo]:
        """Read one task, as data.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            sid: Sid of the task.

        Returns:
            A Future that resolves to the task. It fails with NotFoundError if it does not exist.

        Raises:
            TypeError: The sid is not a string.
            ValueError: The sid is empty.
        """
        return self._fetch(routes.GET_TASK, TaskInfo, task=sid)

    # The two deprecated names of the JS SDK.
    def fetch_worker(self, sid: str) -> Future[WorkerInfo]:
        """Deprecated name of ``fetch_worker_info``; does not block either.

        Args:
            sid: Sid of the worker.

        Returns:
            As ``fetch_worker_info``.

        Raises:
            TypeError: The sid is not a string.
            ValueError: The sid is empty.
        """
        warnings.warn("fetch_worker is deprecated; use fetch_worker_info", DeprecationWarning, stacklevel=2)
        return self.fetch_worker_info(sid)

    def fetch_workers(self, **filters: Any) -> Future[Named[WorkerInfo]]:
        """Deprecated name of ``fetch_workers_info``; does not block either.

        Args:
            **filters: As for ``fetch_workers_info``.

        Returns:
            As ``fetch_workers_info``.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
        """
        warnings.warn("fetch_workers is deprecated; use fetch_workers_info", DeprecationWarning, stacklevel=2)
        return self.fetch_workers_info(**filters)

    def _fetch(self, route: Route, kind: type[ResourceT], **sids: str) -> Future[ResourceT]:
        return self._call(route, {}, lambda payload: kind(kind._schema.read(payload)), **sids)

    def _list(
        self, route: Route, values: Mapping[str, Any], kind: type[ListedT], most: int | None
    ) -> Future[Named[ListedT]]:
        # Empty filters are left out, as in the JS SDK.
        params = {"PageSize": self._page_size, **route.encode({k: v for k, v in values.items() if v != ""})}
        from ._bridge.loading import list_pages

        def read(payloads: list[Any]) -> Named[ListedT]:
            # The last page may have brought more than was asked for.
            records = [kind._schema.read(payload) for payload in payloads[:most]]
            sid = kind._schema.index["sid"]
            return Named({record[sid]: kind(record) for record in records})

        return list_pages(
            lambda page: self._call(route, page, as_it_is),
            params,
            lambda records: most is not None and len(records) >= most,
            read,
        )

    def _call(self, route: Route, params: dict[str, Any], then: Callable[[Any], T], **sids: str) -> Future[T]:
        # Without subjects: reads wait for no other call.
        return self._calls.call(Request(route, {"ws": self.workspace_sid, **sids}, params, then))
