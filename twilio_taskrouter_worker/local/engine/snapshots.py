"""The whole state as text, and a kernel from it: equivalent to a replay of the whole journal, but faster.

The invariant: an engine restored from a snapshot and given the rest of the journal is in the same state, and emits the
same events, as one that has replayed every entry. A snapshot therefore holds what cannot be derived (records, where
each task is in its workflow, timers, the state of the random numbers) in the order in which it was made; the rest
(names, indices of idle workers, groups of waiting tasks) is built again by the functions that keep it.

The text is JSON; each record is the list of its values. Only the version that wrote a snapshot reads it:
:data:`FORMAT` changes with the fields of the records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import attrs

from .core.kernel import Kernel
from .core.plan import Plan
from .core.schedule import Timer, TimerKind
from .core.state import QueueState, ReservationState, Route, TaskState, TransferState, WorkerState, WorkflowState
from .core.workspace import WorkspaceState
from .handlers import queues, workers
from .index import idle, membership, waiting
from .model import (
    PENDING,
    TRANSFER_INITIATED,
    Activity,
    CustomerParticipant,
    Record,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    WorkerParticipant,
    Workflow,
    Workspace,
)
from .routing.configuration import compile_configuration
from .rules import Rules

_NOTES = ("step_expired", "entering", "re_evaluated", "walked", "accepted", "completed_any")
"""Plain values of a task's state that are neither records nor references."""
_FIELDS: dict[type[Record], tuple[str, ...]] = {
    cls: tuple(field.name for field in attrs.fields(cls)) for cls in Record.__subclasses__()
}
# The leading number is raised by hand when the meaning of a field changes.
FORMAT = hashlib.sha256(repr([1, _NOTES, *_FIELDS.values()]).encode()).hexdigest()[:16]
"""Identifies the fields of the records; a snapshot with another value is refused."""

_TIMER_OF = {
    TimerKind.TASK_TIMEOUT: "ttl_timer",
    TimerKind.STEP_TIMEOUT: "step_timer",
    TimerKind.TARGET_CHANGE: "change_timer",
    TimerKind.RESERVATION_SLA: "sla_timer",
    TimerKind.ASSIGNED_LIMIT: "assigned_timer",
    TimerKind.PURGE: "purge_timer",
    TimerKind.RESERVATION_TIMEOUT: "timer",
    TimerKind.VOICE_ANSWER: "voice_timer",
    TimerKind.WORKER_OFFLINE: "offline_timer",
}
"""Attribute in which the owner of a timer keeps it."""

R = TypeVar("R", bound=Record)


# -- writing -----------------------------------------------------------------------------------------------------


def capture(kernel: Kernel, seed: int) -> dict[str, Any]:
    """Return the state as plain data, which does not change when the kernel goes on.

    Args:
        kernel: Only read; must be between two commands, when no event and no routing is outstanding.
        seed: The engine's seed, which the kernel does not keep.
    """
    # Values are immutable or copied: the caller may restore or serialize the result on another thread.
    return {
        "format": FORMAT,
        "account_sid": kernel.account_sid,
        "seed": seed,
        "rules": kernel.rules.to_dict(),
        "now": kernel.now,
        # Counters continue where they were, or sids of events and ties would differ from a replay.
        "counts": [kernel.event_count, kernel.task_count, kernel.reserve_count],
        "sids": kernel.sids.state(),
        "timers": [_write_timer(timer) for timer in kernel.schedule],
        "timers_made": kernel.schedule.made,
        "workspaces": [_write_workspace(ws) for ws in kernel.workspaces.values()],
    }


def write(captured: Mapping[str, Any]) -> str:
    """Return captured state as text.

    Args:
        captured: From :func:`capture`.
    """
    return json.dumps(captured, separators=(",", ":"))


def _values(record: Record) -> list[Any]:
    # In the order of _FIELDS: the initializer sets the fields in that order, and replaced() keeps it.
    return list(vars(record).values())


def _write_timer(timer: Timer) -> list[Any]:
    ws, owner = timer.workspace, timer.owner
    return [timer.due, timer.number, timer.kind.value, ws.record.sid, owner.record.sid, list(timer.more)]


