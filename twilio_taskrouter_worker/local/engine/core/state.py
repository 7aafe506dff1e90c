"""What the engine knows: the current record of each object, and what is needed around it to decide quickly.

These objects are the engine's own and never leave it; what leaves are the records in them. Sets whose order could show
are dicts, because the order of a Python set of strings differs from process to process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import errors
from ..expressions import Expression, TaskScope, WorkerScope
from ..model import (
    PENDING,
    Activity,
    CustomerParticipant,
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
from .sids import canonical

if TYPE_CHECKING:
    from ..index.waiting import Entry, Group, Groups
    from ..routing.plan import Plan, Target
    from .schedule import Timer

IdleKey = tuple[float, int, str]
"""Orders idle workers: when last given a task, a counter that tells apart what happened at one time, sid."""


class WorkerState:
    """A worker, its channels, its queues and its place among the idle ones."""

    __slots__ = (
        "attributes",
        "channel_documents",
        "channels",
        "direct",
        "fields",
        "idle_keys",
        "last_reserved",
        "offline_timer",
        "open",
        "queue_scope",
        "queues",
        "record",
        "reservations",
        "scope",
        "sessions",
    )

    def __init__(self, record: Worker, attributes: Mapping[str, Any]) -> None:
        self.record = record
        self.attributes = attributes
        self.fields: dict[str, Any] = {}
        self.channel_documents: dict[str, dict[str, Any]] = {}
        self.scope = WorkerScope(attributes)
        self.queue_scope = self.scope
        self.channels: dict[str, WorkerChannel] = {}
        """By task channel sid."""
        self.last_reserved: dict[str, tuple[float, int]] = {}
        """By task channel sid; the tuple is the start of an :data:`IdleKey`."""
        self.idle_keys: dict[str, IdleKey | None] = {}
        """By task channel sid: the key under which the worker stands in the queues' indices; None: it does not."""
        self.queues: dict[str, QueueState] = {}
        self.direct: dict[str, Group] = {}
        """By task channel sid: tasks that wait for this worker and no queue."""
        self.reservations: dict[str, ReservationState] = {}
        self.open: dict[str, ReservationState] = {}
        self.sessions = 0
        self.offline_timer: Timer | None = None


class QueueState:
    """A queue, its members, the idle among them, and the tasks waiting in it."""

    __slots__ = ("activity_counts", "expression", "idle", "known", "members", "pending", "record", "tasks")

    def __init__(self, record: TaskQueue, expression: Expression) -> None:
        self.record = record
        self.expression = expression
        self.members: dict[str, WorkerState] = {}
        self.activity_counts: dict[str, int] = {}
        self.idle: dict[str, list[IdleKey]] = {}
        """By task channel sid, made when first needed: members that could take a task now, longest idle first."""
        self.pending: dict[str, Groups] = {}
        """By task channel sid: waiting tasks that any member may be offered."""
        self.known: dict[tuple[str, str, str], Groups] = {}
        """By task channel sid, kind of reference and reference: waiting tasks for one known worker."""
        self.tasks: dict[str, TaskState] = {}
        """Tasks booked under this queue that are not over."""


class WorkflowState:
    """A workflow and its parsed configuration."""

    __slots__ = ("plan", "record", "tasks")

    def __init__(self, record: Workflow, plan: Plan) -> None:
        self.record = record
        self.plan = plan
        self.tasks: dict[str, TaskState] = {}
        """Tasks of this workflow that are not over."""


class TaskState:
    """A task, where it stands in its workflow, and its reservations."""

    __slots__ = (
        "accepted",
        "assigned_timer",
        "attributes",
        "completed_any",
        "customer",
        "entering",
        "entry",
        "filter_index",
        "fresh",
        "group",
        "number",
        "open",
        "participants",
        "plan",
        "purge_timer",
        "queue",
        "record",
        "reservations",
        "route",
        "scope",
        "sla_timer",
        "step",
        "step_expired",
        "step_timer",
        "transfer",
        "transfers",
        "ttl_timer",
        "workflow",
    )

    def __init__(self, record: Task, attributes: Mapping[str, Any], number: int) -> None:
        self.record = record
        self.attributes = attributes
        self.scope = TaskScope(attributes)
        self.number = number
        """Counts tasks; breaks ties in the order of creation."""
        self.route = "workflow"
        """How the task finds workers: ``workflow``, ``queue``, or ``worker`` (its routing target)."""
        self.workflow: WorkflowState | None = None
        self.plan: Plan | None = None
        """The configuration the task is walking through: that of its workflow when it entered."""
        self.filter_index: int | None = None
        """Index of the filter of the current step; None is the default filter or no step."""
        self.step: Target | None = None
        self.step_timer: Timer | None = None
        self.step_expired = False
        """The step's time ended while a reservation was pending."""
        self.entering = False
        """The step was entered just now, so its skip_if is still to be asked."""
        self.fresh = True
        """Being created: what happens until it is first routed is no change of version."""
        self.queue: QueueState | None = None
        self.entry: Entry | None = None
        self.group: Group | None = None
        """Where the task waits; None when it does not."""
        self.ttl_timer: Timer | None = None
        self.sla_timer: Timer | None = None
        self.assigned_timer: Timer | None = None
        self.purge_timer: Timer | None = None
        self.reservations: dict[str, ReservationState] = {}
        self.open: dict[str, ReservationState] = {}
        self.accepted = False
        """Somebody has accepted it at some time."""
        self.completed_any = False
        """Some reservation of it was completed."""
        self.transfers: dict[str, TransferState] = {}
        self.transfer: TransferState | None = None
        """The transfer that is open."""
        self.customer: CustomerParticipant | None = None
        self.participants: dict[str, WorkerParticipant] = {}
        """By reservation sid."""

    def pending(self) -> list[ReservationState]:
        """Return the reservations that wait for an answer."""
        return [r for r in self.open.values() if r.record.reservation_status == PENDING]

    def workers(self) -> tuple[str, ...]:
        """Return the sids of the workers with an open reservation on the task, each once."""
        return tuple(dict.fromkeys(r.record.worker_sid for r in self.open.values()))


