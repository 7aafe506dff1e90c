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

    It holds a :class:`WorkerClient`, two sids and a snapshot, and can be pickled as the client can. The methods are
    those of the client.
    """

    def __init__(self, client: WorkerClient, reservation_sid: str, task_sid: str) -> None:
        self.client = client
        """The client that makes the calls."""
        self.reservation_sid: str = _checks.non_empty("reservation_sid", reservation_sid)
        """Sid of the reservation."""
        self.task_sid: str = _checks.non_empty("task_sid", task_sid)
        """Sid of its task."""
        self.snapshot: Mapping[str, Any] = {}
        """The reservation's ``to_dict()`` at the time of ``handle()``, its task included; empty for a handle that was
        made from sids, or in a forked child."""

    def __repr__(self) -> str:
        return f"<ReservationHandle {self.reservation_sid} of task {self.task_sid}>"

    def accept(self) -> Future[ReservationInfo]:
        """Accept the reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self.client.accept(self.reservation_sid)

    def reject(self, *, activity_sid: str | None = None) -> Future[ReservationInfo]:
        """Reject the reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            activity_sid: Activity that the worker moves to; None keeps its activity.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TypeError: The activity's sid is not a string.
        """
        return self.client.reject(self.reservation_sid, activity_sid=activity_sid)

    def wrap(self) -> Future[ReservationInfo]:
        """Start wrapping up the reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self.client.wrap(self.reservation_sid)

    def complete(self, reason: str = "completed") -> Future[TaskInfo]:
        """Complete the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reason: Free text.

        Returns:
            A Future that resolves to the updated task.

        Raises:
            TypeError: The reason is not a string.
        """
        return self.client.complete(self.task_sid, reason)

    def complete_reservation(self) -> Future[ReservationInfo]:
        """Complete the reservation; if it is the task's last one, this also completes the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self.client.complete_reservation(self.reservation_sid)

    def wrap_up(self, *, reason: str | None = None) -> Future[TaskInfo]:
        """Start wrapping up the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reason: Free text; None sends no reason.

        Returns:
            A Future that resolves to the updated task.

        Raises:
            TypeError: The reason is not a string.
        """
        return self.client.wrap_up(self.task_sid, reason=reason)

    def set_attributes(self, attributes: Mapping[str, Any]) -> Future[TaskInfo]:
        """Replace all attributes of the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to the updated task.

        Raises:
            TypeError, ValueError: The attributes are not JSON-serializable.
        """
        return self.client.set_task_attributes(self.task_sid, attributes)

    def transfer(
        self,
        to: str,
        *,
        mode: str | None = None,
        priority: int | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[str]:
        """Start a transfer of the task to a worker or queue.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            to: Sid of the worker or queue.
            mode: ``WARM`` (stay on the task) or ``COLD`` (start wrapping up); None leaves it to the service (WARM).
            priority: New priority of the task; None keeps it.
            attributes: New attributes of the task; None keeps them.

        Returns:
            A Future that resolves to the transfer's sid.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument has the wrong value.
        """
        return self.client.transfer(
            self.reservation_sid, self.task_sid, to, mode=mode, priority=priority, attributes=attributes
        )

    def fetch(self) -> Future[ReservationInfo]:
        """Read the reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the reservation.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self.client.fetch_reservation(self.reservation_sid)

    def fetch_task(self) -> Future[TaskInfo]:
        """Read the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the task.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self.client.fetch_task(self.task_sid)