def _write_workspace(ws: WorkspaceState) -> dict[str, Any]:
    position = {sid: number for number, sid in enumerate(ws.workers)}
    # Reservations outlive their worker; its record is still needed to show them.
    deleted = {r.worker.record.sid: r.worker for r in ws.reservations.values() if r.worker.record.sid not in ws.workers}
    return {
        "record": _values(ws.record),
        "armed": list(ws.armed),
        "routed": list(ws.routed),
        "activities": [_values(activity) for activity in ws.activities.values()],
        "task_channels": [_values(channel) for channel in ws.task_channels.values()],
        "workers": [_write_worker(worker) for worker in ws.workers.values()],
        "deleted_workers": [_values(worker.record) for worker in deleted.values()],
        # Members as positions, because thousands of sids in each queue would make up most of the text.
        "queues": [[_values(q.record), [position[sid] for sid in q.members]] for q in ws.queues.values()],
        "workflows": [_values(workflow.record) for workflow in ws.workflows.values()],
        "tasks": [_write_task(task) for task in ws.tasks.values()],
        "reservations": [_values(reservation.record) for reservation in ws.reservations.values()],
        "transfers": [_write_transfer(transfer) for transfer in ws.transfers.values()],
    }


def _write_worker(worker: WorkerState) -> list[Any]:
    channels = [_values(channel) for channel in worker.channels.values()]
    # Fields and scopes follow from the record and are made again.
    return [_values(worker.record), worker.sessions, channels, [worker.last_reserved[sid] for sid in worker.channels]]


def _write_task(task: TaskState) -> list[Any]:
    older = task.plan is not None and (task.workflow is None or task.plan is not task.workflow.plan)
    return [
        _values(task.record),
        task.number,
        task.route.value,
        # 0: the workflow's current configuration, as nearly always. A text: an older one. None: no configuration.
        task.plan.text if older and task.plan is not None else 0 if task.plan is not None else None,
        task.filter_index,
        task.step.index if task.step is not None else None,
        [getattr(task, name) for name in _NOTES],
        attrs.asdict(task.customer) if task.customer is not None else None,
        [attrs.asdict(leg) for leg in task.participants.values()],
    ]


def _write_transfer(transfer: TransferState) -> list[Any]:
    before = transfer.queue_before
    return [_values(transfer.record), transfer.attempts, before.record.sid if before is not None else None]


# -- reading -----------------------------------------------------------------------------------------------------


def read(snapshot: str | Mapping[str, Any]) -> tuple[Kernel, int]:
    """Return the kernel that was captured, and the engine's seed.

    Args:
        snapshot: From :func:`capture`, which is not changed and may be read again, or from :func:`write`.

    Raises:
        ValueError: It is not a snapshot, or of another version.
    """
    document = json.loads(snapshot) if isinstance(snapshot, str) else snapshot
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise ValueError("Not a snapshot of this version of the engine")
    kernel = Kernel(document["account_sid"], document["seed"], Rules.from_dict(document["rules"]))
    kernel.now = document["now"]
    kernel.event_count, kernel.task_count, kernel.reserve_count = document["counts"]
    kernel.sids.restore(document["sids"])
    for part in document["workspaces"]:
        _Reader(kernel, part).read()
    # Timers last: each is kept by its owner, which must exist.
    kernel.schedule.made = document["timers_made"]
    for due, number, kind, ws_sid, owner_sid, more in document["timers"]:
        ws = kernel.workspaces[ws_sid]
        # A timer belongs to a task, a reservation or a worker; sids of different kinds never collide.
        owner: Any = ws.tasks.get(owner_sid) or ws.reservations.get(owner_sid) or ws.workers[owner_sid]
        timer = Timer(number, due, TimerKind(kind), ws, owner, tuple(more))
        # Numbers of timers made from now on come after all of these: see timers_made.
        kernel.schedule.put(timer)
        setattr(owner, _TIMER_OF[timer.kind], timer)
    return kernel, document["seed"]


