"""Reading the engine's state.

Lists are in order of creation. Sids are matched without regard to the case of their digits; an unknown one raises
``Rejected`` with status 404, as REST answers it. Records are immutable, so later commands do not change a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import model
from .core.kernel import Kernel
from .core.state import ReservationState
from .core.workspace import WorkspaceState, find
from .expressions import Semantics, WorkerScope
from .routing.explaining import explain
from .routing.verdicts import Explanation


class Queries:
    """The reading half of the engine; results do not change afterwards."""

    _kernel: Kernel

    @property
    def semantics(self) -> Semantics:
        """The switches of the expression language that this engine's rules select."""
        return self._kernel.semantics

    def workspaces(self) -> list[model.Workspace]:
        """Return all workspaces."""
        return [ws.record for ws in self._kernel.workspaces.values()]

    def workspace(self, workspace_sid: str) -> model.Workspace:
        """Return a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return self._kernel.workspace(workspace_sid).record

    def workspace_of(self, sid: str) -> str | None:
        """Return the sid of the workspace that contains a worker or task, or None if no workspace does.

        Args:
            sid: Sid of a worker (``WK``) or a task (``WT``).
        """
        # Two lookups for each workspace, of which there are few.
        for workspace_sid, ws in self._kernel.workspaces.items():
            if find(ws.tasks, sid) is not None or find(ws.workers, sid) is not None:
                return workspace_sid
        return None

    def activities(self, workspace_sid: str) -> list[model.Activity]:
        """Return the activities of a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return list(self._kernel.workspace(workspace_sid).activities.values())

    def activity(self, workspace_sid: str, sid: str) -> model.Activity:
        """Return an activity.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the activity (``WA``).

        Raises:
            Rejected: 404, there is no such workspace or activity.
        """
        return self._kernel.workspace(workspace_sid).activity(sid)

    def workers(self, workspace_sid: str) -> list[model.Worker]:
        """Return the workers of a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return [worker.record for worker in self._kernel.workspace(workspace_sid).workers.values()]

    def worker(self, workspace_sid: str, sid: str) -> model.Worker:
        """Return a worker.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        return self._kernel.workspace(workspace_sid).worker(sid).record

    def worker_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """Return a worker's attributes, parsed.

        The engine shares the nested values; the caller must not change them.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        return MappingProxyType(dict(self._kernel.workspace(workspace_sid).worker(sid).attributes))

    def worker_scope(self, workspace_sid: str, sid: str) -> WorkerScope:
        """Return the scope against which queue expressions test a worker.

        Unlike other results it refers to the engine's live documents: use it before the next command and do not change
        it.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        return self._kernel.workspace(workspace_sid).worker(sid).queue_scope

    def channels(self, workspace_sid: str, worker_sid: str) -> list[model.WorkerChannel]:
        """Return a worker's channels.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            worker_sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        return list(self._kernel.workspace(workspace_sid).worker(worker_sid).channels.values())

    def channel(self, workspace_sid: str, worker_sid: str, channel: str) -> model.WorkerChannel:
        """Return one channel of a worker.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            worker_sid: Sid of the worker (``WK``).
            channel: Sid of the worker channel (``WC``), or sid (``TC``) or unique name of its task channel.

        Raises:
            Rejected: 404, there is no such workspace, worker or channel.
        """
        ws = self._kernel.workspace(workspace_sid)
        return ws.worker_channel(ws.worker(worker_sid), channel)

    def task_channels(self, workspace_sid: str) -> list[model.TaskChannel]:
        """Return the task channels of a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return list(self._kernel.workspace(workspace_sid).task_channels.values())

    def task_channel(self, workspace_sid: str, task_channel: str) -> model.TaskChannel:
        """Return a task channel.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            task_channel: Its sid (``TC``) or unique name.

        Raises:
            Rejected: 404, there is no such workspace or task channel.
        """
        return self._kernel.workspace(workspace_sid).task_channel(task_channel)

    def queues(self, workspace_sid: str) -> list[model.TaskQueue]:
        """Return the task queues of a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return [queue.record for queue in self._kernel.workspace(workspace_sid).queues.values()]

    def queue(self, workspace_sid: str, sid: str) -> model.TaskQueue:
        """Return a task queue.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the task queue (``WQ``).

        Raises:
            Rejected: 404, there is no such workspace or task queue.
        """
        return self._kernel.workspace(workspace_sid).queue(sid).record

    def queue_members(self, workspace_sid: str, queue_sid: str) -> list[model.Worker]:
        """Return the workers that a queue's TargetWorkers matches, available or not.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            queue_sid: Sid of the task queue (``WQ``).

        Raises:
            Rejected: 404, there is no such workspace or task queue.
        """
        ws = self._kernel.workspace(workspace_sid)
        members = ws.queue(queue_sid).members
        # Walk the workers, not the members: the result is in order of creation, as every list is.
        return [worker.record for sid, worker in ws.workers.items() if sid in members]

    def queues_of_worker(self, workspace_sid: str, worker_sid: str) -> list[model.TaskQueue]:
        """Return the queues whose TargetWorkers matches a worker.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            worker_sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        ws = self._kernel.workspace(workspace_sid)
        mine = ws.worker(worker_sid).queues
        return [queue.record for sid, queue in ws.queues.items() if sid in mine]

    def workflows(self, workspace_sid: str) -> list[model.Workflow]:
        """Return the workflows of a workspace.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return [workflow.record for workflow in self._kernel.workspace(workspace_sid).workflows.values()]

    def workflow(self, workspace_sid: str, sid: str) -> model.Workflow:
        """Return a workflow.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the workflow (``WW``).

        Raises:
            Rejected: 404, there is no such workspace or workflow.
        """
        return self._kernel.workspace(workspace_sid).workflow(sid).record

    def tasks(self, workspace_sid: str) -> list[model.Task]:
        """Return the tasks of a workspace, including ended ones that are not purged yet.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        return [task.record for task in self._kernel.workspace(workspace_sid).tasks.values()]

    def task(self, workspace_sid: str, sid: str) -> model.Task:
        """Return a task.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the task (``WT``).

        Raises:
            Rejected: 404, there is no such workspace, or no such task (any more).
        """
        return self._kernel.workspace(workspace_sid).task(sid).record

    def task_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """Return a task's attributes, parsed.

        The engine shares the nested values; the caller must not change them.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the task (``WT``).

        Raises:
            Rejected: 404, there is no such workspace or task.
        """
        return MappingProxyType(dict(self._kernel.workspace(workspace_sid).task(sid).attributes))

    def step(self, workspace_sid: str, sid: str) -> tuple[str, int] | None:
        """Return the filter and the target of its workflow that a task is in, or None if it is in none.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the task (``WT``).

        Returns:
            The label of the filter, or ``filter`` and its number from 1; and the index of the target.

        Raises:
            Rejected: 404, there is no such workspace or task.
        """
        task = self._kernel.workspace(workspace_sid).task(sid)
        if task.plan is None or task.step is None:
            return None
        index = task.filter_index
        # Without an index the step is that of the default filter, which always has a label.
        filter = task.plan.default if index is None else task.plan.filters[index]
        assert filter is not None
        return filter.label or f"filter {(index or 0) + 1}", task.step.index

    def reservations(
        self, workspace_sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> list[model.Reservation]:
        """Return the reservations of a workspace, in any status.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            task_sid: Only those of this task; None: of all tasks.
            worker_sid: Only those of this worker; None: of all workers.

        Raises:
            Rejected: 404, there is no such workspace, task or worker.
        """
        ws = self._kernel.workspace(workspace_sid)
        found = ws.reservations
        if task_sid is not None:
            found = ws.task(task_sid).reservations
        if worker_sid is not None:
            mine = ws.worker(worker_sid).reservations
            # Filtered in the order of the task's reservations.
            found = mine if task_sid is None else {sid: r for sid, r in found.items() if sid in mine}
        return [reservation.record for reservation in found.values()]

    def reservation(
        self, workspace_sid: str, sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> model.Reservation:
        """Return a reservation.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the reservation (``WR``).
            task_sid: The task it must belong to; None: any.
            worker_sid: The worker it must belong to; None: any.

        Raises:
            Rejected: 404, there is no such workspace, or no such reservation of that task and worker.
        """
        return self._kernel.workspace(workspace_sid).reservation(sid, task_sid, worker_sid).record

    def reservation_view(
        self, workspace_sid: str, sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> model.ReservationView:
        """Return a reservation with its task, worker and transfers, all of the same moment.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the reservation (``WR``).
            task_sid: The task it must belong to; None: any.
            worker_sid: The worker it must belong to; None: any.

        Raises:
            Rejected: 404, there is no such workspace, or no such reservation of that task and worker.
        """
        ws = self._kernel.workspace(workspace_sid)
        return _view(ws, ws.reservation(sid, task_sid, worker_sid))

    def reservation_views(self, workspace_sid: str, worker_sid: str, *, active: bool) -> list[model.ReservationView]:
        """Return a worker's reservations, each with its task, worker and transfers.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            worker_sid: Sid of the worker (``WK``).
            active: Only those that are pending, accepted or wrapping.

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        ws = self._kernel.workspace(workspace_sid)
        worker = ws.worker(worker_sid)
        return [_view(ws, reservation) for reservation in (worker.open if active else worker.reservations).values()]

    def transfers(self, workspace_sid: str, task_sid: str) -> list[model.Transfer]:
        """Return the transfers of a task, open and ended.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            task_sid: Sid of the task (``WT``).

        Raises:
            Rejected: 404, there is no such workspace or task.
        """
        task = self._kernel.workspace(workspace_sid).task(task_sid)
        return [transfer.record for transfer in task.transfers.values()]

    def transfer(self, workspace_sid: str, sid: str) -> model.Transfer:
        """Return a transfer.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            sid: Sid of the transfer (``TT``).

        Raises:
            Rejected: 404, there is no such workspace or transfer.
        """
        return self._kernel.workspace(workspace_sid).transfer(sid).record

    def participants(
        self, workspace_sid: str, task_sid: str
    ) -> tuple[model.CustomerParticipant, list[model.WorkerParticipant]]:
        """Return the recorded state of the customer's leg and the workers' legs of a task's conference.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            task_sid: Sid of the task (``WT``).

        Raises:
            Rejected: 404, there is no such workspace or task.
        """
        task = self._kernel.workspace(workspace_sid).task(task_sid)
        # Nothing recorded yet: the customer is not on hold.
        customer = task.customer or model.CustomerParticipant(task_sid=task.record.sid)
        return customer, list(task.participants.values())

    def open_sessions(self, workspace_sid: str, worker_sid: str) -> int:
        """Return the number of a worker's websocket sessions that were reported as open and not as closed.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            worker_sid: Sid of the worker (``WK``).

        Raises:
            Rejected: 404, there is no such workspace or worker.
        """
        return self._kernel.workspace(workspace_sid).worker(worker_sid).sessions

    def timers(self, workspace_sid: str, count: int) -> list[tuple[float, str, model.Record]]:
        """Return the next timers of a workspace in order: due time (unix seconds), kind, and the record each is about.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            count: How many timers at most.

        Raises:
            Rejected: 404, there is no such workspace.
        """
        ws = self._kernel.workspace(workspace_sid)
        found = self._kernel.schedule.first(count, lambda timer: timer.workspace is ws)
        return [(timer.due, timer.kind.value, timer.owner.record) for timer in found]

    def explain(self, workspace_sid: str, task_sid: str, most_workers: int | None = None) -> Explanation:
        """Return why a task is, or is not, with a worker, as data whose ``str()`` is a report.

        Args:
            workspace_sid: Sid of the workspace; the case of its digits does not matter.
            task_sid: Sid of the task (``WT``).
            most_workers: How many workers are explained: those with the fewest failing conditions; None: all.

        Raises:
            Rejected: 404, there is no such workspace or task.
        """
        ws = self._kernel.workspace(workspace_sid)
        return explain(self._kernel, ws, ws.task(task_sid), most_workers)


def _view(ws: WorkspaceState, reservation: ReservationState) -> model.ReservationView:
    task = reservation.task
    incoming = ws.transfers.get(reservation.record.transfer_sid or "")
    # A task has at most one open transfer, and only its initiating reservation shows it as outgoing.
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
