"""Transfers: a task on its way from one worker to another worker or a queue."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime

from ._bridge import routes, schema
from ._bridge.owner import Owner
from ._bridge.schema import Record, Resource, Wire
from ._bridge.tracking import TransferTrack
from ._listening import Listenable
from .events import TransferEvent, Waits, names
from .task_info import TaskFields

__all__ = ["IncomingTransfer", "OutgoingTransfer", "Transfer", "Transfers"]

INITIATED = "initiated"


class Transfer(Resource):
    """Base of incoming and outgoing transfers.

    ``status`` is as on the wire: ``initiated``, ``failed``, ``complete`` or ``canceled``.
    """

    __slots__ = ()

    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    reservation_sid: Wire[str] = Wire("initiating_reservation_sid", schema.TEXT)
    """Sid of the reservation it was started from."""
    worker_sid: Wire[str] = Wire("initiating_worker_sid", schema.TEXT)
    """Sid of the worker who started it."""
    queue_sid: Wire[str | None] = Wire("initiating_queue_sid", schema.OPTIONAL_TEXT)
    """Sid of the queue the task was in."""
    workflow_sid: Wire[str | None] = Wire("initiating_workflow_sid", schema.OPTIONAL_TEXT)
    """Sid of the workflow the task was in."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """Its sid."""
    mode: Wire[str] = Wire("transfer_mode", schema.TEXT)
    """``WARM`` or ``COLD``."""
    to: Wire[str] = Wire("transfer_to", schema.TEXT)
    """Sid of the worker or queue it goes to."""
    type: Wire[str] = Wire("transfer_type", schema.TEXT)
    """``WORKER`` or ``QUEUE``."""
    status: Wire[str] = Wire("transfer_status", schema.TEXT)
    """Its status, see above."""
    transfer_failed_reason: Wire[str | None] = Wire("transfer_failed_reason", schema.OPTIONAL_TEXT, required=False)
    """The reason for its failure, or that of its latest attempt; None if it did not fail."""

    def _shown(self) -> str:
        return f"{super()._shown()} to {self.to}"

    def _renew(self, record: Record) -> bool:
        """Replace the record by a newer one of the same transfer; an ended one never starts again.

        Args:
            record: The newer record.

        Returns:
            Whether it was replaced.
        """
        status = self._schema.index["status"]
        # An answer may be older than the event that ended it.
        if self._record[status] != INITIATED and record[status] == INITIATED:
            return False
        self._record = record
        return True


class IncomingTransfer(Transfer):
    """The transfer through which this worker got a reservation: ``reservation.transfer``."""

    __slots__ = ()


class OutgoingTransfer(Transfer, Listenable[TransferEvent, "OutgoingTransfer"]):
    """A transfer that this worker started: ``task.transfers.outgoing``.

    Events: ``attempt_failed`` (a queue keeps searching), ``completed``, ``failed``, ``canceled``; callbacks receive the
    transfer, and run on the worker's dispatch thread. The same events fire on the task first, as ``transfer_...``.
    """

    __slots__ = ("_listeners", "_state", "_task", "_track")
    _arguments = dict.fromkeys(names(TransferEvent), "transfer: OutgoingTransfer")

    def __init__(self, state: Owner, task: TaskFields, record: Record) -> None:
        super().__init__(record)
        self._state = state
        self._task = task
        self._track = TransferTrack()

    def _created_after(self, record: Record) -> bool:
        """Whether it is certain that this transfer is the newer one."""
        created = self._schema.index["date_created"]
        # Whole seconds: of two transfers in one second, the one that came last counts as the newer one.
        mine, other = self._record[created], record[created]
        return mine is not None and other is not None and bool(mine > other)

    @property
    def task_sid(self) -> str:
        """Sid of the task."""
        return self._task.sid

    def cancel(self) -> Future[OutgoingTransfer]:
        """Cancel the transfer.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this transfer, canceled. It fails with RequestRejectedError (400) if the transfer
            has ended.

        Raises:
            ClosedError: The worker was disconnected.
        """
        return self._state.call(
            routes.CANCEL_TRANSFER,
            {"task_sid": self.task_sid},
            self._canceled,
            subjects=(self.task_sid,),
            transfer=self.sid,
        )

    def _canceled(self, payload: object) -> OutgoingTransfer:
        record = self._own(self._schema.read(payload, self._record))
        with self._state.lock:
            self._renew(record)
        return self

    def _waiting(self) -> Waits:
        return self._state.waiting


class Transfers:
    """The transfers of a task, as far as this worker is concerned."""

    __slots__ = ("_incoming", "_outgoing")

    def __init__(self) -> None:
        self._incoming: IncomingTransfer | None = None
        self._outgoing: OutgoingTransfer | None = None

    def __repr__(self) -> str:
        return f"<Transfers incoming={self._incoming} outgoing={self._outgoing}>"

    @property
    def incoming(self) -> IncomingTransfer | None:
        """The transfer that brought the task here; None if it came by routing."""
        return self._incoming

    @property
    def outgoing(self) -> OutgoingTransfer | None:
        """The latest transfer started from here, also after its end (see its ``status``); None if there was none."""
        return self._outgoing
