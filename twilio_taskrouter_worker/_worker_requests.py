"""The requests of a worker without a websocket: from any thread and process, in order, and portable by pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from . import _checks
from ._bridge.request import NOTHING, Request
from ._bridge.routes import Route
from ._token_source import TokenSource
from ._version import __version__
from .errors import TokenError
from .options import Options
from .tokens import check_token, decode_unverified, task_router_grant

if TYPE_CHECKING:
    from ._bridge.calls import Calls

__all__ = ["WorkerRequests"]

T = TypeVar("T")


class WorkerRequests:
    """Base of WorkerClient that has the token and sends the requests; see there for the arguments.

    **Invariant.** All requests of one client in one process go through one ``Calls``, which keeps their order. Neither
    it nor anything else that belongs to a process is pickled, or used after a fork.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        worker_sid: str | None = None,
        workspace_sid: str | None = None,
        token_provider: Callable[[], str] | None = None,
        region: str | None = None,
        edge: str | None = None,
        eb_server: str | None = None,
        ws_server: str | None = None,
        request_timeout: float = 15.0,
        activities: Mapping[str, str] | None = None,
    ) -> None:
        options = Options(
            region=region,
            edge=edge,
            eb_server=eb_server,
            ws_server=ws_server,
            token_provider=token_provider,
            request_timeout=request_timeout,
        )
        if token is None and token_provider is None:
            raise ValueError("A WorkerClient needs a token or a token_provider")
        # A provider is not asked here, which may block; then both sids have to be given.
        grant = {} if token is None else _grant(check_token(token))
        self.worker_sid: str = _known("worker_sid", worker_sid, grant)
        """Sid of the worker."""
        self.workspace_sid: str = _known("workspace_sid", workspace_sid, grant)
        """Sid of the workspace."""
        self._tokens = TokenSource(token, token_provider, self.workspace_sid, self.worker_sid)
        self._url = options.urls(token)[0]
        self._timeout = options.request_timeout
        self._activities = dict(activities or {})
        # By process: a fork takes no thread and no connection along.
        self._callers: dict[int, Calls] = {}

    def __repr__(self) -> str:
        return f"<WorkerClient {self.worker_sid}>"

    def __getstate__(self) -> dict[str, Any]:
        # Threads and connections stay in this process.
        return {**self.__dict__, "_callers": {}}

    def update_token(self, token: str) -> None:
        """Use another token from the next request on.

        Args:
            token: The new token.

        Raises:
            TypeError: It is not a string.
            ValueError: It does not have the form of a token.
            TokenError: It is for another workspace or worker; the token in use is kept.
            TokenExpiredError: It has certainly expired; the token in use is kept.
        """
        self._tokens.replace(token)

    def _call(
        self,
        route: Route,
        values: Mapping[str, Any],
        then: Callable[[Any], T],
        sids: Mapping[str, str] = NOTHING,
        *,
        subjects: tuple[str, ...] = (),
        extra: Mapping[str, Any] = NOTHING,
    ) -> Future[T]:
        params = {**extra, **route.encode(values)}
        path = {"ws": self.workspace_sid, "wk": self.worker_sid, **sids}
        return self._caller().call(Request(route, path, params, then, subjects))

    def _caller(self) -> Calls:
        """Return the caller of this process, created at its first call."""
        caller = self._callers.get(os.getpid())
        if caller is None:
            # Imported here for the reason given in the module worker.
            from ._bridge.calls import Calls

            # setdefault, as another thread may do the same: calls of two callers would have no order.
            caller = self._callers.setdefault(
                os.getpid(), Calls(self._url, self._tokens.current, __version__, self._timeout)
            )
        return caller


def _grant(token: str) -> dict[str, Any]:
    try:
        return task_router_grant(decode_unverified(token))
    except TokenError:
        return {}


def _known(name: str, given: str | None, grant: Mapping[str, Any]) -> str:
    if given is not None:
        return _checks.non_empty(name, given)
    sid = grant.get(name)
    if not isinstance(sid, str) or not sid:
        raise TokenError(f"The token does not name the {name.removesuffix('_sid')}; pass {name}")
    return sid
