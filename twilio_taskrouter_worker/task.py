"""Tasks, as a worker that holds a reservation for them sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from ._bridge import routes
from ._bridge.owner import Owner
from ._bridge.routes import Route
from ._bridge.schema import Record
from ._bridge.tracking import Track
from ._listening import TaskEmitter
from .events import Listener, Waits
from .task_info import TaskFields
from .transfer import OutgoingTransfer, Transfer, Transfers

__all__ = ["Task"]


class Task(TaskFields, TaskEmitter["Task", OutgoingTransfer]):
    """The task of a reservation.

    Events: ``updated``, ``canceled``, ``completed``, ``wrapup`` (callbacks get the task), and ``transfer_initiated``,
    ``transfer_attempt_failed``, ``transfer_completed``, ``transfer_failed``, ``transfer_canceled`` (callbacks get the
    outgoing transfer); all run on the worker's dispatch thread. They fire while the reservation is open, and for 5
    seconds after. The object and its listeners stay across reconnects.

    Every method may be called on any thread, also in a callback. Each returns a Future at once, which fails with a
    RequestError if the service refuses the request or does not answer, and with ClosedError if the worker is
    disconnected meanwhile. Invalid arguments raise TypeError or ValueError at the call.
    """

    __slots__ = (
        "_held",
        "_listeners",
        "_replaced",
        "_reservation_sid",
        "_starting",
        "_state",
        "_track",
        "_transfers",
    )

    def __init__(self, state: Owner, reservation_sid: str, record: Record) -> None:
        super().__init__(record)
        self._state = state
        self._reservation_sid = reservation_sid
        self._transfers = Transfers()
        self._track = Track(self._schema, record)
        # Guarded by state.lock: outgoing transfers before the current one, by sid; events of them can still come.
        self._replaced: dict[str, OutgoingTransfer] = {}
        # Guarded by state.lock: calls of transfer() that have no answer yet, and events that wait for it.
        self._starting = 0
        self._held: list[Any] = []

    @property
    def reservation_sid(self) -> str:
        """Sid of the reservation through which this worker has the task."""
        return self._reservation_sid

    @property
    def transfers(self) -> Transfers:
        """Its transfers, from and to this worker."""
        return self._transfers

    def _listener_table(self) -> dict[str, tuple[Listener, ...]]:
        table = super()._listener_table()
        # Once its reservation has ended only a task with listeners is kept; this may be the first one.
        self._state.keep(self._reservation_sid, self)
        return table

    def _waiting(self) -> Waits:
        return self._state.waiting

    # -- calls -----------------------------------------------------------------------------------------------------

    def complete(self, reason: str) -> Future[Task]:
        """Complete the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reason: Free text.

        Returns:
            A Future that resolves to this task, completed.

        Raises:
            TypeError: The reason is not a string.
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.COMPLETE_TASK, self._why_not_done, reason=reason)

    def wrap_up(self, *, reason: str | None = None) -> Future[Task]:
        """Start wrapping up.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            reason: Free text; None sends no reason.

        Returns:
            A Future that resolves to this task, wrapping.

        Raises:
            TypeError: The reason is not a string.
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.WRAP_UP, self._why_not_done, reason=reason)

    def set_attributes(self, attributes: Mapping[str, Any]) -> Future[Task]:
        """Replace all attributes.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to this task, with the new attributes.

        Raises:
            TypeError, ValueError: The attributes are not JSON-serializable.
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.SET_TASK_ATTRIBUTES, attributes=attributes)

    def set_virtual_start_time(self, virtual_start_time: datetime) -> Future[Task]:
        """Change the time from which the task's age is counted.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            virtual_start_time: A datetime with a time zone; fractions of seconds are truncated. The service refuses a
                time in the future.

        Returns:
            A Future that resolves to this task.

        Raises:
            TypeError: It is not a datetime.
            ValueError: It has no time zone.
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.SET_VIRTUAL_START_TIME, virtual_start_time=virtual_start_time)

    def fetch_latest_version(self) -> Future[Task]:
        """Read the task again.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this task.

        Raises:
            ClosedError: The worker was disconnected.
        """
        return self._state.call(routes.GET_TASK, {}, self._answered, task=self.sid)

    def transfer(
        self,
        to: str,
        *,
        mode: str | None = None,
        priority: int | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[Task]:
        """Start a transfer to a worker or queue.

        Does not block; callbacks of the Future run on a shared pool thread.

        Events of the new transfer are held back until the Future has resolved, so that a listener added in a callback
        of the Future misses none.

        Args:
            to: Sid of the worker or queue.
            mode: ``WARM`` (stay on the task) or ``COLD`` (start wrapping up); None leaves it to the service (WARM).
            priority: New priority of the task; None keeps it.
            attributes: New attributes of the task; None keeps them.

        Returns:
            A Future that resolves to this task; then ``transfers.outgoing`` is the new transfer.

        Raises:
            TypeError, ValueError: An argument has the wrong type or value.
            ClosedError: The worker was disconnected.
        """
        values = {
            "reservation_sid": self._reservation_sid,
            "task_sid": self.sid,
            "to": to,
            "mode": mode,
            "priority": priority,
            "attributes": attributes,
        }
        with self._state.lock:
            # Before the request is sent: the transfer's first event can overtake the answer, and is held back while
            # this is above 0.
            self._starting += 1
        try:
            return self._state.call(
                routes.CREATE_TRANSFER,
                values,
                self._transfer_answered,
                subjects=(self.sid,),
                after_callbacks=self._transfer_started,
            )
        # Not sent: the Future whose callbacks would have released the events does not exist.
        except BaseException:
            self._transfer_started()
            raise

    def update_participant(
        self, *, hold: bool | None = None, hold_url: str | None = None, hold_method: str | None = None
    ) -> Future[Task]:
        """Change the customer's part of the call; None leaves an option as it is.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            hold: Whether the customer is on hold.
            hold_url: URL of the hold audio; None plays Twilio's hold music.
            hold_method: HTTP method for it; None means GET.

        Returns:
            A Future that resolves to this task.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        options = {"hold": hold, "hold_url": hold_url, "hold_method": hold_method}
        return self._conference(routes.UPDATE_CUSTOMER_PARTICIPANT, options)

    def hold(
        self, target_worker_sid: str, on_hold: bool, *, hold_url: str | None = None, hold_method: str | None = None
    ) -> Future[Task]:
        """Put another worker of the conference on hold, or take them back.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            target_worker_sid: Sid of the worker.
            on_hold: Whether they are on hold.
            hold_url: URL of the hold audio; None plays Twilio's hold music.
            hold_method: HTTP method for it; None: GET.

        Returns:
            A Future that resolves to this task.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        options = {
            "target_worker_sid": target_worker_sid,
            "on_hold": on_hold,
            "hold_url": hold_url,
            "hold_method": hold_method,
        }
        return self._conference(routes.HOLD_WORKER, options)

    def kick(self, worker_sid: str) -> Future[Task]:
        """Remove another worker from the conference.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            worker_sid: Sid of the worker.

        Returns:
            A Future that resolves to this task.

        Raises:
            TypeError: The sid is not a string.
            ClosedError: The worker was disconnected.
        """
        return self._conference(routes.KICK_WORKER, {"worker_sid": worker_sid})

    # Positional only, so that an argument of a call may have any name.
    def _update(self, route: Route, explain: Callable[[], str] | None = None, /, **values: Any) -> Future[Task]:
        return self._state.call(
            route,
            values,
            self._answered,
            subjects=(self.sid,),
            version=lambda: self.version,
            explain=explain,
            task=self.sid,
        )

    def _why_not_done(self) -> str:
        reservation = self._state.reservations.get(self._reservation_sid)
        return "" if reservation is None else reservation._why_not_done()

    def _conference(self, route: Route, values: Mapping[str, Any]) -> Future[Task]:
        # As the JS SDK expects it, the answers of these calls have the whole task.
        values = {"task_sid": self.sid, **values}
        return self._state.call(route, values, self._answered, subjects=(self.sid,))

    # -- starting a transfer: its events are held back until the Future's callbacks have added their listeners ---------

    def _transfer_answered(self, payload: object) -> Task:
        record = Transfer._schema.read(payload)
        with self._state.lock:
            self._outgoing(record)
        return self

    def _transfer_started(self) -> None:
        """The call has ended, whether it succeeded or not, and its Future's callbacks have run."""
        with self._state.lock:
            self._starting -= 1
            due = bool(self._held) and not self._starting
        if due:
            self._state.release(self._take_held)

    def _hold(self, message: Any) -> bool:
        """Hold back an event of a transfer if a call is under way; on the dispatch thread. Return whether it is held.

        It is held, too, behind events that were released and whose turn is still to come.
        """
        with self._state.lock:
            held = bool(self._starting or self._held)
            if held:
                self._held.append(message)
            due = held and not self._starting
        if due:
            # Once more: the release under way may be lost with its connection.
            self._state.release(self._take_held)
        return held

    def _take_held(self) -> list[Any]:
        """Return the events whose turn has come, in order; on the dispatch thread, which applies them at once."""
        with self._state.lock:
            if self._starting:
                # The end of that call releases them.
                return []
            held, self._held = self._held, []
            return held

    # -- updates ---------------------------------------------------------------------------------------------------

    def _answered(self, payload: object) -> Task:
        record = self._own(self._schema.read(payload, self._record))
        with self._state.lock:
            self._renew(record)
        return self

    def _renew(self, record: Record, *, ending: bool = False) -> None:
        """Replace the record by one that is not older; called with the state's lock held. An ending is never older."""
        if ending or self._state.is_current(record[_VERSION], self._record[_VERSION]):
            self._record = record

    def _known_outgoing(self, sid: str) -> OutgoingTransfer | None:
        """The outgoing transfer of this sid, current or not; called with the state's lock held."""
        current = self._transfers._outgoing
        return current if current is not None and current.sid == sid else self._replaced.get(sid)

    def _outgoing(self, record: Record) -> OutgoingTransfer:
        """Return the outgoing transfer of this record, created or updated; called with the state's lock held.

        A new one becomes the current one, unless the current one was created later.
        """
        index = OutgoingTransfer._schema.index
        known = self._known_outgoing(record[index["sid"]])
        if known is not None:
            known._renew(record)
            return known
        current = self._transfers._outgoing
        transfer = OutgoingTransfer(self._state, self, record)
        # The first event of an earlier transfer that comes late.
        if current is not None and current._created_after(record):
            self._replaced[transfer.sid] = transfer
            return transfer
        if current is not None:
            self._replaced[current.sid] = current
        self._transfers._outgoing = transfer
        return transfer

    def to_dict(self) -> dict[str, Any]:
        """Return a snapshot of all attributes and transfers as plain data: safe for JSON and pickle.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        incoming, outgoing = self._transfers.incoming, self._transfers.outgoing
        return {
            **super().to_dict(),
            "reservation_sid": self._reservation_sid,
            "transfers": {"incoming": incoming and incoming.to_dict(), "outgoing": outgoing and outgoing.to_dict()},
        }


_VERSION = Task._schema.index["version"]
