"""Translates a seed document into the engine's commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ...errors import SeedError
from ..engine import Engine, Rejected, commands, model
from .configuration import as_seed, parsed, with_sids
from .form import among, shown

Execute = Callable[[commands.Command], Any]
Document = Mapping[str, Any]

_ROUNDING_SECONDS = 0.001
"""Tolerance for start times: written in microseconds, that of a new task may be rounded into the future."""


def rehearse(document: Document, engine: Engine, now: float) -> None:
    """Check whether a document can be loaded into an engine, by loading it into a copy.

    Args:
        document: A document in the form that :func:`~.form.check` accepts.
        engine: Only read; the copy starts from its snapshot.
        now: The time at which the document would be loaded (unix seconds).

    Raises:
        SeedError: It cannot be loaded; the message has the path in the document and the engine's refusal.
    """
    copy = Engine.restore(engine.snapshot())
    load(document, copy, lambda command: copy.apply(command, now).result, now)


def load(document: Document, engine: Engine, execute: Execute, now: float) -> list[str]:
    """Create the resources of a checked document, and return the sids of the workspaces.

    Args:
        document: From :func:`~.form.check`.
        engine: The engine that is loaded; read here, and changed only by *execute*.
        execute: Applies a command to that engine and returns its result.
        now: The time at which the commands are applied (unix seconds).

    Raises:
        SeedError: A resource cannot be created; those before it in the document have been created.
    """
    # The configuration of a workflow alone.
    if "task_routing" in document:
        document = as_seed(document)
    return [
        _Workspace(engine, execute, now, f"workspaces[{index}]").make(workspace)
        for index, workspace in enumerate(document["workspaces"])
    ]


class _Workspace:
    """Creates one workspace, and keeps the sids of its names."""

    def __init__(self, engine: Engine, execute: Execute, now: float, path: str) -> None:
        self._engine = engine
        self._execute = execute
        self._now = now
        self._path = path
        self._sid = ""
        self._activities: dict[str, str] = {}
        self._channels: dict[str, str] = {}
        self._queues: dict[str, str] = {}
        self._workflows: dict[str, str] = {}
        self._workers: dict[str, str] = {}

    def make(self, document: Document) -> str:
        """Create everything, in an order in which names are known before they are used."""
        options = _given(
            document,
            "friendly_name",
            "event_callback_url",
            "events_filter",
            "multi_task_enabled",
            "prioritize_queue_order",
        )
        self._sid = self._do(self._path, commands.CreateWorkspace(**options)).sid
        self._make_activities(document)
        self._each(document, "task_channels", self._task_channel)
        # After the channels of the document were added to the built-in ones.
        self._channels = {c.unique_name: c.sid for c in self._engine.task_channels(self._sid)}
        self._each(document, "task_queues", self._task_queue)
        self._each(document, "workflows", self._workflow)
        self._each(document, "workers", self._worker)
        self._each(document, "tasks", self._task)
        return self._sid

    # -- helpers -------------------------------------------------------------------------------------------------

    def _do(self, path: str, command: commands.Command) -> Any:
        try:
            return self._execute(command)
        except Rejected as refusal:
            # The path in place of the cause: a seed file has no use for a traceback.
            raise SeedError(f"{path}: {refusal.message}") from None

    def _each(self, document: Document, key: str, make: Callable[[Document, str], None]) -> None:
        for index, each in enumerate(document.get(key, ())):
            make(each, f"{self._path}.{key}[{index}]")

    def _sid_of(self, kind: str, names: Mapping[str, str], name: str | None, path: str) -> str | None:
        if name is None:
            return None
        if name not in names:
            raise SeedError(f"{path}: there is no {kind} {shown(name)}; {among(name, names)}")
        return names[name]

    # -- activities ----------------------------------------------------------------------------------------------

    def _make_activities(self, document: Document) -> None:
        """Create the listed activities in their order, reusing those that every new workspace has."""
        born = self._engine.activities(self._sid)
        wanted = document.get("activities")
        if wanted is None:
            self._activities = {activity.friendly_name: activity.sid for activity in born}
            self._set_defaults(document)
            return
        # Order of creation is visible in lists, so only a common beginning can be kept.
        kept = _kept(born, wanted)
        left = [activity for activity in born if activity not in kept]
        names = {activity["friendly_name"].casefold() for activity in wanted[len(kept) :]}
        for number, activity in enumerate(left):
            if activity.friendly_name.casefold() in names:  # listed later: free the name for a new activity
                rename = commands.UpdateActivity(
                    workspace_sid=self._sid, sid=activity.sid, friendly_name=f"(seed {number}) {activity.sid}"
                )
                self._do(self._path, rename)
        self._activities = {activity.friendly_name: activity.sid for activity in kept}
        for index, each in enumerate(wanted[len(kept) :], len(kept)):
            command = commands.CreateActivity(workspace_sid=self._sid, **each)
            path = f"{self._path}.activities[{index}]"
            self._activities[each["friendly_name"]] = self._do(path, command).sid
        self._set_defaults(document)
        # Deleted last: an activity that is a default cannot be deleted, so the defaults must have moved.
        for activity in left:
            self._do(self._path, commands.DeleteActivity(workspace_sid=self._sid, sid=activity.sid))

    def _set_defaults(self, document: Document) -> None:
        workspace = self._engine.workspace(self._sid)
        chosen: dict[str, Any] = {}
        for key in ("default_activity", "timeout_activity"):
            path = f"{self._path}.{key}"
            # Offline is the default in a new workspace too.
            name = document.get(key, "Offline")
            if key not in document and name not in self._activities:
                raise SeedError(
                    f"{self._path}: the key {key!r} is missing, and there is no activity 'Offline' to take instead;"
                    f" {among(name, self._activities)}"
                )
            sid = self._sid_of("activity", self._activities, name, path)
            if sid is not None and sid != getattr(workspace, f"{key}_sid"):
                chosen[f"{key}_sid"] = sid
        if chosen:
            self._do(self._path, commands.UpdateWorkspace(workspace_sid=self._sid, **chosen))

    # -- channels, queues, workflows -----------------------------------------------------------------------------

    def _task_channel(self, each: Document, path: str) -> None:
        name = each["unique_name"]
        # Built-in channels exist already and can only be changed.
        if any(channel.unique_name == name for channel in self._engine.task_channels(self._sid)):
            changes = {key: value for key, value in each.items() if key != "unique_name"}
            self._do(path, commands.UpdateTaskChannel(workspace_sid=self._sid, task_channel=name, **changes))
            return
        self._do(path, commands.CreateTaskChannel(workspace_sid=self._sid, **{"friendly_name": name, **each}))

    def _task_queue(self, each: Document, path: str) -> None:
        fields = _given(each, "friendly_name", "sid", "target_workers", "max_reserved_workers", "task_order")
        for kind in ("reservation", "assignment"):
            key = f"{kind}_activity"
            fields[f"{key}_sid"] = self._sid_of("activity", self._activities, each.get(key), f"{path}.{key}")
        made = self._do(path, commands.CreateTaskQueue(workspace_sid=self._sid, **fields))
        self._queues[made.friendly_name] = made.sid

    def _workflow(self, each: Document, path: str) -> None:
        fields = _given(
            each,
            "friendly_name",
            "assignment_callback_url",
            "fallback_assignment_callback_url",
            "task_reservation_timeout",
        )
        given = parsed(each["configuration"], f"{path}.configuration")
        configuration = with_sids(given, self._queues, f"{path}.configuration")
        command = commands.CreateWorkflow(workspace_sid=self._sid, configuration=json.dumps(configuration), **fields)
        made = self._do(path, command)
        self._workflows[made.friendly_name] = made.sid

    # -- workers and tasks ---------------------------------------------------------------------------------------

    def _worker(self, each: Document, path: str) -> None:
        name = each["friendly_name"]
        activity = self._sid_of("activity", self._activities, each.get("activity"), f"{path}.activity")
        attributes = json.dumps(each.get("attributes", {}))
        command = commands.CreateWorker(
            workspace_sid=self._sid, friendly_name=name, activity_sid=activity, attributes=attributes
        )
        sid = self._workers[name] = self._do(path, command).sid
        for channel, options in each.get("channels", {}).items():
            where = f"{path}.channels.{channel}"
            self._sid_of("task channel", self._channels, channel, where)
            update = commands.UpdateWorkerChannel(workspace_sid=self._sid, worker_sid=sid, channel=channel, **options)
            self._do(where, update)

    def _task(self, each: Document, path: str) -> None:
        fields = _given(each, "task_channel", "priority", "timeout", "ignore_capacity")
        self._sid_of("task channel", self._channels, each.get("task_channel"), f"{path}.task_channel")
        command = commands.CreateTask(
            workspace_sid=self._sid,
            attributes=json.dumps(each.get("attributes", {})),
            workflow_sid=self._sid_of("workflow", self._workflows, each.get("workflow"), f"{path}.workflow"),
            task_queue_sid=self._sid_of("task queue", self._queues, each.get("task_queue"), f"{path}.task_queue"),
            routing_target=self._target(each.get("routing_target"), f"{path}.routing_target"),
            virtual_start_time=self._start(each.get("virtual_start_time"), f"{path}.virtual_start_time"),
            **fields,
        )
        task = self._do(path, command)
        priority = each.get("priority")
        if priority is not None and priority != task.priority and not task.final:
            # The step that the task entered has set another priority; the file has the one to restore.
            self._do(path, commands.UpdateTask(workspace_sid=self._sid, sid=task.sid, priority=priority))

    def _target(self, target: Document | None, path: str) -> str | None:
        if target is None:
            return None
        ((kind, name),) = target.items()
        names = {"worker": self._workers, "task_queue": self._queues, "workflow": self._workflows}[kind]
        return self._sid_of(kind.replace("_", " "), names, name, f"{path}.{kind}")

    def _start(self, text: str | None, path: str) -> float | None:
        if text is None:
            return None
        try:
            # Python 3.10 does not accept Z.
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise SeedError(f"{path}: must be a time such as '2030-01-31T12:00:00+00:00', not {shown(text)}")
        start = moment.timestamp()
        # A time further in the future is left for the engine to refuse.
        return min(start, self._now) if start - self._now < _ROUNDING_SECONDS else start


def _given(document: Document, *names: str) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}


def _kept(born: list[model.Activity], wanted: list[Document]) -> list[model.Activity]:
    """Return the activities of a new workspace that can stay: those with which the list begins, in its order."""
    kept: list[model.Activity] = []
    rest = iter(born)
    for each in wanted:
        same = (each["friendly_name"], each.get("available", False))
        match = next((activity for activity in rest if (activity.friendly_name, activity.available) == same), None)
        if match is None:
            break
        kept.append(match)
    return kept
