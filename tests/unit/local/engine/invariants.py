"""What must be true of the engine's state at any moment between two commands."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.tools.seams import kernel_of
from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.local.engine import Engine, Event, model
from twilio_taskrouter_worker.local.engine.core.state import TaskState, WorkerState
from twilio_taskrouter_worker.local.engine.core.workspace import WorkspaceState
from twilio_taskrouter_worker.local.engine.events import (
    RESERVATION_EVENTS,
    TRANSFER_EVENTS,
    ReservationEvent,
    TaskEvent,
    TransferEvent,
)
from twilio_taskrouter_worker.local.engine.index import waiting as pending
from twilio_taskrouter_worker.local.engine.index.idle import free, percentage
from twilio_taskrouter_worker.local.engine.routing import matching
from twilio_taskrouter_worker.local.engine.routing.explaining import verdicts
from twilio_taskrouter_worker.local.engine.transitions import derived_status

ALLOWED = {
    "reservation.created": ("pending", {"reserved"}),
    "reservation.accepted": ("accepted", {"assigned"}),
    "reservation.rescinded": ("rescinded", {"assigned"}),
    "reservation.rejected": ("rejected", {"pending", "reserved", "assigned", "wrapping", "completed", "canceled"}),
    "reservation.timeout": ("timeout", {"pending", "reserved", "assigned", "wrapping", "completed", "canceled"}),
    "reservation.canceled": (
        "canceled",
        {"canceled", "completed", "assigned", "wrapping", "pending", "reserved"},
    ),
    "reservation.wrapup": ("wrapping", {"wrapping", "reserved", "assigned", "pending"}),
    "reservation.completed": (
        "completed",
        {"completed", "reserved", "assigned", "wrapping", "pending", "canceled"},
    ),
}
"""Event type: status of the reservation, statuses its task may have in the same snapshot."""

TASK_STATUS = {
    "task.created": {"pending"},
    "task.canceled": {"canceled"},
    "task.wrapup": {"wrapping"},
    "task.completed": {"completed"},
    "reservation.failed": {"canceled"},
    "task.transfer-attempt-failed": {"pending"},
    "task.transfer-completed": {"assigned"},
    "task.transfer-initiated": {"reserved", "pending"},
    "task.transfer-failed": {"assigned", "wrapping", "completed"},
    "task.transfer-canceled": {"assigned", "wrapping", "completed"},
}
"""Event type: statuses the task may have in its snapshot."""

TRANSFER_STATUS = {
    "task.transfer-initiated": "initiated",
    "task.transfer-attempt-failed": "initiated",
    "task.transfer-completed": "complete",
    "task.transfer-failed": "failed",
    "task.transfer-canceled": "canceled",
}
"""Event type: status of the transfer in its snapshot."""


def check_state(engine: Engine) -> None:
    """Check everything that does not depend on what was before."""
    kernel = kernel_of(engine)
    assert not kernel.woken and not kernel.unplaced and not kernel.recounted and not kernel.events
    assert not kernel.moved
    for ws in kernel.workspaces.values():
        for worker in ws.workers.values():
            _check_worker(ws, worker)
        _check_queues(ws)
        for task in ws.tasks.values():
            _check_task(engine, ws, task)


def _check_worker(ws: WorkspaceState, worker: WorkerState) -> None:
    occupied = Counter(r.record.task_channel_sid for r in worker.open.values())
    accepted = Counter(
        r.record.task_channel_sid for r in worker.open.values() if r.record.reservation_status == "accepted"
    )
    for sid, channel in worker.channels.items():
        assert channel.occupied == occupied[sid]
        assert channel.assigned_tasks == accepted[sid]
        assert channel.available_capacity_percentage == percentage(channel.occupied, channel.configured_capacity)
        assert (worker.idle_keys.get(sid) is not None) == (sid in ws.routed and free(ws, worker, sid))
    assert all(r.record.open == (sid in worker.open) for sid, r in worker.reservations.items())
    if not ws.record.multi_task_enabled:
        ordinary = [r for r in worker.open.values() if not r.task.record.ignore_capacity]
        assert len(ordinary) <= 1 or len(worker.open) > len(ordinary)


def _check_queues(ws: WorkspaceState) -> None:
    for queue in ws.queues.values():
        members = {sid for sid, worker in ws.workers.items() if queue.expression.matches(worker.queue_scope)}
        assert members == set(queue.members)
        assert queue.activity_counts == Counter(w.record.activity_sid for w in queue.members.values())
        for channel, index in queue.idle.items():
            keys = (worker.idle_keys.get(channel) for worker in queue.members.values())
            assert index == sorted(key for key in keys if key is not None)
        booked = {sid for sid, t in ws.tasks.items() if t.queue is queue and not t.record.final}
        assert booked == set(queue.tasks)


def _check_task(engine: Engine, ws: WorkspaceState, task: TaskState) -> None:
    record = task.record
    assert all(r.record.open == (sid in task.open) for sid, r in task.reservations.items())
    if record.final:
        assert not task.open and task.transfer is None and task.entry is None
        assert task.purge_timer is not None
        return
    assert record.assignment_status == derived_status(task)
    if record.assignment_status == "pending":
        # Nobody who could take it is left idle, and if somebody ever could, it stands in line.
        assert matching.candidates(kernel_of(engine), ws, task) == []
        suitable = [verdict.friendly_name for verdict in verdicts(kernel_of(engine), ws, task) if verdict.suitable]
        assert suitable == [], f"explain says that {suitable} could take task {record.sid}, which is pending"
        assert task.entry is not None or pending._group(ws, task) is None
    else:
        assert task.entry is None
    if record.assignment_status in ("pending", "reserved") and not task.accepted:
        assert task.ttl_timer is not None and task.ttl_timer in kernel_of(engine).schedule
    else:
        assert task.ttl_timer is None and task.step_timer is None
    waiting = [r for r in task.open.values() if r.record.reservation_status == "pending"]
    assert all((r.timer is None) == r.record.on_hold for r in waiting)


class History:
    """What must be true from one moment to the next."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.ended: dict[str, str] = {}
        self.sequence = 0

    def check(self, engine: Engine, events: list[Event]) -> None:
        """Check the events of one command and the state after it against what was before."""
        for event in events:
            self._check_event(event)
        newest: dict[str, Any] = {}
        for event in events:
            newest.update({record.sid: record for record in _versioned(event)})
        last = {event.reservation.sid: event for event in events if isinstance(event, ReservationEvent)}
        for ws in kernel_of(engine).workspaces.values():
            for sid, latest in last.items():
                if sid in ws.reservations:
                    assert latest.reservation == ws.reservations[sid].record
                    if latest.type == "reservation.created" and not ws.reservations[sid].task.record.ignore_capacity:
                        _check_room(ws, ws.reservations[sid].worker, ws.reservations[sid].record.task_channel_sid)
            for records in (ws.workers, ws.tasks, ws.reservations):
                for sid, state in records.items():
                    self._grow(sid, state.record.version)
                    # A snapshot of the version that is current is the current record, to the last field.
                    shown = newest.get(sid)
                    assert shown is None or shown.version != state.record.version or shown == state.record
            for sid, reservation in ws.reservations.items():
                if not reservation.record.open:
                    status = reservation.record.reservation_status
                    assert self.ended.setdefault(sid, status) == status
                else:
                    assert sid not in self.ended

    def _grow(self, sid: str, version: int) -> None:
        assert version >= self.versions.get(sid, 0)
        self.versions[sid] = version

    def _check_event(self, event: Event) -> None:
        assert event.sequence == self.sequence + 1
        self.sequence = event.sequence
        for record in _versioned(event):
            self._grow(record.sid, record.version)
        # The class of an event follows from its type.
        assert isinstance(event, ReservationEvent) == (event.type in RESERVATION_EVENTS), event.type
        assert isinstance(event, TransferEvent) == (event.type in TRANSFER_EVENTS), event.type
        if isinstance(event, ReservationEvent):
            status, tasks = ALLOWED[event.type]
            assert event.reservation.reservation_status == status
            assert event.task.assignment_status in tasks, event.type
            assert event.recipients == (event.reservation.worker_sid,)
        if event.type in TASK_STATUS:
            assert isinstance(event, TaskEvent) and event.task.assignment_status in TASK_STATUS[event.type]
        if isinstance(event, TransferEvent):
            assert event.transfer.transfer_status == TRANSFER_STATUS[event.type]
            assert event.recipients == (event.transfer.initiating_worker_sid,)


def _versioned(event: Event) -> list[model.Worker | model.Task | model.Reservation]:
    return [each for each in event.records() if isinstance(each, (model.Worker, model.Task, model.Reservation))]


def _check_room(ws: WorkspaceState, worker: WorkerState, channel_sid: str) -> None:
    channel = worker.channels[channel_sid]
    assert channel.occupied <= channel.configured_capacity


def check_snapshot(driver: EngineDriver, moment: int) -> None:
    """A snapshot after the first entries of the journal, and the rest of it, come to where the whole journal comes."""
    engine = Engine.replay(driver.journal[:moment], account_sid=ACCOUNT, seed=7, rules=driver.rules)
    restored = Engine.restore(engine.snapshot())
    captured = Engine.restore(engine.capture())
    assert restored.state() == captured.state() == engine.state()
    assert restored.snapshot() == engine.snapshot()
    check_state(restored)
    for entry in driver.journal[moment:]:
        assert restored.apply(entry.command, entry.now).events == engine.apply(entry.command, entry.now).events
    assert restored.state_digest() == driver.engine.state_digest()
    assert restored.next_deadline() == driver.engine.next_deadline()
