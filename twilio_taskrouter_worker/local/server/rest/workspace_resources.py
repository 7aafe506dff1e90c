"""Workspaces and their configuration: activities, task channels, task queues, workflows."""

from __future__ import annotations

from ...engine import commands
from ..http import filters, parameters
from . import shapes
from .resource import Change, Resource

_W = "Workspaces/{WorkspaceSid}"
_IN_WORKSPACE = {"WorkspaceSid": "workspace_sid", "Sid": "sid"}

WORKSPACES = Resource(
    name="Workspace",
    path="Workspaces",
    key="workspaces",
    shape=shapes.workspace,
    list_records=lambda call: call.engine.workspaces(),
    fetch_record=lambda call: call.engine.workspace(call.path["Sid"]),
    # Its own sid is the workspace of its commands.
    fields={"Sid": "workspace_sid"},
    create=Change(commands.CreateWorkspace, parameters.CREATE_WORKSPACE),
    update=Change(commands.UpdateWorkspace, parameters.UPDATE_WORKSPACE),
    delete=Change(commands.DeleteWorkspace),
    filters=filters.WORKSPACES,
)

ACTIVITIES = Resource(
    name="Activity",
    path=f"{_W}/Activities",
    key="activities",
    shape=shapes.activity,
    list_records=lambda call: call.engine.activities(call.workspace_sid),
    fetch_record=lambda call: call.engine.activity(call.workspace_sid, call.path["Sid"]),
    fields=_IN_WORKSPACE,
    create=Change(commands.CreateActivity, parameters.CREATE_ACTIVITY),
    update=Change(commands.UpdateActivity, parameters.UPDATE_ACTIVITY),
    delete=Change(commands.DeleteActivity),
    filters=filters.ACTIVITIES,
)

TASK_CHANNELS = Resource(
    name="TaskChannel",
    path=f"{_W}/TaskChannels",
    key="channels",
    shape=shapes.task_channel,
    list_records=lambda call: call.engine.task_channels(call.workspace_sid),
    fetch_record=lambda call: call.engine.task_channel(call.workspace_sid, call.path["Sid"]),
    # Sid or unique name, as for worker channels.
    fields={"WorkspaceSid": "workspace_sid", "Sid": "task_channel"},
    create=Change(commands.CreateTaskChannel, parameters.CREATE_TASK_CHANNEL),
    update=Change(commands.UpdateTaskChannel, parameters.UPDATE_TASK_CHANNEL),
    delete=Change(commands.DeleteTaskChannel),
)

TASK_QUEUES = Resource(
    name="TaskQueue",
    path=f"{_W}/TaskQueues",
    key="task_queues",
    shape=shapes.task_queue,
    list_records=lambda call: call.engine.queues(call.workspace_sid),
    fetch_record=lambda call: call.engine.queue(call.workspace_sid, call.path["Sid"]),
    fields=_IN_WORKSPACE,
    create=Change(commands.CreateTaskQueue, parameters.CREATE_TASK_QUEUE),
    update=Change(commands.UpdateTaskQueue, parameters.UPDATE_TASK_QUEUE),
    delete=Change(commands.DeleteTaskQueue),
    filters=filters.TASK_QUEUES,
    orders=filters.TASK_QUEUE_ORDERS,
)

WORKFLOWS = Resource(
    name="Workflow",
    path=f"{_W}/Workflows",
    key="workflows",
    shape=shapes.workflow,
    list_records=lambda call: call.engine.workflows(call.workspace_sid),
    fetch_record=lambda call: call.engine.workflow(call.workspace_sid, call.path["Sid"]),
    fields=_IN_WORKSPACE,
    create=Change(commands.CreateWorkflow, parameters.CREATE_WORKFLOW),
    update=Change(commands.UpdateWorkflow, parameters.UPDATE_WORKFLOW),
    delete=Change(commands.DeleteWorkflow),
    filters=filters.WORKFLOWS,
)

RESOURCES = (WORKSPACES, ACTIVITIES, TASK_CHANNELS, TASK_QUEUES, WORKFLOWS)
