"""The configuration, the tasks and the log of one workspace, for Python programs that hold a local TaskRouter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

from .._display.tables import Listing
from ..errors import NotFoundError
from .arguments import attributes_of, start_time_of
from .engine import UNSET, Engine, commands, model
from .logged_events import LoggedEvent, logged
from .reading import WorkspaceReading, known_sid
from .server.events.sessions import Batch
from .server.service import Service

__all__ = ["WorkspaceOperations"]

T = TypeVar("T")


class WorkspaceOperations(WorkspaceReading):
    """Operations on one workspace.

    Every method may be called from any thread. It runs on the service's thread and blocks until that has answered, for
    most methods far less than a millisecond. Every method raises StateError if the router is not running.

    Workers, queues, workflows, activities and channels are given by name or by sid.
    """

    # -- provided by the router --------------------------------------------------------------------------------------

    def _ask_service(self, read: Callable[[Service], T]) -> T:
        """Run a function on the service's thread and return its result."""
        raise NotImplementedError

    def _ask(self, read: Callable[[Engine], T]) -> T:
        return self._ask_service(lambda service: read(service.engine))

    def _execute(self, command: commands.Command) -> Any:
        return self._ask_service(lambda service: service.execute(command))

    # -- configuration -----------------------------------------------------------------------------------------------

    def add_worker(self, name: str, *, attributes: Mapping[str, Any] | None = None, activity: str = "Offline") -> str:
        """Create a worker.

        Args:
            name: Unique in the workspace, whatever the case.
            attributes: For expressions to refer to; None: none.
            activity: The activity it starts in.

        Returns:
            Its sid.

        Raises:
            TypeError: An argument has the wrong type, or the attributes are not JSON.
            ValueError: There is no such activity.
            RequestRejectedError: TaskRouter refuses it, for example because the name is taken.
        """
        command = commands.CreateWorker(
            workspace_sid=self.workspace_sid,
            friendly_name=name,
            activity_sid=self._activity_sid(activity),
            attributes=attributes_of(attributes),
        )
        return _sid_of(self._execute(command))

    def set_activity(self, worker: str, activity: str, *, reject_pending_reservations: bool = False) -> None:
        """Move a worker to an activity.

        Args:
            worker: The worker.
            activity: The activity.
            reject_pending_reservations: Whether its pending reservations are rejected; only for an activity that is
                not available.

        Raises:
            ValueError: There is no such worker or activity.
            RequestRejectedError: TaskRouter refuses it.
        """
        self._execute(
            commands.UpdateWorker(
                workspace_sid=self.workspace_sid,
                sid=self._worker_sid(worker),
                activity_sid=self._activity_sid(activity),
                reject_pending_reservations=reject_pending_reservations,
            )
        )

    def add_queue(
        self,
        name: str,
        *,
        target_workers: str | None = "1==1",
        max_reserved_workers: int = 1,
        task_order: Literal["FIFO", "LIFO"] = "FIFO",
    ) -> str:
        """Create a task queue.

        Args:
            name: Unique in the workspace.
            target_workers: Expression for the workers that the queue may use; ``1==1`` for all.
            max_reserved_workers: Number of workers that a task is offered to at the same time.
            task_order: ``FIFO`` or ``LIFO``.

        Returns:
            Its sid.

        Raises:
            RequestRejectedError: TaskRouter refuses it, for example because of an invalid expression.
        """
        command = commands.CreateTaskQueue(
            workspace_sid=self.workspace_sid,
            friendly_name=name,
            target_workers=target_workers,
            max_reserved_workers=max_reserved_workers,
            task_order=task_order,
        )
        return _sid_of(self._execute(command))

    def add_workflow(
        self,
        name: str,
        configuration: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        assignment_callback_url: str | None = None,
        fallback_assignment_callback_url: str | None = None,
        task_reservation_timeout: int = 120,
    ) -> str:
        """Create a workflow.

        Args:
            name: Unique in the workspace.
            configuration: The document with ``task_routing``, as Twilio has it; None for one that leads every task to
                *queue*.
            queue: The queue of a workflow without a configuration.
            assignment_callback_url: Called for each reservation; None: no callback.
            fallback_assignment_callback_url: Called where that fails.
            task_reservation_timeout: Seconds that a reservation stays pending.

        Returns:
            Its sid.

        Raises:
            ValueError: There is no such queue, or neither a configuration nor a queue was given, or both.
            RequestRejectedError: TaskRouter refuses it; the message names the place in the configuration.
        """
        if (configuration is None) == (queue is None):
            raise ValueError("Give either a configuration, or the queue that every task goes to")
        if queue is not None:
            configuration = {"task_routing": {"default_filter": {"queue": self._queue_sid(queue)}}}
        command = commands.CreateWorkflow(
            workspace_sid=self.workspace_sid,
            friendly_name=name,
            configuration=json.dumps(configuration),
            assignment_callback_url=assignment_callback_url,
            fallback_assignment_callback_url=fallback_assignment_callback_url,
            task_reservation_timeout=task_reservation_timeout,
        )
        return _sid_of(self._execute(command))

    def update_workflow(
        self, workflow: str, configuration: Mapping[str, Any], *, re_evaluate_tasks: bool = False
    ) -> None:
        """Replace the configuration of a workflow.

        Args:
            workflow: The workflow.
            configuration: The document with ``task_routing``, as Twilio has it.
            re_evaluate_tasks: Whether tasks that wait go through the new configuration at once; otherwise only tasks
                that are created later do.

        Raises:
            ValueError: There is no such workflow.
            RequestRejectedError: TaskRouter refuses it; the message names the place in the configuration.
        """
        self._execute(
            commands.UpdateWorkflow(
                workspace_sid=self.workspace_sid,
                sid=self._workflow_sid(workflow),
                configuration=json.dumps(configuration),
                re_evaluate_tasks=re_evaluate_tasks,
            )
        )

    def add_channel(self, unique_name: str, name: str | None = None) -> str:
        """Create a task channel, of which every worker has a capacity of one.

        Args:
            unique_name: The name that tasks refer to.
            name: The name to show; None: the same.

        Returns:
            Its sid.

        Raises:
            RequestRejectedError: TaskRouter refuses it, for example because the name is taken.
        """
        command = commands.CreateTaskChannel(
            workspace_sid=self.workspace_sid, friendly_name=name or unique_name, unique_name=unique_name
        )
        return _sid_of(self._execute(command))

    def set_callbacks(
        self,
        *,
        assignment_url: str | None = None,
        fallback_url: str | None = None,
        event_url: str | None = None,
        events: Iterable[str] = (),
        workflow: str | None = None,
    ) -> None:
        """Set the addresses that the service calls; see the page on webhooks.

        Args:
            assignment_url: The workflow's assignment callback; None leaves it, an empty string removes it.
            fallback_url: Called where that fails; None leaves it, an empty string removes it.
            event_url: The workspace's event callback; None leaves it, an empty string removes it.
            events: The types of the events to report, all if empty; only with *event_url*.
            workflow: The workflow of the first two; None: the workspace's first one.

        Raises:
            ValueError: There is no such workflow.
            RequestRejectedError: TaskRouter refuses an address.
        """
        if assignment_url is not None or fallback_url is not None:
            self._execute(
                commands.UpdateWorkflow(
                    workspace_sid=self.workspace_sid,
                    sid=self.workflow_sid if workflow is None else self._workflow_sid(workflow),
                    # An empty string is passed on: to the engine it means no callback.
                    assignment_callback_url=UNSET if assignment_url is None else assignment_url,
                    fallback_assignment_callback_url=UNSET if fallback_url is None else fallback_url,
                )
            )
        if event_url is not None:
            self._execute(
                commands.UpdateWorkspace(
                    workspace_sid=self.workspace_sid, event_callback_url=event_url, events_filter=",".join(events)
                )
            )

    # -- tasks -------------------------------------------------------------------------------------------------------

    def create_task(
        self,
        attributes: Mapping[str, Any] | None = None,
        *,
        workflow: str | None = None,
        task_queue: str | None = None,
        task_channel: str | None = None,
        priority: int = 0,
        timeout: int | None = None,
        routing_target: str | None = None,
        ignore_capacity: bool | None = None,
        virtual_start_time: datetime | None = None,
        workflow_sid: str | None = None,
        task_queue_sid: str | None = None,
    ) -> str:
        """Create a task, which is routed at once.

        Args:
            attributes: For expressions to refer to, and for the worker; None: none.
            workflow: Its way into a queue; None: the workspace's only workflow.
            task_queue: The queue it is counted in; only with a routing target.
            task_channel: Unique name or sid; None: ``default``.
            priority: 0 or more; higher is served first.
            timeout: Seconds it may stay unaccepted; None: a day.
            routing_target: The worker, queue or workflow it is meant for; a name is a worker's.
            ignore_capacity: With a worker as target, offer it whatever the worker's activity and capacity; None: true.
            virtual_start_time: An aware datetime to queue it by; None: now.
            workflow_sid: The same as *workflow*.
            task_queue_sid: The same as *task_queue*.

        Returns:
            Its sid.

        Raises:
            TypeError: An argument has the wrong type, or the attributes are not JSON.
            ValueError: There is no such workflow, queue or worker, or the start time is naive.
            RequestRejectedError: TaskRouter refuses it; the message has the reason.
        """
        workflow = workflow if workflow_sid is None else workflow_sid
        task_queue = task_queue if task_queue_sid is None else task_queue_sid
        # By prefix, as sids are recognized everywhere here: only workers may be given by name.
        if routing_target is not None and not routing_target.startswith(("WK", "WQ", "WW")):
            routing_target = self._worker_sid(routing_target)
        command = commands.CreateTask(
            workspace_sid=self.workspace_sid,
            attributes=attributes_of(attributes),
            workflow_sid=known_sid(workflow, "WW", self._workflow_sid),
            task_channel=task_channel,
            priority=priority,
            routing_target=routing_target,
            ignore_capacity=ignore_capacity,
            task_queue_sid=known_sid(task_queue, "WQ", self._queue_sid),
            virtual_start_time=start_time_of(virtual_start_time),
            # The default is that of the command.
            **({} if timeout is None else {"timeout": timeout}),
        )
        return _sid_of(self._execute(command))

    def cancel_task(self, task_sid: str, reason: str = "") -> None:
        """Cancel a task that is pending or reserved.

        Args:
            task_sid: The task.
            reason: Goes into the task and its events.

        Raises:
            NotFoundError: There is no such task.
            RequestRejectedError: TaskRouter refuses it, for example because it is assigned.
        """
        self._end_task(task_sid, model.CANCELED, reason)

    def complete_task(self, task_sid: str, reason: str = "") -> None:
        """Complete a task that is assigned or wrapping, and its reservations.

        Args:
            task_sid: The task.
            reason: Goes into the task and its events.

        Raises:
            NotFoundError: There is no such task.
            RequestRejectedError: TaskRouter refuses it, for example because nobody has accepted it.
        """
        self._end_task(task_sid, model.COMPLETED, reason)

    def _end_task(self, task_sid: str, status: str, reason: str) -> None:
        # A sid names one task of the account, whatever workspace it is in.
        home = self._home("task", task_sid)
        self._execute(
            commands.UpdateTask(
                workspace_sid=home, sid=task_sid, assignment_status=status, reason=reason if reason else UNSET
            )
        )

    # -- the log ------------------------------------------------------------------------------------------------------

    def events(self, *types: str, task: str | None = None, worker: str | None = None) -> list[LoggedEvent]:
        """Return the latest events of the workspace, oldest first. Blocks for some milliseconds.

        Args:
            types: Only events of these types, for example ``"task.created"``; a type that ends in ``.*`` stands for
                all of its kind. None given: all.
            task: Only events that concern this task, by sid.
            worker: Only events that concern this worker, by name or sid.

        Returns:
            The events; some thousands are kept.

        Raises:
            NotFoundError: There is no worker of that name.
            StateError: The router is not running.
        """
        worker_sid = known_sid(worker, "WK", self._worker_sid)
        workspace = self.workspace_sid
        # Only copied on the service's thread; it is converted and filtered on the caller's, which may take long.
        entries = self._ask_service(lambda service: list(service.log.backwards(workspace, 0.0)))
        found = (logged(entry.event, entry.workspace_name) for entry in reversed(entries))
        wanted = (
            event
            for event in found
            if (not types or any(_matches(event.type, each) for each in types))
            and (task is None or event.data.get("task_sid") == task)
            and (worker_sid is None or event.data.get("worker_sid") == worker_sid)
        )
        return Listing(wanted, "Events", ("time", "type", "resource_sid", "description"))

    def resend_event(self, sid: str) -> None:
        """Call the webhooks for an event again, with the addresses of now.

        Args:
            sid: An event that the log still has. For a ``reservation.created`` the assignment callback is called too.

        Raises:
            NotFoundError: The log does not have it.
        """

        def resend(service: Service) -> bool:
            entry = service.log.find(sid)
            if entry is not None:
                # Released at once: there is no answer that the webhooks have to come after.
                batch = Batch()
                service.webhooks.add(entry.event, service.engine.workspace(entry.event.workspace_sid), batch)
                batch.release()
            return entry is not None

        if not self._ask_service(resend):
            raise NotFoundError(f"The event {sid!r} is not in the log", status=404, code=20404)


def _sid_of(record: Any) -> str:
    sid: str = record.sid
    return sid


def _matches(event_type: str, pattern: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
