"""What every part of the engine shares while a command or a timer is at work.

The invariant between two commands: ``events``, ``woken`` and ``unplaced`` are empty, and everything that could be
offered is.

A command runs in two halves. First its handler makes the whole change: it replaces records, keeps the indices, notes
events, and only *asks* for routing, by :meth:`Kernel.wake` for a worker who may be able to take more and by
:meth:`Kernel.place` for a task that has become pending. Then ``matching.settle`` does what was asked for. So the
snapshots in an event are of a finished change, a handler never meets a state in which half of one is routed, and one
place decides who comes first. Only ``settle`` takes entries out of ``woken`` and ``unplaced``, but for what ceases to
exist or to wait (a deleted worker, a task that is accepted or ends), which is taken out where that happens.

Timers go the same way: each is due at its own time, runs to its end, and is settled before the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .. import errors
from ..events import NO_DATA, Event, made
from ..model import Task
from ..rules import Rules
from .schedule import Schedule
from .sids import SidSource
from .state import ReservationState, TaskState, WorkerState
from .workspace import WorkspaceState, find


class Kernel:
    """The present time, the workspaces, the timers, and the events and routing that a change leaves behind."""

    def __init__(self, account_sid: str, seed: int, rules: Rules) -> None:
        self.account_sid = account_sid
        self.rules = rules
        self.semantics = rules.semantics
        """What expressions mean by the rules."""
        if rules.strict_expressions:
            self.semantics = attrs.evolve(rules.semantics, strict_expressions=True)
        self.sids = SidSource(seed)
        self.schedule = Schedule()
        self.now = 0.0
        self.workspaces: dict[str, WorkspaceState] = {}
        self.events: list[Event] = []
        self.warnings: list[str] = []
        self.event_count = 0
        self.task_count = 0
        self.reserve_count = 0
        self.woken: dict[WorkerState, WorkspaceState] = {}
        """Workers who may be able to take a waiting task since the last routing."""
        self.unplaced: dict[TaskState, WorkspaceState] = {}
        """Tasks that became pending and were not yet offered to anybody."""

    def workspace(self, sid: str) -> WorkspaceState:
        """Return a workspace, or raise Rejected(404)."""
        found = find(self.workspaces, sid)
        if found is None:
            raise errors.not_found(f"/Workspaces/{sid}")
        return found

    def emit(
        self,
        type: str,
        ws: WorkspaceState,
        recipients: tuple[str, ...] = (),
        *,
        data: Mapping[str, Any] = NO_DATA,
        **records: Any,
    ) -> None:
        """Note that something has happened, at the present time.

        Args:
            recipients: sids of the workers whose sessions are notified.
            data: more facts, by type of event.
            records: the snapshots of what it concerns, by their names in :class:`Event`; a task brings its queue along.
        """
        task: Task | None = records.get("task")
        if task is not None and "queue" not in records and (queue := ws.queues.get(task.task_queue_sid or "")):
            records["queue"] = queue.record
        self.event_count += 1
        records["type"] = type
        records["at"] = self.now
        records["sequence"] = self.event_count
        records["workspace_sid"] = ws.record.sid
        records["recipients"] = recipients
        records["data"] = data
        self.events.append(made(records))

    def emit_reservation(self, type: str, ws: WorkspaceState, reservation: ReservationState) -> None:
        """Note that something has happened to a reservation; its worker hears it."""
        record = reservation.record
        task = reservation.task
        incoming = ws.transfers.get(record.transfer_sid) if record.transfer_sid is not None else None
        outgoing = task.transfer
        if outgoing is not None and outgoing.initiator is not reservation:
            outgoing = None
        data: dict[str, Any] = {}
        if type == "reservation.created":
            data = {"re_evaluated_reason": task.re_evaluated, **task.known_worker()}
        self.emit(
            type,
            ws,
            (record.worker_sid,),
            data=data,
            task=task.record,
            reservation=record,
            worker=reservation.worker.record,
            channel=reservation.worker.channels.get(record.task_channel_sid),
            task_transfer=incoming.record if incoming is not None else None,
            active_outgoing_task_transfer=outgoing.record if outgoing is not None else None,
        )

    def wake(self, ws: WorkspaceState, worker: WorkerState) -> None:
        """Ask for waiting tasks to be offered to a worker when the present change is complete."""
        self.woken[worker] = ws

    def time(self) -> float:
        """Return the present time, for expressions that ask for it."""
        return self.now

    def warn(self, text: str) -> None:
        """Note something that the present command says and that was ignored."""
        self.warnings.append(text)

    def place(self, ws: WorkspaceState, task: TaskState) -> None:
        """Ask for a pending task to be offered when the present change is complete."""
        self.unplaced[task] = ws
