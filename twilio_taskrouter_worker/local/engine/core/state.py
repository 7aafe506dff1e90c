"""The engine's mutable state: the current record of each object, and the indices around it that make routing fast.

These objects never leave the engine; results and events contain the records in them. Sets whose order could become
visible are dicts, because the iteration order of a set of strings differs between Python processes.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ..expressions import Expression, TaskScope, WorkerScope
from ..model import (
    PENDING,
    CustomerParticipant,
    Reservation,
    Task,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    WorkerParticipant,
    Workflow,
)
from .plan import Plan, Target
from .schedule import Timer

IdleKey = tuple[float, int, str]
"""Orders idle workers: when last given a task, a counter that tells apart what happened at one time, sid."""

OrderKey = tuple[float, float, float]
"""Smaller is served earlier; comparable only among tasks of queues with the same task order. The last is unique."""

GroupKey = Hashable
Groups = dict[GroupKey, "Group"]
KnownKey = tuple[str, str, str]

_COMPACT_FROM = 64  # entries; smaller groups are not compacted


class Group:
    """Waiting tasks of one queue and channel that suit the same workers, best first."""

    __slots__ = ("heap", "home", "key", "known", "tasks")

    def __init__(
        self, home: Groups, key: GroupKey, known: tuple[dict[KnownKey, Groups], KnownKey] | None = None
    ) -> None:
        self.home: Groups = home
        self.key: GroupKey = key
        self.known: tuple[dict[KnownKey, Groups], KnownKey] | None = known
        """The register and key of the home itself, if the group waits for a known worker."""
        self.tasks: dict[OrderKey, TaskState] = {}
        # The key of a task that leaves stays in the heap until it reaches the top. Only keys, which Python's garbage
        # collector does not go through.
        self.heap: list[OrderKey] = []

    def top(self) -> OrderKey:
        """Return the key of the best task.

        Raises:
            IndexError: The group has no task; one that is registered in its home always has.
        """
        heap = self.heap
        while heap[0] not in self.tasks:
            heapq.heappop(heap)
        return heap[0]

    def add(self, key: OrderKey, task: TaskState) -> None:
        """Add a waiting task.

        Args:
            key: Its order key; the caller stores it in ``task.entry`` too.
            task: Waits in no group.
        """
        # Only groups in use are registered, so that best_for never meets an empty one.
        if not self.tasks:
            self.home[self.key] = self
            if self.known is not None:
                # A home for a known worker is registered only while a group is in it.
                self.known[0][self.known[1]] = self.home
        self.tasks[key] = task
        heapq.heappush(self.heap, key)

    def drop(self, key: OrderKey) -> None:
        """Remove the task with this key.

        Raises:
            KeyError: There is none.
        """
        del self.tasks[key]
        if not self.tasks:
            self.heap.clear()
            del self.home[self.key]
            # References to known workers come from customers' data: without this each would stay for ever.
            if self.known is not None and not self.home:
                del self.known[0][self.known[1]]
        # Half of the heap is stale, so the sweep costs no more than the departures since the last one.
        elif len(self.heap) > _COMPACT_FROM and len(self.tasks) * 2 < len(self.heap):
            self.heap = list(self.tasks)
            heapq.heapify(self.heap)


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
        "listed_keys",
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
        self.record: Worker = record
        self.attributes: Mapping[str, Any] = attributes
        self.fields: dict[str, Any] = {}
        # By unique name of the task channel, as expressions spell it; changed in place by index.idle.set_channel.
        self.channel_documents: dict[str, dict[str, Any]] = {}
        # Placeholders: handlers.workers.set_scopes makes both once fields and channels exist.
        self.scope: WorkerScope = WorkerScope(attributes)
        # The same object, unless the rules hide the worker's own fields from queues.
        self.queue_scope: WorkerScope = self.scope
        self.channels: dict[str, WorkerChannel] = {}
        """By task channel sid."""
        self.last_reserved: dict[str, tuple[float, int]] = {}
        """By task channel sid; the tuple is the start of an :data:`IdleKey`."""
        self.idle_keys: dict[str, IdleKey | None] = {}
        """By task channel sid: the worker's key among the idle ones; None: it is not one of them."""
        self.listed_keys: dict[str, IdleKey | None] = {}
        """By task channel sid: the key under which the worker is in the lists of its queues; see :mod:`index.idle`."""
        self.queues: dict[str, QueueState] = {}
        self.direct: dict[str, Group] = {}
        """By task channel sid: tasks that wait for this worker and no queue."""
        # All until their tasks are purged; ``open`` has those that occupy a place.
        self.reservations: dict[str, ReservationState] = {}
        self.open: dict[str, ReservationState] = {}
        # Websockets that are open. The timer runs between the close of the last one and the move offline, if rules
        # delay it.
        self.sessions: int = 0
        self.offline_timer: Timer | None = None


class QueueState:
    """A queue, its members, the idle among them, and the tasks waiting in it."""

    __slots__ = ("activity_counts", "expression", "idle", "known", "members", "pending", "record", "tasks")

    def __init__(self, record: TaskQueue, expression: Expression) -> None:
        self.record: TaskQueue = record
        self.expression: Expression = expression
        self.members: dict[str, WorkerState] = {}
        # Members by activity sid, for skip_if; an activity without members has no entry.
        self.activity_counts: dict[str, int] = {}
        self.idle: dict[str, list[IdleKey]] = {}
        """By task channel sid, made when first needed: members that could take a task now, longest idle first."""
        self.pending: dict[str, Groups] = {}
        """By task channel sid: waiting tasks that any member may be offered."""
        self.known: dict[tuple[str, str, str], Groups] = {}
        """By task channel sid, kind of reference and reference: waiting tasks for one known worker."""
        self.tasks: dict[str, TaskState] = {}
        """Tasks booked under this queue that have not ended."""


