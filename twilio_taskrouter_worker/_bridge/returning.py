"""Taking a worker back from the activity to which the service moves it when a reservation has timed out."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .._log import EVENTS, about
from ..errors import TaskRouterError
from .threads import TIMERS

if TYPE_CHECKING:
    from ..activity import Activity
    from ..worker_info import WorkerFields
    from .mirror import Mirror
    from .work import Work

__all__ = ["Return"]


class Return:
    """Listens to ``activity_updated``: after a timeout has made the worker unavailable, it sets the activity again.

    Args:
        state: The worker's state.
        work: Its jobs.
        activity: The activity to set: name, sid or Activity.
        lead: Seconds after the change of activity by which the timeout is announced at the latest.
    """

    def __init__(self, state: Mirror, work: Work, activity: str | Activity, lead: float) -> None:
        self._lead = lead
        self._state = state
        self._work = work
        self._activity = activity
        # By sid: the timeouts that have moved the worker already. Guarded by the lock, as each counts once.
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def check(self, worker: WorkerFields) -> None:
        """Check at the first ``ready`` that the activity exists; on the dispatch thread.

        Args:
            worker: The worker.

        Raises:
            ValueError: It does not exist.
        """
        self._state.find_activity("return_to_activity", self._activity)

    def __call__(self, worker: WorkerFields) -> None:
        # The service may report the timeout before or after the change of activity.
        if not worker.available and not self._back(worker):
            TIMERS.at(time.monotonic() + self._lead, lambda: self._back(worker))

    def _back(self, worker: WorkerFields) -> bool:
        """Set the activity if a reservation timed out recently; return False if none did."""
        # The dispatch thread and the timers' may both come here.
        with self._lock:
            # A copy, as the dispatch thread changes it.
            ended = dict(self._state.ended)
            timed_out = {sid for sid, status in ended.items() if status == "timeout"} - self._seen
            if not timed_out:
                return False
            # What the mirror has forgotten cannot come again, so the set stays small.
            self._seen = self._seen & ended.keys() | timed_out
        if not worker.available and not self._work.stopping.is_set():
            try:
                activity = self._state.find_activity("activity", self._activity)
                activity.set_as_current().add_done_callback(self._moved)
            except (TaskRouterError, ValueError) as error:
                self._failed(error)
        return True

    def _moved(self, done: Future[Any]) -> None:
        if (error := done.exception()) is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        EVENTS.error(
            "Worker %s: could not return to %r after a reservation timed out: %s",
            self._state.worker_sid, self._activity, error,
            extra=about(worker=self._state.worker_sid, event="activity_updated"),
        )  # fmt: skip
