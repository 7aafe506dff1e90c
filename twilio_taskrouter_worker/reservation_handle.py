"""One reservation, for use in another process: what ``reservation.handle()`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _checks
from .reservation_info import ReservationInfo
from .task_info import TaskInfo

if TYPE_CHECKING:
    from .worker_client import WorkerClient

__all__ = ["ReservationHandle"]


class ReservationHandle:
    """One reservation and its task, for use without a websocket: ``reservation.handle()``.

    It holds a :class:`WorkerClient` and two sids, and can be pickled as that can. The methods are those of the client.
    """

    def __init__(self, client: WorkerClient, reservation_sid: str, task_sid: str) -> None:
        self.client = client
        """The client that makes the calls."""
        self.reservation_sid = _checks.non_empty("reservation_sid", reservation_sid)
        """Sid of the reservation."""
        self.task_sid = _checks.non_empty("task_sid", task_sid)
        """Sid of its task."""

    def __repr__(self) -> str:
        return f"<ReservationHandle {self.reservation_sid} of task {self.task_sid}>"

    def accept(self) -> Future[ReservationInfo]:
        """Accept the reservation; returns a Future of the reservation as it is then."""
        return self.client.accept(self.reservation_sid)

    def reject(self, *, activity_sid: str | None = None) -> Future[ReservationInfo]:
        """Reject the reservation, and move the worker to ``activity_sid`` if given; returns a Future of it."""
        return self.client.reject(self.reservation_sid, activity_sid=activity_sid)

    def wrap(self) -> Future[ReservationInfo]:
        """Start wrapping up the reservation; returns a Future of the reservation as it is then."""
        return self.client.wrap(self.reservation_sid)

    def complete(self, reason: str = "completed") -> Future[TaskInfo]:
        """Complete the task; ``reason`` is text of yours. Returns a Future of the task as it is then."""
        return self.client.complete(self.task_sid, reason)

    def complete_reservation(self) -> Future[ReservationInfo]:
        """Complete the reservation, and with the task's last one the task; returns a Future of the reservation."""
        return self.client.complete_reservation(self.reservation_sid)

    def wrap_up(self, *, reason: str | None = None) -> Future[TaskInfo]:
        """Start wrapping up the task; None as ``reason`` sends none. Returns a Future of the task as it is then."""
        return self.client.wrap_up(self.task_sid, reason=reason)

    def set_attributes(self, attributes: Mapping[str, Any]) -> Future[TaskInfo]:
        """Replace all attributes of the task; returns a Future of the task as it is then."""
        return self.client.set_task_attributes(self.task_sid, attributes)

    def transfer(
        self,
        to: str,
        *,
        mode: str | None = None,
        priority: int | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[str]:
        """Start a transfer of the task; arguments and result as for ``WorkerClient.transfer``."""
        return self.client.transfer(
            self.reservation_sid, self.task_sid, to, mode=mode, priority=priority, attributes=attributes
        )

    def fetch(self) -> Future[ReservationInfo]:
        """Read the reservation; returns a Future of it."""
        return self.client.fetch_reservation(self.reservation_sid)

    def fetch_task(self) -> Future[TaskInfo]:
        """Read the task; returns a Future of it."""
        return self.client.fetch_task(self.task_sid)
