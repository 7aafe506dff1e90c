"""Calls of a worker without a websocket: for web views, other processes and other machines.

A client and its handles name each other, so both are in this module: a handle is the client with the sids of one
reservation and its task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from . import _checks
from ._bridge import routes
from ._bridge.request import NOTHING, as_it_is
from ._bridge.routes import Route
from ._bridge.schema import Resource
from ._worker_requests import WorkerRequests
from .activity import Activity, check_activity
from .reservation_info import ReservationInfo
from .task_info import TaskInfo
from .transfer import Transfer
from .worker_info import WorkerInfo

__all__ = ["ReservationHandle", "WorkerClient"]

ResourceT = TypeVar("ResourceT", bound=Resource)


class WorkerClient(WorkerRequests):
    """Calls of one worker, without a connection: ``set_attributes``, ``set_activity``, ``accept``, ``complete`` etc.

    It is small, has no events and keeps no state of worker, tasks or reservations. Make one from a token, or take
    ``worker.client()``. It may be used on any thread and after a fork, and it can be pickled for a task queue or a
    process pool; see below.

    Each method checks its arguments and returns a Future at once, whose callbacks run on a shared pool thread. The
    Future fails with a RequestError if TaskRouter refuses the request or does not answer, and with TokenError if there
    is no valid token. Requests run on threads shared by all clients of the process, which start with the first call
    and end some seconds after the last one. They are daemon threads, so a program must wait for its Futures before it
    exits.

    **Order.** Changes by one client reach TaskRouter in the order of the calls, each after the answer to the one
    before. Reads do not wait.

    **Pickling.** The pickle contains the sids, addresses and names of activities, and the ``token_provider`` if it can
    be pickled, i.e. if it is a function of a module; then the token is left out. Otherwise it contains the current
    token: treat the bytes as a secret, and use the client before the token expires.

    Args:
        token: The access token; None asks ``token_provider`` at the first call.
        worker_sid: Sid of the worker; None takes the token's.
        workspace_sid: Sid of the workspace; None takes the token's.
        token_provider: Function without arguments that returns a token; called on a shared thread at the first call
            without a token, and at the first call in the last minute of a token's life.
        region: As for :class:`~twilio_taskrouter_worker.Worker`, as are all that follow.
        edge: Withdrawn by Twilio.
        eb_server: Address for HTTP in place of Twilio's.
        ws_server: Accepted so that the options of a Worker fit; only the address for HTTP that follows from it is used.
        request_timeout: Seconds for each call as a whole, retries included.
        activities: Sids of activities by name, for ``set_activity``; ``worker.client()`` fills them in.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is invalid, or there is neither a token nor a provider.
        TokenError: A sid is not given and the token does not name it.
    """

    # -- the worker --------------------------------------------------------------------------------------------------

    def set_attributes(self, attributes: Mapping[str, Any]) -> Future[WorkerInfo]:
        """Replace all attributes of the worker.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to the worker as it is then.

        Raises:
            TypeError, ValueError: The attributes are not JSON-serializable.
        """
        return self._change(routes.SET_ATTRIBUTES, {"attributes": attributes}, WorkerInfo)

    def set_activity(
        self, activity: str | Activity, *, reject_pending_reservations: bool | None = None
    ) -> Future[WorkerInfo]:
        """Change the worker's activity.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            activity: Its sid, an Activity, or its name if the client knows it: a client from ``worker.client()``, or
                one that has called ``fetch_activities()``, knows all names.
            reject_pending_reservations: Reject all pending reservations in the same step; None leaves that to the
                service (it does not).

        Returns:
            A Future that resolves to the updated worker. It fails with a RequestRejectedError if the activity does not
            exist.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The activity is empty.
        """
        check_activity("activity", activity)
        wanted = activity.sid if isinstance(activity, Activity) else activity
        values = {
            # An unknown name may be a sid; the service decides.
            "activity_sid": self._activities.get(wanted, wanted),
            "reject_pending_reservations": reject_pending_reservations,
        }
        return self._change(routes.SET_ACTIVITY, values, WorkerInfo)

    def fetch(self) -> Future[WorkerInfo]:
        """Read the worker.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to the worker.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        return self._call(routes.GET_WORKER, {}, _reader(WorkerInfo))

    def fetch_activities(self) -> Future[Mapping[str, str]]:
        """Read the activities of the workspace; ``set_activity`` accepts their names from then on.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to their sids by name, in server order.

        Raises:
            TaskRouterError: The system has no thread for the request; nothing was sent.
        """
        from ._bridge.loading import list_pages

        def read(payloads: list[Any]) -> Mapping[str, str]:
            name, sid = (Activity._schema.index[field] for field in ("name", "sid"))
            records = [Activity._schema.read(payload) for payload in payloads]
            self._activities = {record[name]: record[sid] for record in records}
            return dict(self._activities)

        return list_pages(
            lambda page: self._call(routes.LIST_ACTIVITIES, {}, as_it_is, extra=page),
            {"PageSize": routes.PAGE_SIZE},
            then=read,
        )

    # -- reservations and tasks --------------------------------------------------------------------------------------

    def reservation(self, reservation_sid: str, task_sid: str) -> ReservationHandle:
        """Combine this client and two sids into one object, which can be sent to another process. Sends no request.

        Args:
            reservation_sid: Sid of the reservation.
            task_sid: Sid of its task.

        Returns:
            The handle.

        Raises:
            TypeError: A sid is not a string.
            ValueError: A sid is empty.
        """
        return ReservationHandle(self, reservation_sid, task_sid)

    def accept(self, reservation_sid: str) -> Future[ReservationInfo]:
        """Accept a reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_reservation(routes.ACCEPT, reservation_sid)

    def reject(self, reservation_sid: str, *, activity_sid: str | None = None) -> Future[ReservationInfo]:
        """Reject a reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation.
            activity_sid: Activity that the worker moves to, so that it is not offered the task again; None leaves the
                worker where it is.

        Returns:
            A Future that resolves to the reservation as it is then.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_reservation(routes.REJECT, reservation_sid, activity_sid=activity_sid)

    def wrap(self, reservation_sid: str) -> Future[ReservationInfo]:
        """Start wrapping up a reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_reservation(routes.WRAP, reservation_sid)

    def complete_reservation(self, reservation_sid: str) -> Future[ReservationInfo]:
        """Complete a reservation; if it is the task's last one, this also completes the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation.

        Returns:
            A Future that resolves to the updated reservation.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_reservation(routes.COMPLETE_RESERVATION, reservation_sid)

    def fetch_reservation(self, reservation_sid: str) -> Future[ReservationInfo]:
        """Read a reservation.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation.

        Returns:
            A Future that resolves to the reservation.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        sids = {"reservation": _checks.non_empty("reservation_sid", reservation_sid)}
        return self._call(routes.GET_RESERVATION, {}, _reader(ReservationInfo), sids)

    def complete(self, task_sid: str, reason: str = "completed") -> Future[TaskInfo]:
        """Complete a task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            reason: Free text.

        Returns:
            A Future that resolves to the task as it is then.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_task(routes.COMPLETE_TASK, task_sid, reason=reason)

    def wrap_up(self, task_sid: str, *, reason: str | None = None) -> Future[TaskInfo]:
        """Start wrapping up a task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            reason: Free text; None sends no reason.

        Returns:
            A Future that resolves to the updated task.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._update_task(routes.WRAP_UP, task_sid, reason=reason)

    def set_task_attributes(self, task_sid: str, attributes: Mapping[str, Any]) -> Future[TaskInfo]:
        """Replace all attributes of a task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to the updated task.

        Raises:
            TypeError, ValueError: The sid is empty, or the attributes are not JSON-serializable.
        """
        return self._update_task(routes.SET_TASK_ATTRIBUTES, task_sid, attributes=attributes)

    def fetch_task(self, task_sid: str) -> Future[TaskInfo]:
        """Read a task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            task_sid: Sid of the task.

        Returns:
            A Future that resolves to the task.

        Raises:
            TypeError: An argument is not a string.
            ValueError: A sid is empty.
        """
        return self._call(routes.GET_TASK, {}, _reader(TaskInfo), {"task": _checks.non_empty("task_sid", task_sid)})

    def transfer(
        self,
        reservation_sid: str,
        task_sid: str,
        to: str,
        *,
        mode: str | None = None,
        priority: int | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[str]:
        """Start a transfer to a worker or queue.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reservation_sid: Sid of the reservation that the worker holds.
            task_sid: Sid of its task.
            to: Sid of the worker or queue.
            mode: ``WARM`` (stay on the task) or ``COLD`` (start wrapping up); None leaves it to the service (WARM).
            priority: New priority of the task; None keeps it.
            attributes: New attributes of the task; None keeps them.

        Returns:
            A Future that resolves to the transfer's sid.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A sid is empty, or another argument has the wrong value.
        """
        values = {
            "reservation_sid": _checks.non_empty("reservation_sid", reservation_sid),
            "task_sid": _checks.non_empty("task_sid", task_sid),
            "to": to,
            "mode": mode,
            "priority": priority,
            "attributes": attributes,
        }
        sid = Transfer._schema.index["sid"]
        return self._call(
            routes.CREATE_TRANSFER,
            values,
            lambda payload: str(Transfer._schema.read(payload)[sid]),
            subjects=(self.worker_sid,),
        )

    # -- requests ----------------------------------------------------------------------------------------------------

    def _update_reservation(self, route: Route, reservation_sid: str, **values: Any) -> Future[ReservationInfo]:
        sids = {"reservation": _checks.non_empty("reservation_sid", reservation_sid)}
        return self._change(route, values, ReservationInfo, sids)

    def _update_task(self, route: Route, task_sid: str, **values: Any) -> Future[TaskInfo]:
        return self._change(route, values, TaskInfo, {"task": _checks.non_empty("task_sid", task_sid)})

    def _change(
        self, route: Route, values: Mapping[str, Any], kind: type[ResourceT], sids: Mapping[str, str] = NOTHING
    ) -> Future[ResourceT]:
        # One line for all changes, since a reservation's task is not known here.
        return self._call(route, values, _reader(kind), sids, subjects=(self.worker_sid,))


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


def _reader(kind: type[ResourceT]) -> Callable[[Any], ResourceT]:
    return lambda payload: kind(kind._schema.read(payload))