class ReservationState:
    """A reservation between its task and its worker."""

    __slots__ = ("record", "task", "timer", "voice_timer", "worker")

    def __init__(self, record: Reservation, task: TaskState, worker: WorkerState) -> None:
        self.record = record
        self.task = task
        self.worker = worker
        self.timer: Timer | None = None
        self.voice_timer: Timer | None = None


class TransferState:
    """A transfer."""

    __slots__ = ("attempts", "initiator", "queue_before", "record")

    def __init__(self, record: Transfer, initiator: ReservationState, queue_before: QueueState | None) -> None:
        self.record = record
        self.initiator = initiator
        self.attempts = 0
        """Rounds of offers to a queue that nobody accepted."""
        self.queue_before = queue_before
        """The task's queue when the transfer started, which it returns to when the transfer is canceled."""


class WorkspaceState:
    """A workspace and everything in it, each kind in order of creation."""

    __slots__ = (
        "activities",
        "armed",
        "channel_names",
        "queue_names",
        "queues",
        "record",
        "reservations",
        "task_channels",
        "tasks",
        "transfers",
        "worker_names",
        "workers",
        "workflow_names",
        "workflows",
    )

    def __init__(self, record: Workspace) -> None:
        self.record = record
        self.activities: dict[str, Activity] = {}
        self.task_channels: dict[str, TaskChannel] = {}
        self.channel_names: dict[str, str] = {}
        """Task channel sid by unique name."""
        self.workers: dict[str, WorkerState] = {}
        self.worker_names: dict[str, str] = {}
        """Worker sid by name in lower case."""
        self.queues: dict[str, QueueState] = {}
        self.queue_names: dict[str, str] = {}
        self.workflows: dict[str, WorkflowState] = {}
        self.workflow_names: dict[str, str] = {}
        self.tasks: dict[str, TaskState] = {}
        self.reservations: dict[str, ReservationState] = {}
        self.transfers: dict[str, TransferState] = {}
        self.armed: list[int | None] = []
        """Outcomes kept for the next voice instructions: a reason code, or None for success."""

    def path(self, kind: str, sid: str) -> str:
        """Return the path of something in this workspace."""
        return f"/Workspaces/{self.record.sid}/{kind}/{sid}"

    def activity(self, sid: str) -> Activity:
        """Return an activity, or raise Rejected(404)."""
        found = self.activities.get(sid) or self.activities.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("Activities", sid))
        return found

    def activity_named(self, sid: str) -> Activity:
        """Return the activity that a parameter names, or raise Rejected(400)."""
        found = self.activities.get(sid) or self.activities.get(canonical(sid))
        if found is None:
            raise errors.unknown_activity(sid)
        return found

    def find_task_channel(self, reference: str) -> TaskChannel | None:
        """Return a task channel by sid or unique name, or None."""
        sid = self.channel_names.get(reference, reference)
        return self.task_channels.get(sid) or self.task_channels.get(canonical(sid))

    def task_channel(self, reference: str) -> TaskChannel:
        """Return a task channel by sid or unique name, or raise Rejected(404)."""
        found = self.find_task_channel(reference)
        if found is None:
            raise errors.not_found(self.path("TaskChannels", reference))
        return found

    def worker(self, sid: str) -> WorkerState:
        """Return a worker, or raise Rejected(404)."""
        found = self.workers.get(sid) or self.workers.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("Workers", sid))
        return found

    def queue(self, sid: str) -> QueueState:
        """Return a queue, or raise Rejected(404)."""
        found = self.queues.get(sid) or self.queues.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("TaskQueues", sid))
        return found

    def workflow(self, sid: str) -> WorkflowState:
        """Return a workflow, or raise Rejected(404)."""
        found = self.workflows.get(sid) or self.workflows.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("Workflows", sid))
        return found

    def task(self, sid: str) -> TaskState:
        """Return a task, or raise Rejected(404)."""
        found = self.tasks.get(sid) or self.tasks.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("Tasks", sid))
        return found

    def reservation(self, sid: str, task_sid: str | None = None, worker_sid: str | None = None) -> ReservationState:
        """Return a reservation, of that task and that worker where they are given, or raise Rejected(404)."""
        found = self.reservations.get(sid) or self.reservations.get(canonical(sid))
        if found is not None:
            record = found.record
            if task_sid is not None and canonical(task_sid) != record.task_sid:
                found = None
            elif worker_sid is not None and canonical(worker_sid) != record.worker_sid:
                found = None
        if found is None:
            parent = f"Tasks/{task_sid}/" if task_sid else f"Workers/{worker_sid}/" if worker_sid else ""
            raise errors.not_found(self.path(f"{parent}Reservations", sid))
        return found

    def transfer(self, sid: str) -> TransferState:
        """Return a transfer, or raise Rejected(404)."""
        found = self.transfers.get(sid) or self.transfers.get(canonical(sid))
        if found is None:
            raise errors.not_found(self.path("Transfers", sid))
        return found
