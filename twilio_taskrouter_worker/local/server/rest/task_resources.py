"""Tasks, and reservations in both their forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine import commands
from ..http import filters, parameters
from ..http.parameters import reservation_command
from . import shapes
from .call import Answer, Call, Operation
from .resource import Change, Resource

_W = "Workspaces/{WorkspaceSid}"

TASKS = Resource(
    name="Task",
    path=f"{_W}/Tasks",
    key="tasks",
    shape=shapes.task,
    list_records=lambda call: call.engine.tasks(call.workspace_sid),
    fetch_record=lambda call: call.engine.task(call.workspace_sid, call.path["Sid"]),
    fields={"WorkspaceSid": "workspace_sid", "Sid": "sid"},
    create=Change(commands.CreateTask, parameters.CREATE_TASK),
    update=Change(commands.UpdateTask, parameters.UPDATE_TASK, takes_if_match=True),
    delete=Change(commands.DeleteTask, takes_if_match=True),
    filters=filters.TASKS,
    orders=filters.TASK_ORDERS,
    etag=lambda task: int(task.version),
)


def _owner(call: Call) -> dict[str, Any]:
    """The task or the worker that the path names, as queries and commands take it."""
    # The same reservations, below one path or the other: the owner in the path is checked, and decides which links
    # there are.
    if "TaskSid" in call.path:
        return {"task_sid": call.path["TaskSid"]}
    return {"worker_sid": call.path["WorkerSid"]}


def _list(call: Call) -> list[Any]:
    return call.engine.reservations(call.workspace_sid, **_owner(call))


def _fetch(call: Call) -> Any:
    return call.engine.reservation(call.workspace_sid, call.path["Sid"], **_owner(call))


def _updating(shape: shapes.Shaper) -> Callable[[Call], Answer]:
    def update(call: Call) -> Answer:
        command = reservation_command(
            call.form,
            workspace_sid=call.workspace_sid,
            sid=call.path["Sid"],
            if_match=call.if_match,
            **_owner(call),
        )
        return Answer(200, shape(call.execute(command), call.base, call.now))

    return update


TASK_RESERVATIONS = Resource(
    name="TaskReservation",
    path=f"{_W}/Tasks/{{TaskSid}}/Reservations",
    key="reservations",
    shape=shapes.task_reservation,
    list_records=_list,
    fetch_record=_fetch,
    fields={},
    filters=filters.RESERVATIONS_OF_TASK,
)
WORKER_RESERVATIONS = Resource(
    name="WorkerReservation",
    path=f"{_W}/Workers/{{WorkerSid}}/Reservations",
    key="reservations",
    shape=shapes.worker_reservation,
    list_records=_list,
    fetch_record=_fetch,
    fields={},
    filters=filters.RESERVATIONS_OF_WORKER,
)

RESOURCES = (TASKS, TASK_RESERVATIONS, WORKER_RESERVATIONS)

OPERATIONS = tuple(
    Operation(f"Update{resource.name}", "POST", f"{resource.path}/{{Sid}}", _updating(resource.shape))
    for resource in (TASK_RESERVATIONS, WORKER_RESERVATIONS)
)
