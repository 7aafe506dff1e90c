"""A workspace and everything in it, found by sid or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .. import errors
from ..model import Activity, TaskChannel, TaskQueue, WorkerChannel, Workflow, Workspace
from .sids import canonical
from .state import QueueState, ReservationState, TaskState, TransferState, WorkerState, WorkflowState

T = TypeVar("T")


def find(records: Mapping[str, T], sid: str) -> T | None:
    """Return the record with this sid, whose digits may be in either case, or None."""
    return records.get(sid) or records.get(canonical(sid))


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
        self.record = record
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

    def renamed(self, names: dict[str, str], before: str, record: TaskQueue | Workflow, kind: str) -> None:
        """Keep a queue or workflow under its new name, and show that in its tasks; ``kind`` begins their fields."""
        del names[before]
        names[record.friendly_name] = record.sid
        for task in self.tasks.values():
            if getattr(task.record, f"{kind}_sid") == record.sid:
                task.record = task.record.replaced(**{f"{kind}_friendly_name": record.friendly_name})

    def _found(self, records: Mapping[str, T], kind: str, sid: str) -> T:
        """Return what has this sid, or raise Rejected(404)."""
        found = find(records, sid)
        if found is None:
            raise errors.not_found(self.path(kind, sid))
        return found

    def activity(self, sid: str) -> Activity:
        """Return an activity, or raise Rejected(404)."""
        return self._found(self.activities, "Activities", sid)

    def activity_named(self, sid: str) -> Activity:
        """Return the activity that a parameter names, or raise Rejected(400)."""
        found = find(self.activities, sid)
        if found is None:
            raise errors.unknown_activity(sid)
        return found

    def find_task_channel(self, reference: str) -> TaskChannel | None:
        """Return a task channel by sid or unique name, or None."""
        return find(self.task_channels, self.channel_names.get(reference, reference))

    def task_channel(self, reference: str) -> TaskChannel:
        """Return a task channel by sid or unique name, or raise Rejected(404)."""
        found = self.find_task_channel(reference)
        if found is None:
            raise errors.not_found(self.path("TaskChannels", reference))
        return found

    def worker_channel(self, worker: WorkerState, reference: str) -> WorkerChannel:
        """Return a worker's channel by its own sid or by task channel, or raise Rejected(404)."""
        task_channel = self.find_task_channel(reference)
        if task_channel is not None:
            return worker.channels[task_channel.sid]
        own = {channel.sid: channel for channel in worker.channels.values()}
        return self._found(own, f"Workers/{worker.record.sid}/Channels", reference)

    def worker(self, sid: str) -> WorkerState:
        """Return a worker, or raise Rejected(404)."""
        return self._found(self.workers, "Workers", sid)

    def queue(self, sid: str) -> QueueState:
        """Return a queue, or raise Rejected(404)."""
        return self._found(self.queues, "TaskQueues", sid)

    def workflow(self, sid: str) -> WorkflowState:
        """Return a workflow, or raise Rejected(404)."""
        return self._found(self.workflows, "Workflows", sid)

    def task(self, sid: str) -> TaskState:
        """Return a task, or raise Rejected(404)."""
        return self._found(self.tasks, "Tasks", sid)

    def reservation(self, sid: str, task_sid: str | None = None, worker_sid: str | None = None) -> ReservationState:
        """Return a reservation, of that task and that worker where they are given, or raise Rejected(404)."""
        found = find(self.reservations, sid)
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
        return self._found(self.transfers, "Transfers", sid)
