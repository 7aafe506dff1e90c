"""The Supervisor client: a Worker that can also supervise others."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from . import _checks
from ._bridge import routes
from ._bridge.request import NOTHING
from ._bridge.routes import Route
from .worker import Worker
from .worker_info import WorkerInfo

__all__ = ["Supervisor"]


class Supervisor(Worker):
    """A Worker whose token has the role ``supervisor``, with additional calls about other workers.

    With another role the Futures of these calls fail with AuthorizationError. They never send a version, since only
    the supervisor's own version is known here.
    """

    __slots__ = ()

    def monitor(
        self, task_sid: str, reservation_sid: str, extra_params: Mapping[str, Any] | None = None
    ) -> Future[None]:
        """Listen to the conference of another worker's reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            reservation_sid: Sid of the reservation.
            extra_params: Further parameters under their wire names; they cannot replace the instruction. None adds
                nothing.

        Returns:
            A Future that resolves to None.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            NotReadyError: The supervisor has not been ready yet.
            ClosedError: The supervisor was disconnected.
        """
        return self._supervise("monitor", task_sid, reservation_sid, extra_params)

    def whisper(
        self, task_sid: str, reservation_sid: str, extra_params: Mapping[str, Any] | None = None
    ) -> Future[None]:
        """Listen to the conference, and speak so that only the worker hears it.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            reservation_sid: Sid of the reservation.
            extra_params: Further parameters under their wire names; they cannot replace the instruction. None adds
                nothing.

        Returns:
            A Future that resolves to None.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            NotReadyError: The supervisor has not been ready yet.
            ClosedError: The supervisor was disconnected.
        """
        return self._supervise("whisper", task_sid, reservation_sid, extra_params)

    def barge(self, task_sid: str, reservation_sid: str, extra_params: Mapping[str, Any] | None = None) -> Future[None]:
        """Join the conference as a full participant.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            reservation_sid: Sid of the reservation.
            extra_params: Further parameters under their wire names; they cannot replace the instruction. None adds
                nothing.

        Returns:
            A Future that resolves to None.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            NotReadyError: The supervisor has not been ready yet.
            ClosedError: The supervisor was disconnected.
        """
        return self._supervise("barge", task_sid, reservation_sid, extra_params)

    def set_worker_attributes(self, worker_sid: str, attributes: Mapping[str, Any]) -> Future[WorkerInfo]:
        """Replace another worker's attributes.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            worker_sid: Sid of the worker.
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to that worker as it is then.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            NotReadyError: The supervisor has not been ready yet.
            ClosedError: The supervisor was disconnected.
        """
        return self._update_worker(worker_sid, routes.SET_ATTRIBUTES, attributes=attributes)

    def set_worker_activity(
        self, worker_sid: str, activity_sid: str, *, reject_pending_reservations: bool | None = None
    ) -> Future[WorkerInfo]:
        """Change another worker's activity.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            worker_sid: Sid of the worker.
            activity_sid: Sid of the activity.
            reject_pending_reservations: Reject their pending reservations in the same step; None leaves that to the
                service (it does not).

        Returns:
            A Future that resolves to that worker as it is then.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            NotReadyError: The supervisor has not been ready yet.
            ClosedError: The supervisor was disconnected.
        """
        return self._update_worker(
            worker_sid,
            routes.SET_ACTIVITY,
            activity_sid=activity_sid,
            reject_pending_reservations=reject_pending_reservations,
        )

    def _update_worker(self, worker_sid: str, route: Route, **values: Any) -> Future[WorkerInfo]:
        # No If-Match: the only known version is our own, not the other worker's.
        _checks.string("worker_sid", worker_sid)
        return self._state.call(
            route,
            values,
            lambda payload: WorkerInfo(WorkerInfo._schema.read(payload)),
            subjects=(worker_sid,),
            wk=worker_sid,
        )

    def _supervise(
        self, mode: str, task_sid: str, reservation_sid: str, extra_params: Mapping[str, Any] | None
    ) -> Future[None]:
        _checks.string("task_sid", task_sid)
        return self._state.call(
            routes.SUPERVISE,
            {"supervisor_sid": self.sid, "mode": mode},
            lambda payload: None,
            subjects=(task_sid,),
            extra=NOTHING if extra_params is None else _checks.json_object("extra_params", extra_params),
            task=task_sid,
            reservation=_checks.string("reservation_sid", reservation_sid),
        )