def _record(cls: type[R], values: Iterable[Any]) -> R:
    # As Record.replaced does: the values were checked when the record was first made.
    new = object.__new__(cls)
    new.__dict__.update(zip(_FIELDS[cls], values, strict=True))
    return new


def _attributes(cls: type[Record], written: list[list[Any]]) -> list[dict[str, Any]]:
    """Parse the attributes of all workers or tasks at once, which is much faster than one by one."""
    # The texts are valid JSON, so that joining them gives an array.
    position = _FIELDS[cls].index("attributes")
    attributes: list[dict[str, Any]] = json.loads(f"[{','.join(values[0][position] for values in written)}]")
    return attributes


# Ended tasks keep the plan they walked through, whose queues may have been deleted since.
class _AnyQueue:
    """A container of every queue sid, to compile configurations that were checked when they were saved."""

    def __contains__(self, sid: object) -> bool:
        return True


class _Reader:
    """Builds one workspace; objects are built before those that refer to them."""

    def __init__(self, kernel: Kernel, document: dict[str, Any]) -> None:
        self.kernel = kernel
        self.document = document
        self.ws = WorkspaceState(_record(Workspace, document["record"]))
        self.plans: dict[str, Plan] = {}
        self.deleted: dict[str, WorkerState] = {}

    def read(self) -> None:
        """Build the workspace and put it into the kernel."""
        ws = self.ws
        self.kernel.workspaces[ws.record.sid] = ws
        ws.armed = list(self.document["armed"])
        ws.routed = dict.fromkeys(self.document["routed"])
        self.read_activities_and_channels()
        # Workers before queues, whose members they are; queues before workflows and tasks.
        written = self.document["workers"]
        for values, attributes in zip(written, _attributes(Worker, written), strict=True):
            self.read_worker(attributes, *values)
        # Only their reservations refer to them: they get neither channels nor memberships.
        for values in self.document["deleted_workers"]:
            record = _record(Worker, values)
            self.deleted[record.sid] = WorkerState(record, {})
        everybody = list(ws.workers.values())
        for values, members in self.document["queues"]:
            self.read_queue(_record(TaskQueue, values), [everybody[number] for number in members])
        for values in self.document["workflows"]:
            workflow = _record(Workflow, values)
            ws.workflows[workflow.sid] = WorkflowState(workflow, self.plan(workflow.configuration))
            ws.workflow_names[workflow.friendly_name] = workflow.sid
        written = self.document["tasks"]
        for values, attributes in zip(written, _attributes(Task, written), strict=True):
            self.read_task(attributes, *values)
        for values in self.document["reservations"]:
            self.read_reservation(_record(Reservation, values))
        for values in self.document["transfers"]:
            self.read_transfer(*values)
        # Indices come last: which tasks a worker can take depends on all of the above.
        for worker in everybody:
            idle.refresh(self.kernel, ws, worker)
        idle.update_lists(self.kernel)
        for task in ws.tasks.values():
            if task.record.assignment_status == PENDING:
                waiting.add(ws, task)

    def read_activities_and_channels(self) -> None:
        """Build the activities and task channels, which refer to nothing else."""
        for values in self.document["activities"]:
            activity = _record(Activity, values)
            self.ws.activities[activity.sid] = activity
        for values in self.document["task_channels"]:
            channel = _record(TaskChannel, values)
            self.ws.task_channels[channel.sid] = channel
            self.ws.channel_names[channel.unique_name] = channel.sid

    def read_worker(
        self,
        attributes: dict[str, Any],
        values: list[Any],
        sessions: int,
        channels: list[Any],
        last_reserved: list[Any],
    ) -> None:
        """Build a worker and its channels."""
        record = _record(Worker, values)
        worker = WorkerState(record, attributes)
        worker.sessions = sessions
        self.ws.workers[record.sid] = worker
        self.ws.worker_names[record.friendly_name.casefold()] = record.sid
        workers.set_fields(worker)
        workers.set_scopes(self.kernel, worker)
        # Tuples have become lists in JSON; idle keys compare tuples.
        for fields, (at, count) in zip(channels, last_reserved, strict=True):
            channel = _record(WorkerChannel, fields)
            worker.channel_documents[channel.task_channel_unique_name] = {}
            worker.last_reserved[channel.task_channel_sid] = (at, count)
            idle.set_channel(worker, channel)

    def read_queue(self, record: TaskQueue, members: list[WorkerState]) -> None:
        """Build a queue with its members."""
        queue = QueueState(record, queues.compile_target_workers(self.kernel, record.target_workers))
        self.ws.queues[record.sid] = queue
        self.ws.queue_names[record.friendly_name] = record.sid
        # Memberships are stored, since testing every worker again would take most of the time.
        for worker in members:
            membership.enrol(queue, worker)

    def plan(self, text: str) -> Plan:
        """Compile a configuration once, however many tasks walk through it."""
        # Thousands of tasks share a few configurations, and compiling one is expensive.
        plan = self.plans.get(text)
        if plan is None:
            plan = self.plans[text] = compile_configuration(text, _AnyQueue(), self.kernel.semantics)
        return plan

    def read_task(
        self,
        attributes: dict[str, Any],
        values: list[Any],
        number: int,
        route: str,
        plan: str | int | None,
        filter_index: int | None,
        step: int | None,
        notes: list[Any],
        customer: dict[str, Any] | None,
        participants: list[dict[str, Any]],
    ) -> None:
        """Build a task, in its place in its workflow and queue."""
        ws = self.ws
        record = _record(Task, values)
        task = TaskState(record, attributes, number, self.kernel.clock)
        ws.tasks[record.sid] = task
        task.route = Route(route)
        # Before the notes and places: a restored task was routed before, so changes count as versions.
        task.fresh = False
        for name, value in zip(_NOTES, notes, strict=True):
            setattr(task, name, value)
        task.workflow = ws.workflows.get(record.workflow_sid or "")
        task.queue = ws.queues.get(record.task_queue_sid or "")
        for home in (task.workflow, task.queue):
            # Ended tasks keep the names of their queue and workflow, but are no longer counted there.
            if home is not None and not record.final:
                home.tasks[record.sid] = task
        # See _write_task for the three forms.
        if isinstance(plan, str):
            task.plan = self.plan(plan)
        elif plan is not None and task.workflow is not None:
            task.plan = task.workflow.plan
        task.filter_index = filter_index
        if task.plan is not None and step is not None:
            filter = task.plan.default if filter_index is None else task.plan.filters[filter_index]
            task.step = filter.targets[step] if filter is not None else None
        if customer is not None:
            task.customer = CustomerParticipant(**customer)
        for leg in participants:
            supervisors = tuple(tuple(entry) for entry in leg["supervisors"])
            task.participants[leg["reservation_sid"]] = WorkerParticipant(**{**leg, "supervisors": supervisors})

    def read_reservation(self, record: Reservation) -> None:
        """Build a reservation between its task and its worker, who may be deleted by now."""
        ws = self.ws
        task = ws.tasks[record.task_sid]
        worker = ws.workers.get(record.worker_sid) or self.deleted[record.worker_sid]
        reservation = ReservationState(record, task, worker)
        ws.reservations[record.sid] = reservation
        # Both sides refer to it, each in the order in which reservations were made.
        for holder in (task, worker):
            holder.reservations[record.sid] = reservation
            if record.open:
                holder.open[record.sid] = reservation

    def read_transfer(self, values: list[Any], attempts: int, queue_before: str | None) -> None:
        """Build a transfer; its task refers to it while it is open."""
        ws = self.ws
        record = _record(Transfer, values)
        initiator = ws.reservations[record.initiating_reservation_sid]
        # The queue may have been deleted, but only after the transfer ended.
        transfer = TransferState(record, initiator, ws.queues.get(queue_before or ""))
        transfer.attempts = attempts
        ws.transfers[record.sid] = transfer
        initiator.task.transfers[record.sid] = transfer
        if record.transfer_status == TRANSFER_INITIATED:
            initiator.task.transfer = transfer
