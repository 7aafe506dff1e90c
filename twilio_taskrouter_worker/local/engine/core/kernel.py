"""The state that all parts of the engine share while a command or a timer runs.

The invariant between two commands: ``events``, ``woken``, ``unplaced``, ``recounted`` and ``moved`` are empty, and
everything that could be offered has been offered.

A command runs in two halves. First its handler makes the whole change: it replaces records, keeps the indices, notes
events, and only *asks* for routing, by :meth:`Kernel.wake` for a worker who may be able to take more and by
:meth:`Kernel.place` for a task that has become pending. Then ``matching.settle`` does what was asked for. So the
snapshots in an event are of a finished change, a handler never meets a state in which half of one is routed, and one
place decides who comes first. Only ``settle`` takes entries out of ``woken`` and ``unplaced``, but for what ceases to
exist or to wait (a deleted worker, a task that is accepted or ends), which is taken out where that happens.

Timers go the same way: each is due at its own time, runs to its end, and is settled before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec

import attrs

from .. import errors
from ..events import NO_DATA, Event, ReservationEvent, TaskEvent, TransferEvent, WorkflowStepEvent
from ..expressions import Semantics
from ..model import PENDING
from ..rules import Rules
from .schedule import Schedule
from .sids import SidSource
from .state import ReservationState, TaskState, TransferState, WorkerState, WorkflowState
from .workspace import WorkspaceState, find

P = ParamSpec("P")


class Kernel:
    """The present time, the workspaces, the timers, and the events and routing that a change leaves behind."""

    def __init__(self, account_sid: str, seed: int, rules: Rules) -> None:
        self.account_sid = account_sid
        self.rules = rules
        self.semantics: Semantics = rules.semantics
        """The switches of the expression language; ``rules.strict_expressions`` is applied."""
        # Two switches with one meaning: the rule is the public one.
        if rules.strict_expressions:
            self.semantics = attrs.evolve(rules.semantics, strict_expressions=True)
        # One source for all workspaces: the order in which sids are made is part of every replay.
        self.sids: SidSource = SidSource(seed)
        self.schedule: Schedule = Schedule()
        # Unix seconds. The engine sets it, to the due time of each timer that runs and then to the time of the
        # command.
        self.now: float = 0.0
        # One function for all tasks, where a method would be a new object for each.
        self.clock: Callable[[], float] = lambda: self.now
        """Returns the present time, for expressions that ask for it."""
        self.workspaces: dict[str, WorkspaceState] = {}
        # Of the present command or timers; the engine takes them out at the end.
        self.events: list[Event] = []
        self.warnings: list[str] = []
        # The counters order events, tasks and idle workers; they are part of every snapshot.
        self.event_count: int = 0
        self.task_count = 0
        self.reserve_count = 0
        # Dicts as ordered sets: routing takes the entries in the order in which they were added, so that a replay does
        # the same. A set of objects would be ordered by their addresses.
        self.woken: dict[WorkerState, WorkspaceState] = {}
        """Workers who may be able to take a waiting task since the last routing."""
        self.unplaced: dict[TaskState, WorkspaceState] = {}
        """Tasks that became pending and were not yet offered to anybody."""
        self.recounted: dict[WorkerState, WorkspaceState] = {}
        """Workers whose channel figures a reservation has changed, where waiting tasks read such figures."""
        self.moved: dict[WorkerState, None] = {}
        """Workers who have become idle, or ceased to be, and whose places in the queues' lists are not up to date."""

    def workspace(self, sid: str) -> WorkspaceState:
        """Return a workspace.

        Args:
            sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        found = find(self.workspaces, sid)
        if found is None:
            raise errors.not_found(f"/Workspaces/{sid}")
        return found

    def emit(
        self,
        family: Callable[Concatenate[str, float, int, str, P], Event],
        type: str,
        ws: WorkspaceState,
        *args: P.args,
        **fields: P.kwargs,
    ) -> None:
        """Record an event of the present time.

        Args:
            family: The class of the event.
            type: One of ``events.LOG_EVENTS``, of that family.
            ws: The workspace in whose event log it belongs.
            args: Further fields of the family: its snapshots, ``recipients`` and ``data``.
            fields: The same by name, as all callers give them.
        """
        # By ParamSpec, a snapshot that the family needs and a caller forgets is an error of the type checker.
        self.event_count += 1
        self.events.append(family(type, self.now, self.event_count, ws.record.sid, *args, **fields))

    def emit_task(self, type: str, ws: WorkspaceState, task: TaskState, recipients: tuple[str, ...] = ()) -> None:
        """Record an event of a task.

        Args:
            type: A ``task.*`` type, or ``reservation.failed``.
            ws: The workspace of the task.
            task: Its present record becomes the snapshot.
            recipients: Sids of the workers whose sessions are notified.
        """
        record = task.record
        # Here, and with the two other families of most events, not through emit(), and not by name: that doubles the
        # cost.
        self.event_count += 1
        self.events.append(
            TaskEvent(
                type,
                self.now,
                self.event_count,
                ws.record.sid,
                record,
                ws.queue_of(record),
                recipients=recipients,
            )
        )

    def emit_workflow_step(
        self, type: str, ws: WorkspaceState, task: TaskState, workflow: WorkflowState, data: Mapping[str, Any] = NO_DATA
    ) -> None:
        """Record a step of a task in its workflow; it has no recipients.

        Args:
            type: A ``workflow.*`` type that is about a task.
            ws: The workspace of the task.
            task: Its present record becomes the snapshot.
            workflow: The workflow of the step.
            data: Further facts of the step.
        """
        record = task.record
        self.event_count += 1
        self.events.append(
            WorkflowStepEvent(
                type,
                self.now,
                self.event_count,
                ws.record.sid,
                record,
                ws.queue_of(record),
                workflow.record,
                data=data,
            )
        )

    def emit_transfer(self, type: str, ws: WorkspaceState, transfer: TransferState) -> None:
        """Record an event of a transfer; the worker who started it is the recipient.

        Args:
            type: A ``task.transfer-*`` type.
            ws: The workspace of the transfer.
            transfer: Its present records become the snapshots.
        """
        initiator = transfer.initiator
        task = initiator.task.record
        self.emit(
            TransferEvent,
            type,
            ws,
            recipients=(initiator.record.worker_sid,),
            task=task,
            queue=ws.queue_of(task),
            transfer=transfer.record,
        )

    def emit_transferred(
        self, ws: WorkspaceState, transfer: TransferState, accepted: ReservationState | None = None
    ) -> None:
        """Record ``task.updated`` after a step of a transfer, for the workers to whom no other event shows the task.

        The recipients are the transferor and all others with an open reservation, such as the transferor of an earlier
        transfer.

        Args:
            ws: the workspace of the transfer.
            transfer: the transfer.
            accepted: a reservation that was just accepted, whose own event shows the task.
        """
        transferor = transfer.initiator
        # Pending ones were just made, and reservation.created shows the task.
        holders = [
            r for r in transferor.task.open.values() if r is not accepted and r.record.reservation_status != PENDING
        ]
        recipients = dict.fromkeys(r.record.worker_sid for r in (transferor, *holders))
        self.emit_task("task.updated", ws, transferor.task, tuple(recipients))

    def emit_reservation(self, type: str, ws: WorkspaceState, reservation: ReservationState) -> None:
        """Record an event of a reservation; its worker is the recipient.

        Args:
            type: A ``reservation.*`` type.
            ws: The workspace of the reservation.
            reservation: Its present records become the snapshots.
        """
        record = reservation.record
        task = reservation.task
        # Kept by the reservation for life, so that its last event still shows the transfer that made it.
        incoming = ws.transfers.get(record.transfer_sid) if record.transfer_sid is not None else None
        outgoing = task.transfer
        # Only the reservation that the open transfer was started from shows it as outgoing.
        if outgoing is not None and outgoing.initiator is not reservation:
            outgoing = None
        data: Mapping[str, Any] = NO_DATA
        # Only the offer itself has the reason; later events of it do not.
        if type == "reservation.created":
            data = {"re_evaluated_reason": task.re_evaluated, **task.known_worker()}
        self.event_count += 1
        self.events.append(
            ReservationEvent(
                type,
                self.now,
                self.event_count,
                ws.record.sid,
                task.record,
                ws.queue_of(task.record),
                record,
                reservation.worker.record,
                # None if the task channel was deleted after the task had moved to another one.
                reservation.worker.channels.get(record.task_channel_sid),
                incoming.record if incoming is not None else None,
                outgoing.record if outgoing is not None else None,
                recipients=(record.worker_sid,),
                data=data,
            )
        )

    def wake(self, ws: WorkspaceState, worker: WorkerState) -> None:
        """Request that waiting tasks are offered to a worker once the present change is complete.

        Args:
            ws: The workspace of the worker.
            worker: May have become able to take a task; if not, nothing is offered.
        """
        self.woken[worker] = ws

    def warn(self, text: str) -> None:
        """Record a part of the present command that is ignored.

        Args:
            text: The warning, for :attr:`Outcome.warnings`.
        """
        self.warnings.append(text)

    def place(self, ws: WorkspaceState, task: TaskState) -> None:
        """Request that a pending task is offered to idle workers once the present change is complete.

        Args:
            ws: The workspace of the task.
            task: Has become pending, or may suit other workers than before.
        """
        self.unplaced[task] = ws