class WorkflowState:
    """A workflow and its parsed configuration."""

    __slots__ = ("plan", "record", "tasks")

    def __init__(self, record: Workflow, plan: Plan) -> None:
        self.record: Workflow = record
        self.plan: Plan = plan
        self.tasks: dict[str, TaskState] = {}
        """Tasks of this workflow that have not ended."""


class Route(enum.Enum):
    """How a task finds workers."""

    WORKFLOW = "workflow"
    QUEUE = "queue"
    """It waits in the queue that is its routing target."""
    WORKER = "worker"
    """It is offered to nobody but its routing target."""


class TaskState(TaskScope):
    """A task, its place in its workflow, and its reservations; expressions see its attributes and the clock."""

    __slots__ = (
        "accepted",
        "assigned_timer",
        "change_timer",
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
        "re_evaluated",
        "record",
        "reservations",
        "route",
        "sla_timer",
        "step",
        "step_expired",
        "step_timer",
        "transfer",
        "transfers",
        "ttl_timer",
        "walked",
        "workflow",
    )

    def __init__(
        self, record: Task, attributes: Mapping[str, Any], number: int, now: Callable[[], float] | None = None
    ) -> None:
        self.attributes = attributes
        self.now = now
        self.record: Task = record
        self.number: int = number
        """Counts tasks; breaks ties in the order of creation."""
        self.route: Route = Route.WORKFLOW
        self.workflow: WorkflowState | None = None
        self.plan: Plan | None = None
        """The configuration the task is walking through: that of its workflow when it entered."""
        self.filter_index: int | None = None
        """Index of the filter of the current step; None is the default filter or no step."""
        self.step: Target | None = None
        self.step_timer: Timer | None = None
        self.change_timer: Timer | None = None
        """When the step's expression may change by itself."""
        self.step_expired: bool = False
        """The step's time ended while a reservation was pending."""
        self.walked: float = 0.0
        """Seconds of the timeouts of all steps of the filters that the task has come through on this way."""
        self.entering: bool = False
        """The step was entered by the present change, so its skip_if is not evaluated yet."""
        self.re_evaluated: str | None = None
        """Why the task is routed again, as events name it; None on its first way and while a worker has it."""
        self.fresh: bool = True
        """Being created: changes before its first routing do not increase the version."""
        self.queue: QueueState | None = None
        self.entry: OrderKey | None = None
        self.group: Group | None = None
        """Where the task waits; None when it does not."""
        # From creation until the first acceptance; a transferred task has none.
        self.ttl_timer: Timer | None = None
        # Only with a worker as routing target that may be busy: until the reservation is made.
        self.sla_timer: Timer | None = None
        # From the first acceptance until the task is wrapping or ends; it runs on through transfers.
        self.assigned_timer: Timer | None = None
        # Only after the end.
        self.purge_timer: Timer | None = None
        self.reservations: dict[str, ReservationState] = {}
        self.open: dict[str, ReservationState] = {}
        self.accepted: bool = False
        """Somebody has accepted it at some time."""
        self.completed_any: bool = False
        """Some reservation of it was completed."""
        self.transfers: dict[str, TransferState] = {}
        self.transfer: TransferState | None = None
        """The transfer that is open."""
        # Conference legs are recorded only; routing does not read them.
        self.customer: CustomerParticipant | None = None
        self.participants: dict[str, WorkerParticipant] = {}
        """By reservation sid."""

    @property
    def direct(self) -> bool:
        """Whether only the routing target may be offered the task as it is now; a transfer suspends that."""
        return self.route is Route.WORKER and self.transfer is None

    def timers(self) -> tuple[Timer | None, ...]:
        """Return every timer of the task itself and of its reservations."""
        own: tuple[Timer | None, ...] = (self.ttl_timer, self.step_timer, self.change_timer)
        own += (self.sla_timer, self.assigned_timer, self.purge_timer)
        return own + tuple(timer for r in self.open.values() for timer in (r.timer, r.voice_timer))

    def known_worker(self) -> dict[str, Any]:
        """Return the known worker that the present step asks for, keyed as in events; empty if it asks for none."""
        known = self.step.known if self.step is not None else None
        return {f"known_worker_{known.kind}": known.key.value(self)} if known is not None else {}

    def pending(self) -> list[ReservationState]:
        """Return the reservations that are pending."""
        return [r for r in self.open.values() if r.record.reservation_status == PENDING]

    def workers(self) -> tuple[str, ...]:
        """Return the sids of the workers with an open reservation on the task, each once."""
        # A dict keeps the order in which the reservations were made.
        return tuple(dict.fromkeys(r.record.worker_sid for r in self.open.values()))


class ReservationState:
    """A reservation between its task and its worker."""

    __slots__ = ("record", "task", "timer", "voice_timer", "worker")

    def __init__(self, record: Reservation, task: TaskState, worker: WorkerState) -> None:
        self.record: Reservation = record
        self.task: TaskState = task
        self.worker: WorkerState = worker
        self.timer: Timer | None = None
        self.voice_timer: Timer | None = None


class TransferState:
    """A transfer."""

    __slots__ = ("attempts", "initiator", "queue_before", "record")

    def __init__(self, record: Transfer, initiator: ReservationState, queue_before: QueueState | None) -> None:
        self.record: Transfer = record
        # The transferor's reservation: it leads to the task, and decides the status to which the task falls back.
        self.initiator: ReservationState = initiator
        self.attempts: int = 0
        """Rounds of offers to a queue that nobody accepted."""
        self.queue_before: QueueState | None = queue_before
        """The task's queue when the transfer started, which it returns to when the transfer is canceled."""
