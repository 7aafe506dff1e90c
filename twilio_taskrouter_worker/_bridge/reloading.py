"""The requests of a reload, whose outcome is passed to the session.

Every outcome carries the generation of the connection it was requested for, so that the session can ignore it after a
further loss of connection. Nothing here blocks: results arrive in callbacks of Futures, on pool threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..errors import ClosedError, InitializationError, NotFoundError, TaskRouterError
from .actions import Action, LookUp, ReadLists, SetActivity
from .failures import activity_failure, activity_sid, is_final, load_failure
from .loading import Loader, as_task_router_error
from .request import Caller
from .session import Session

__all__ = ["ReloadRequests"]


class ReloadRequests:
    """Runs the requests for which the session asks between ``init`` and ``ready``.

    Args:
        session: The session.
        caller: Sends requests.
        tell: Passes an event to the session, with its lock held, and runs the actions it returns.
        with_age: Adds the token's age to the error of a refused token.
    """

    def __init__(
        self,
        session: Session,
        caller: Caller,
        tell: Callable[[Callable[[float], list[Action]]], None],
        with_age: Callable[[TaskRouterError], TaskRouterError],
    ) -> None:
        self._session = session
        self._caller = caller
        self._tell = tell
        self._with_age = with_age

    def read_lists(self, action: ReadLists) -> None:
        """Read the worker and its lists; does not block, the outcome is reported on a pool thread.

        Args:
            action: The request of the session.
        """

        def fail(error: BaseException) -> None:
            cause = as_task_router_error(error)
            failure = load_failure(action.init.worker_sid, cause)
            self.failed(action.generation, failure, cause, final=isinstance(cause, NotFoundError))

        self._after(
            Loader(self._caller, action.init).read_lists(),
            lambda snapshot: self._session.lists_read(action.generation, snapshot),
            fail,
        )

    def set_activity(self, action: SetActivity) -> None:
        """Set the activity chosen for connecting; does not block, the outcome is reported on a pool thread.

        Args:
            action: The request of the session.
        """
        activities = action.snapshot.activities

        def fail(error: BaseException) -> None:
            cause = as_task_router_error(error)
            if not isinstance(cause, ClosedError):
                failure = self._with_age(activity_failure(cause, activities, insists=action.insists))
                final = is_final(cause)
                self._tell(lambda now: self._session.activity_failed(action.generation, failure, final, now))

        try:
            # A name is resolved among the activities just read: the mirror does not have them before the take-over.
            sid = activity_sid(action.activity, activities) if action.insists else action.activity
        except InitializationError as error:
            fail(error)
            return
        self._after(
            Loader(self._caller, action.init).set_activity(sid),
            lambda worker: self._session.activity_set(action.generation, worker),
            fail,
        )

    def look_up(self, action: LookUp) -> None:
        """Look reservations up; does not block, the outcome is reported on a pool thread.

        Args:
            action: The request of the session.
        """

        def done(future: Future[Any]) -> None:
            # The Future of a look-up never fails, so this does not raise.
            found, error = future.result()
            if isinstance(error, ClosedError):
                return
            # The first failure is reported together with the results found: those that are final are kept for the
            # retry.
            failure = None if error is None else self._with_age(load_failure(action.init.worker_sid, error))
            self._tell(lambda now: self._session.looked_up(action.generation, found, failure, now))

        Loader(self._caller, action.init).look_up(action.sids).add_done_callback(done)

    def _after(
        self, future: Future[Any], then: Callable[[Any], list[Action]], fail: Callable[[BaseException], None]
    ) -> None:
        """Give the session the result; *then* runs with the lock held."""

        def done(_: Future[Any]) -> None:
            # Runs on a pool thread, or on the current one if the Future is done already; the connection's lock is not
            # held.
            error = future.exception()
            if error is None:
                self._tell(lambda now: then(future.result()))
            else:
                fail(error)

        future.add_done_callback(done)

    def failed(self, generation: int, failure: TaskRouterError, cause: TaskRouterError, *, final: bool) -> None:
        """Report a failed step to the session, on any thread.

        Args:
            generation: Connection to which the step belongs.
            failure: The public error.
            cause: The error from which it was made; ClosedError is not reported.
            final: Whether a retry is useless.
        """
        # ClosedError: the worker is being disconnected, so the lists are not needed.
        if not isinstance(cause, ClosedError):
            failure = self._with_age(failure)
            self._tell(lambda now: self._session.load_failed(generation, failure, final, now))
