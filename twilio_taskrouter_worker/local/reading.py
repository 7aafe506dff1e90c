"""The reading of one workspace, as it is in a running router or as it was at an earlier moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from .._display.tables import Listing
from ..errors import NotFoundError, RequestRejectedError, StateError, VersionConflictError
from .engine import Engine, Rejected, model
from .explanation import Explanation

T = TypeVar("T")
Named = model.Activity | model.TaskChannel | model.TaskQueue | model.Worker | model.Workflow


class WorkspaceReading:
    """Reads one workspace. Records that are returned do not change afterwards.

    Workers, queues, workflows and activities are given by name or by sid.
    """

    # -- provided by the class that has the engine -------------------------------------------------------------------

    @property
    def workspace_sid(self) -> str:
        """The workspace of all these operations.

        Raises:
            StateError: The router is not running, or has no workspace.
        """
        raise NotImplementedError

    def _ask(self, read: Callable[[Engine], T]) -> T:
        """Return the result of a function of the engine, which must only read."""
        raise NotImplementedError

    # -- names -------------------------------------------------------------------------------------------------------

    @property
    def activities(self) -> Mapping[str, str]:
        """The sids of the activities by their names. Blocks for less than a millisecond.

        Raises:
            StateError: The router is not running.
        """
        found = self._ask(lambda engine: engine.activities(self.workspace_sid))
        return MappingProxyType({activity.friendly_name: activity.sid for activity in found})

    @property
    def workflow_sid(self) -> str:
        """The workspace's first workflow. Blocks for less than a millisecond.

        Raises:
            StateError: It has none, or the router is not running.
        """
        return self._first("workflow", self._ask(lambda engine: engine.workflows(self.workspace_sid)))

    @property
    def task_queue_sid(self) -> str:
        """The workspace's first task queue. Blocks for less than a millisecond.

        Raises:
            StateError: It has none, or the router is not running.
        """
        return self._first("task queue", self._ask(lambda engine: engine.queues(self.workspace_sid)))

    @staticmethod
    def _first(kind: str, found: Iterable[model.Workflow] | Iterable[model.TaskQueue]) -> str:
        for each in found:
            return each.sid
        raise StateError(f"The workspace has no {kind}")

    def _sid(self, kind: str, name: str, list_all: Callable[[Engine, str], Iterable[Named]]) -> str:
        """Return the sid for a name or sid; a sid comes first where a name looks like one."""
        if not isinstance(name, str):
            raise TypeError(f"The {kind} must be a name or a sid, not {type(name).__name__}")
        # Copied on the service's thread, compared on the caller's.
        found = list(self._ask(lambda engine: list_all(engine, self.workspace_sid)))
        for match in (lambda each: each.sid == name, lambda each: _name(each) == name):
            for each in found:
                if match(each):
                    return each.sid
        # Enough to see a misspelling; a workspace may have thousands.
        there_are = ", ".join(repr(_name(each)) for each in found[:20]) or "none"
        raise ValueError(f"There is no {kind} {name!r}; there are {there_are}")

    def _worker_sid(self, worker: str) -> str:
        return self._sid("worker", worker, Engine.workers)

    def _activity_sid(self, activity: str) -> str:
        return self._sid("activity", activity, Engine.activities)

    def _workflow_sid(self, workflow: str) -> str:
        return self._sid("workflow", workflow, Engine.workflows)

    def _queue_sid(self, queue: str) -> str:
        return self._sid("task queue", queue, Engine.queues)

    # -- looking -----------------------------------------------------------------------------------------------------

    def workers(self) -> list[model.Worker]:
        """Return the workers, oldest first. Blocks for less than a millisecond.

        Raises:
            StateError: The router is not running.
        """
        found = self._ask(lambda engine: engine.workers(self.workspace_sid))
        return Listing(found, "Workers", ("friendly_name", "activity_name", "available", "sid"))

    def worker(self, worker: str) -> model.Worker:
        """Return a worker.

        Args:
            worker: Name of a worker of this workspace, or sid of one of any workspace.

        Raises:
            NotFoundError: There is none.
        """
        # This workspace first, where a name means something; a sid may be of any workspace.
        for each in self.workers():
            if worker in (each.sid, each.friendly_name):
                return each
        home = self._home("worker", worker)
        return self._ask(lambda engine: engine.worker(home, worker))

    def queues(self) -> list[model.TaskQueue]:
        """Return the task queues, oldest first. Blocks for less than a millisecond.

        Raises:
            StateError: The router is not running.
        """
        found = self._ask(lambda engine: engine.queues(self.workspace_sid))
        return Listing(found, "Task queues", ("friendly_name", "target_workers", "task_order", "sid"))

    def workflows(self) -> list[model.Workflow]:
        """Return the workflows, oldest first. Blocks for less than a millisecond.

        Raises:
            StateError: The router is not running.
        """
        found = self._ask(lambda engine: engine.workflows(self.workspace_sid))
        return Listing(found, "Workflows", ("friendly_name", "task_reservation_timeout", "sid"))

    def tasks(self) -> list[model.Task]:
        """Return the tasks, oldest first; ended ones are kept for some minutes.

        Blocks for less than a millisecond, or longer with many tasks.

        Raises:
            StateError: The router is not running.
        """
        found = self._ask(lambda engine: engine.tasks(self.workspace_sid))
        return Listing(found, "Tasks", ("sid", "assignment_status", "priority", "task_queue_friendly_name", "reason"))

    def task(self, sid: str) -> model.Task:
        """Return a task of any workspace. Blocks for less than a millisecond.

        Args:
            sid: The task.

        Raises:
            NotFoundError: There is no such task.
        """
        home = self._home("task", sid)
        return self._ask(lambda engine: engine.task(home, sid))

    def reservations(self, *, task_sid: str | None = None, worker_sid: str | None = None) -> list[model.Reservation]:
        """Return reservations, oldest first. Blocks for less than a millisecond.

        Args:
            task_sid: Only reservations of this task; None: of any task.
            worker_sid: Only reservations of this worker, by name or sid; None: of any worker.

        Raises:
            NotFoundError: There is no worker of that name.
        """
        worker = known_sid(worker_sid, "WK", self._worker_sid)
        workspace = self.workspace_sid
        found = self._ask(lambda engine: engine.reservations(workspace, task_sid=task_sid, worker_sid=worker))
        return Listing(found, "Reservations", ("sid", "reservation_status", "worker_name", "task_sid"))

    def open_sessions(self, worker_sid: str) -> int:
        """Return the number of open websockets of a worker. Blocks for less than a millisecond.

        Args:
            worker_sid: Name or sid of the worker.

        Raises:
            NotFoundError: There is no such worker.
        """
        sid = self.worker(worker_sid).sid
        return self._ask(lambda engine: engine.open_sessions(self.workspace_sid, sid))

    def explain(self, task_sid: str) -> Explanation:
        """Explain why a task, of any workspace, is or is not with a worker. Blocks briefly, longer with many workers.

        Args:
            task_sid: The task.

        Returns:
            Every filter, target, queue and worker with its verdict, and the part of each expression that made it
            false, with the actual values; ``str()`` of it is a text to read, ``to_dict()`` plain data.

        Raises:
            NotFoundError: There is no such task, or it was deleted after its end.
        """
        home = self._home("task", task_sid)
        return Explanation.of(self._ask(lambda engine: engine.explain(home, task_sid)))

    def _home(self, kind: str, sid: str) -> str:
        """Return the workspace of a worker or task."""
        if not isinstance(sid, str):
            raise TypeError(f"The sid of a {kind} must be a string, not {type(sid).__name__}")
        home = self._ask(lambda engine: engine.workspace_of(sid))
        if home is None:
            raise NotFoundError(f"The {kind} {sid!r} was not found in any workspace", status=404, code=20404)
        return home


def refused(refusal: Rejected) -> RequestRejectedError:
    """Return the public error for an engine's refusal.

    Args:
        refusal: The refusal.
    """
    # The same classes as the client raises for REST answers with these statuses.
    kinds = {404: NotFoundError, 412: VersionConflictError}
    kind: type[RequestRejectedError] = kinds.get(refusal.status, RequestRejectedError)
    return kind(refusal.message, status=refusal.status, code=refusal.code)


def known_sid(name: str | None, prefix: str, find: Callable[[str], str]) -> str | None:
    """Return the sid for a name; a value in the format of a sid is returned unchanged, for the engine to check.

    Args:
        name: The name or sid; None is returned unchanged.
        prefix: Of the sids of this kind.
        find: Returns the sid for a name.
    """
    return name if name is None or name.startswith(prefix) else find(name)


def _name(record: Named) -> str:
    return record.unique_name if isinstance(record, model.TaskChannel) else record.friendly_name
