"""Reading the engine's state. Lists are in order of creation; unknown sids raise Rejected(404)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import model
from .core.kernel import Kernel
from .core.state import ReservationState
from .core.workspace import WorkspaceState, find
from .expressions import Semantics, WorkerScope, WorkersScope
from .routing.explaining import explain
from .routing.matching import workers_scope
from .routing.verdicts import Explanation


class Queries:
    """The reading half of the engine. What it returns never changes afterwards."""

    _kernel: Kernel

    @property
    def semantics(self) -> Semantics:
        """What expressions mean by the engine's rules."""
        return self._kernel.semantics

    def workspaces(self) -> list[model.Workspace]:
        """Return all workspaces."""
        return [ws.record for ws in self._kernel.workspaces.values()]

    def workspace(self, workspace_sid: str) -> model.Workspace:
        """Return a workspace."""
        return self._kernel.workspace(workspace_sid).record

    def workspace_of(self, sid: str) -> str | None:
        """Return the sid of the workspace that a worker or task is in, or None when there is no such sid."""
        for workspace_sid, ws in self._kernel.workspaces.items():
            if find(ws.tasks, sid) is not None or find(ws.workers, sid) is not None:
                return workspace_sid
        return None

    def activities(self, workspace_sid: str) -> list[model.Activity]:
        """Return the activities of a workspace."""
        return list(self._kernel.workspace(workspace_sid).activities.values())

    def activity(self, workspace_sid: str, sid: str) -> model.Activity:
        """Return an activity."""
        return self._kernel.workspace(workspace_sid).activity(sid)

    def workers(self, workspace_sid: str) -> list[model.Worker]:
        """Return the workers of a workspace."""
        return [worker.record for worker in self._kernel.workspace(workspace_sid).workers.values()]

    def worker(self, workspace_sid: str, sid: str) -> model.Worker:
        """Return a worker."""
        return self._kernel.workspace(workspace_sid).worker(sid).record

    def worker_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """Return a worker's attributes, parsed; what lies inside is not to be changed."""
        return MappingProxyType(dict(self._kernel.workspace(workspace_sid).worker(sid).attributes))

    def worker_scope(self, workspace_sid: str, sid: str) -> WorkerScope:
        """Return what a queue expression sees of a worker now; to be used at once and not to be changed."""
        return self._kernel.workspace(workspace_sid).worker(sid).queue_scope

    def channels(self, workspace_sid: str, worker_sid: str) -> list[model.WorkerChannel]:
        """Return a worker's channels."""
        return list(self._kernel.workspace(workspace_sid).worker(worker_sid).channels.values())

    def channel(self, workspace_sid: str, worker_sid: str, channel: str) -> model.WorkerChannel:
        """Return a worker's channel by its sid (WC), or by sid or unique name of the task channel."""
        ws = self._kernel.workspace(workspace_sid)
        return ws.worker_channel(ws.worker(worker_sid), channel)

    def task_channels(self, workspace_sid: str) -> list[model.TaskChannel]:
        """Return the task channels of a workspace."""
        return list(self._kernel.workspace(workspace_sid).task_channels.values())

    def task_channel(self, workspace_sid: str, task_channel: str) -> model.TaskChannel:
        """Return a task channel by sid or unique name."""
        return self._kernel.workspace(workspace_sid).task_channel(task_channel)

    def queues(self, workspace_sid: str) -> list[model.TaskQueue]:
        """Return the task queues of a workspace."""
        return [queue.record for queue in self._kernel.workspace(workspace_sid).queues.values()]

    def queue(self, workspace_sid: str, sid: str) -> model.TaskQueue:
        """Return a task queue."""
        return self._kernel.workspace(workspace_sid).queue(sid).record

    def queue_members(self, workspace_sid: str, queue_sid: str) -> list[model.Worker]:
        """Return the workers that a queue's TargetWorkers matches."""
        ws = self._kernel.workspace(workspace_sid)
        members = ws.queue(queue_sid).members
        return [worker.record for sid, worker in ws.workers.items() if sid in members]

    def queue_counts(self, workspace_sid: str, queue_sid: str) -> WorkersScope:
        """Return how many members of a queue are available, unavailable, and in each activity."""
        return workers_scope(self._kernel.workspace(workspace_sid).queue(queue_sid))

    def queues_of_worker(self, workspace_sid: str, worker_sid: str) -> list[model.TaskQueue]:
        """Return the queues whose TargetWorkers matches a worker."""
        ws = self._kernel.workspace(workspace_sid)
        mine = ws.worker(worker_sid).queues
        return [queue.record for sid, queue in ws.queues.items() if sid in mine]

    def workflows(self, workspace_sid: str) -> list[model.Workflow]:
        """Return the workflows of a workspace."""
        return [workflow.record for workflow in self._kernel.workspace(workspace_sid).workflows.values()]

    def workflow(self, workspace_sid: str, sid: str) -> model.Workflow:
        """Return a workflow."""
        return self._kernel.workspace(workspace_sid).workflow(sid).record

    def tasks(self, workspace_sid: str) -> list[model.Task]:
        """Return the tasks of a workspace, those that are over included until they are purged."""
        return [task.record for task in self._kernel.workspace(workspace_sid).tasks.values()]

    def task(self, workspace_sid: str, sid: str) -> model.Task:
        """Return a task."""
        return self._kernel.workspace(workspace_sid).task(sid).record

    def task_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """Return a task's attributes, parsed; what lies inside is not to be changed."""
        return MappingProxyType(dict(self._kernel.workspace(workspace_sid).task(sid).attributes))

    def reservations(
        self, workspace_sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> list[model.Reservation]:
        """Return the reservations of a workspace, of a task, of a worker, or of both."""
        ws = self._kernel.workspace(workspace_sid)
        found = ws.reservations
        if task_sid is not None:
            found = ws.task(task_sid).reservations
        if worker_sid is not None:
            mine = ws.worker(worker_sid).reservations
            found = mine if task_sid is None else {sid: r for sid, r in found.items() if sid in mine}
        return [reservation.record for reservation in found.values()]

    def open_reservations(self, workspace_sid: str, worker_sid: str) -> list[model.Reservation]:
        """Return a worker's reservations that are pending, accepted or wrapping."""
        worker = self._kernel.workspace(workspace_sid).worker(worker_sid)
        return [reservation.record for reservation in worker.open.values()]

    def reservation(
        self, workspace_sid: str, sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> model.Reservation:
        """Return a reservation; it must be of that task and that worker where they are given."""
        return self._kernel.workspace(workspace_sid).reservation(sid, task_sid, worker_sid).record

    def reservation_view(
        self, workspace_sid: str, sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> model.ReservationView:
        """Return a reservation with its task, worker and transfers, all of the same moment."""
        ws = self._kernel.workspace(workspace_sid)
        return _view(ws, ws.reservation(sid, task_sid, worker_sid))

    def reservation_views(self, workspace_sid: str, worker_sid: str, *, active: bool) -> list[model.ReservationView]:
        """Return a worker's reservations as views; ``active``: only those pending, accepted or wrapping."""
        ws = self._kernel.workspace(workspace_sid)
        worker = ws.worker(worker_sid)
        return [_view(ws, reservation) for reservation in (worker.open if active else worker.reservations).values()]

    def transfers(self, workspace_sid: str, task_sid: str) -> list[model.Transfer]:
        """Return the transfers of a task."""
        task = self._kernel.workspace(workspace_sid).task(task_sid)
        return [transfer.record for transfer in task.transfers.values()]

    def transfer(self, workspace_sid: str, sid: str) -> model.Transfer:
        """Return a transfer."""
        return self._kernel.workspace(workspace_sid).transfer(sid).record

    def participants(
        self, workspace_sid: str, task_sid: str
    ) -> tuple[model.CustomerParticipant, list[model.WorkerParticipant]]:
        """Return what was noted about the legs of a task's conference."""
        task = self._kernel.workspace(workspace_sid).task(task_sid)
        customer = task.customer or model.CustomerParticipant(task_sid=task.record.sid)
        return customer, list(task.participants.values())

    def open_sessions(self, workspace_sid: str, worker_sid: str) -> int:
        """Return how many websocket sessions of a worker were said to be open."""
        return self._kernel.workspace(workspace_sid).worker(worker_sid).sessions

    def explain(self, workspace_sid: str, task_sid: str) -> Explanation:
        """Return why a task is, or is not, with a worker, as data that reads well as text, too."""
        ws = self._kernel.workspace(workspace_sid)
        return explain(self._kernel, ws, ws.task(task_sid))


def _view(ws: WorkspaceState, reservation: ReservationState) -> model.ReservationView:
    task = reservation.task
    incoming = ws.transfers.get(reservation.record.transfer_sid or "")
    outgoing = task.transfer
    return model.ReservationView(
        reservation=reservation.record,
        task=task.record,
        worker=reservation.worker.record,
        task_transfer=incoming.record if incoming is not None else None,
        active_outgoing_task_transfer=(
            outgoing.record if outgoing is not None and outgoing.initiator is reservation else None
        ),
    )
