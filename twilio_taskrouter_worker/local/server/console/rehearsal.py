"""A configuration of a workflow tried out on a copy of the engine: its first error, or its effect."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from typing import Any

from ...engine import Engine, Rejected, commands, model
from ...engine.expressions import ExpressionSyntaxError
from .places import Path, Place, places, within

MOST_MOVES = 1000
_WHERE = re.compile(
    r"Configuration: (?P<where>(?:filter (?P<filter>\d+)|(?P<default>default_filter)|(?P<other>task_routing|filters))"
    r"(?:, target (?P<target>\d+))?(?:, (?P<key>[a-z_]+))?)"
)
_QUOTED = re.compile(r"names the queue '([^']*)'")
_PREFIX = "Configuration: "


def rehearse(
    state: Mapping[str, Any], workspace_sid: str, workflow_sid: str | None, configuration: str, now: float
) -> dict[str, Any]:
    """Return the error of a configuration, or where the waiting tasks of its workflow would go.

    Blocks for up to some tenths of a second; does not touch the engine that the state was captured from.

    Args:
        state: From ``Engine.capture``.
        workspace_sid: The workspace of the workflow.
        workflow_sid: The workflow; None: a new one, for which nothing waits.
        configuration: Its new configuration.
        now: Unix seconds.

    Raises:
        Rejected: There is no such workspace or workflow.
    """
    # A copy has no recorder, no clients and no webhooks: whatever happens in it stays in it.
    engine = Engine.restore(state)
    before = {task.sid: _position(engine, task) for task in engine.tasks(workspace_sid) if _waits(task, workflow_sid)}
    if workflow_sid is not None:
        engine.workflow(workspace_sid, workflow_sid)
    try:
        # The very command of a save, so that the result cannot differ from it.
        outcome = engine.apply(_command(engine, workspace_sid, workflow_sid, configuration), now)
    except Rejected as refusal:
        return {"ok": False, "error": _error(refusal, configuration)}
    moves = [
        _move(sid, position, _position(engine, engine.task(workspace_sid, sid))) for sid, position in before.items()
    ]
    warnings = [_warning(text, configuration) for text in outcome.warnings]
    return {"ok": True, "warnings": warnings, "waiting": len(before), "moves": moves[:MOST_MOVES]}


def _command(engine: Engine, workspace_sid: str, workflow_sid: str | None, configuration: str) -> commands.Command:
    if workflow_sid is None:
        # A name that no workflow has: only the configuration is tried out.
        taken = {workflow.friendly_name for workflow in engine.workflows(workspace_sid)}
        name = next(name for name in map(str, range(len(taken) + 1)) if name not in taken)
        return commands.CreateWorkflow(workspace_sid=workspace_sid, friendly_name=name, configuration=configuration)
    return commands.UpdateWorkflow(
        workspace_sid=workspace_sid, sid=workflow_sid, configuration=configuration, re_evaluate_tasks=True
    )


def _waits(task: model.Task, workflow_sid: str | None) -> bool:
    return task.assignment_status == model.PENDING and task.workflow_sid == workflow_sid and workflow_sid is not None


def _position(engine: Engine, task: model.Task) -> dict[str, Any] | None:
    """Return where a task waits; None: it was canceled."""
    if task.assignment_status == model.CANCELED:
        return None
    filter, target = engine.step(task.workspace_sid, task.sid) or (None, None)
    return {"queue_sid": task.task_queue_sid, "filter": filter, "target": target, "priority": task.priority}


def _move(sid: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    # By what workers notice of it: a task that only comes through another filter stays where it is.
    queue_and_priority = operator.itemgetter("queue_sid", "priority")
    changed = before is None or after is None or queue_and_priority(before) != queue_and_priority(after)
    return {"task_sid": sid, "from": before, "to": after, "changed": changed}


# -- errors ----------------------------------------------------------------------------------------------------------


def _error(refusal: Rejected, text: str) -> dict[str, Any]:
    # By its text: the engine's errors are for people, and carry no path of their own.
    where = _WHERE.match(refusal.message)
    place = _place(refusal, text, where)
    return {
        "message": refusal.message.removeprefix(_PREFIX),
        "where": None if where is None else where["where"],
        **place.to_dict(text),
    }


def _warning(message: str, text: str) -> dict[str, Any]:
    message = message.removeprefix(_PREFIX)
    document = json.loads(text)
    routing = document.get("task_routing", document)
    where = None
    # Warnings name a filter by its label, which errors do not.
    for number, each in enumerate(routing.get("filters") or (), 1):
        label = f"{each.get('filter_friendly_name') or each.get('friendly_name') or f'filter {number}'}, "
        if message.startswith(label):
            where = _WHERE.match(f"{_PREFIX}filter {number}, {message[len(label) :]}")
    return {"message": message, **_of_value(text, where or _WHERE.match(_PREFIX + message)).to_dict(text)}


def _place(refusal: Rejected, text: str, where: re.Match[str] | None) -> Place:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return Place(error.pos, error.pos + 1)
    except RecursionError:
        return Place(0, 1)
    place = _of_value(text, where)
    cause = refusal.__cause__
    if isinstance(cause, ExpressionSyntaxError) and text[place.start : place.start + 1] == '"':
        offset = cause.position.offset
        start = within(text, place, offset)
        found = 0 if cause.found not in cause.expression[offset:] else len(cause.found)
        return Place(start, within(text, place, offset + found))
    return place


def _of_value(text: str, where: re.Match[str] | None) -> Place:
    """Return the place of the value that a message is about; the whole text if it is not found."""
    found = places(text)
    whole = found[()]
    if where is None:
        return whole
    path: Path = ("task_routing",) if ("task_routing",) in found else ()
    if where["filter"] is not None:
        path = (*path, "filters", int(where["filter"]) - 1)
        if where["target"] is not None:
            path = (*path, "targets", int(where["target"]) - 1)
    elif where["default"] is not None:
        path = (*path, "default_filter")
    elif where["other"] == "filters":
        path = (*path, "filters")
    # The expression of a filter has two names.
    keys = [where["key"]] if where["key"] != "expression" else ["expression", "filter_expression"]
    if _QUOTED.search(where.string):
        keys = ["queue"]
    named = [(*path, key) for key in keys if key is not None]
    return next((found[each] for each in [*named, path] if each in found), whole)
