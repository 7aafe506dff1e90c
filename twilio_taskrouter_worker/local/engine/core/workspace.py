"""A workspace and everything in it, found by sid or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .. import errors
from ..model import Activity, Task, TaskChannel, TaskQueue, WorkerChannel, Workflow, Workspace
from .sids import canonical
from .state import QueueState, ReservationState, TaskState, TransferState, WorkerState, WorkflowState

T = TypeVar("T")


def find(records: Mapping[str, T], sid: str) -> T | None:
    """Return the record with this sid, or None.

    Args:
        records: Records by sid, with the digits in lower case.
        sid: The digits may be in either case.
    """
    # Sids are nearly always canonical; the second lookup serves those that are not.
    return records.get(sid) or records.get(canonical(sid))


class WorkspaceState:
    """A workspace and everything in it, each kind in order of creation."""

    __slots__ = (
        "activities",
        "armed",
        "channel_names",
        "figures_read",
        "queue_names",
        "queues",
        "record",
        "reservations",
        "routed",
        "task_channels",
        "tasks",
        "transfers",
        "worker_names",
        "workers",
        "workflow_names",
        "workflows",
    )

    def __init__(self, record: Workspace) -> None:
        self.record: Workspace = record
        self.activities: dict[str, Activity] = {}
        self.task_channels: dict[str, TaskChannel] = {}
        self.routed: dict[str, None] = {}
        """Sids of the task channels that a task was on at some time: those whose idle workers are kept in order."""
        self.channel_names: dict[str, str] = {}
        """Task channel sid by unique name."""
        self.workers: dict[str, WorkerState] = {}
        self.worker_names: dict[str, str] = {}
        """Worker sid by name in lower case."""
        self.queues: dict[str, QueueState] = {}
        # Names of queues and workflows are compared exactly; those of workers and activities without regard to case.
        self.queue_names: dict[str, str] = {}
        self.workflows: dict[str, WorkflowState] = {}
        self.workflow_names: dict[str, str] = {}
        self.tasks: dict[str, TaskState] = {}
        self.reservations: dict[str, ReservationState] = {}
        self.transfers: dict[str, TransferState] = {}
        self.figures_read: bool = False
        """A task whose target expression reads figures of a worker's channel has waited here at some time."""
        self.armed: list[int | None] = []
        """Outcomes kept for the next voice instructions: a reason code, or None for success."""

    def path(self, kind: str, sid: str) -> str:
        """Return the REST path of a resource in this workspace, without the version prefix.

        Args:
            kind: The collection, such as ``Tasks`` or ``Workers/WK.../Channels``.
            sid: The resource, as the request spelled it; it need not exist.
        """
        return f"/Workspaces/{self.record.sid}/{kind}/{sid}"

    def renamed(self, names: dict[str, str], before: str, record: TaskQueue | Workflow, kind: str) -> None:
        """Register a queue or workflow under its new name, and update the name shown by its tasks.

        Args:
            names: The register of its kind, sid by name; changed in place.
            before: The name to release.
            record: The record that has the new name already.
            kind: Prefix of the fields in tasks: ``task_queue`` or ``workflow``.
        """
        del names[before]
        names[record.friendly_name] = record.sid
        # A copied name does not count as a change of the task: version and date stay, and no event is emitted.
        # Of all tasks and not only those in ``queue.tasks``: ended ones show the name until they are purged.
        for task in self.tasks.values():
            if getattr(task.record, f"{kind}_sid") == record.sid:
                task.record = task.record.replaced(**{f"{kind}_friendly_name": record.friendly_name})

    def queue_of(self, task: Task) -> TaskQueue | None:
        """Return the queue that a task is in, or ended in; None: there is none, or it was deleted since.

        Args:
            task: The task.
        """
        queue = self.queues.get(task.task_queue_sid or "")
        return None if queue is None else queue.record

    def _found(self, records: Mapping[str, T], kind: str, sid: str) -> T:
        """Return the record with this sid, or raise Rejected(404)."""
        found = find(records, sid)
        if found is None:
            raise errors.not_found(self.path(kind, sid))
        return found

    def activity(self, sid: str) -> Activity:
        """Return the activity that a path names.

        Args:
            sid: Sid of the activity, from the URL.

        Raises:
            Rejected: 404, the workspace has no such activity.
        """
        return self._found(self.activities, "Activities", sid)

    def activity_named(self, sid: str, parameter: str = "ActivitySid") -> Activity:
        """Return the activity that a parameter names.

        Args:
            sid: Value of the parameter.
            parameter: REST name of the parameter, for the error message.

        Raises:
            Rejected: 400, the workspace has no such activity: the request is wrong, not its URL.
        """
        # The two lookups differ only in the status of the refusal.
        found = find(self.activities, sid)
        if found is None:
            raise errors.unknown_activity(sid, parameter)
        return found

    def find_task_channel(self, reference: str) -> TaskChannel | None:
        """Return a task channel, or None.

        Args:
            reference: Its sid or its unique name.
        """
        # By name first: a unique name may look like a sid.
        return find(self.task_channels, self.channel_names.get(reference, reference))

    def task_channel(self, reference: str) -> TaskChannel:
        """Return a task channel.

        Args:
            reference: Its sid or its unique name.

        Raises:
            Rejected: 404, the workspace has no such task channel.
        """
        found = self.find_task_channel(reference)
        if found is None:
            raise errors.not_found(self.path("TaskChannels", reference))
        return found

    def worker_channel(self, worker: WorkerState, reference: str) -> WorkerChannel:
        """Return a worker's channel.

        Args:
            worker: The worker whose channels are searched.
            reference: Sid of the worker channel (``WC``), or sid or unique name of its task channel.

        Raises:
            Rejected: 404, the worker has no such channel.
        """
        task_channel = self.find_task_channel(reference)
        if task_channel is not None:
            # Every worker has a channel for every task channel of the workspace.
            return worker.channels[task_channel.sid]
        own = {channel.sid: channel for channel in worker.channels.values()}
        return self._found(own, f"Workers/{worker.record.sid}/Channels", reference)

    def worker(self, sid: str) -> WorkerState:
        """Return a worker.

        Args:
            sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, the workspace has no such worker.
        """
        return self._found(self.workers, "Workers", sid)

    def queue(self, sid: str) -> QueueState:
        """Return a queue.

        Args:
            sid: Sid of the task queue (``WQ``).

        Raises:
            Rejected: 404, the workspace has no such queue.
        """
        return self._found(self.queues, "TaskQueues", sid)

    def workflow(self, sid: str) -> WorkflowState:
        """Return a workflow.

        Args:
            sid: Sid of the workflow (``WW``).

        Raises:
            Rejected: 404, the workspace has no such workflow.
        """
        return self._found(self.workflows, "Workflows", sid)

    def task(self, sid: str) -> TaskState:
        """Return a task, which may have ended but is not purged.

        Args:
            sid: Sid of the task (``WT``).

        Raises:
            Rejected: 404, the workspace has no such task.
        """
        return self._found(self.tasks, "Tasks", sid)

    def reservation(self, sid: str, task_sid: str | None = None, worker_sid: str | None = None) -> ReservationState:
        """Return a reservation.

        Args:
            sid: Sid of the reservation (``WR``).
            task_sid: The task it must belong to, for URLs under a task; None: any.
            worker_sid: The worker it must belong to, for URLs under a worker; None: any.

        Raises:
            Rejected: 404, there is no such reservation of that task and worker; the path is the one that was requested.
        """
        found = find(self.reservations, sid)
        # A reservation under another parent does not exist there: 404, as if its sid were unknown.
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
        """Return a transfer.

        Args:
            sid: Sid of the transfer (``TT``).

        Raises:
            Rejected: 404, the workspace has no such transfer.
        """
        return self._found(self.transfers, "Transfers", sid)
