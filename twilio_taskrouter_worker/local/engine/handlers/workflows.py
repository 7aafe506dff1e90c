"""Workflows as resources; the walk of tasks through them is in ``routing.walk``."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..commands import UNSET, CreateWorkflow, DeleteWorkflow, UpdateWorkflow
from ..core import checks
from ..core.kernel import Kernel
from ..core.plan import Plan
from ..core.state import Route, WorkflowState
from ..core.workspace import WorkspaceState
from ..events import ConfigurationEvent
from ..model import PENDING, Workflow
from ..routing import walk
from ..routing.configuration import compile_configuration
from ..rules import MAX_RESERVATION_TIMEOUT, WORKFLOW_UPDATED


def create(kernel: Kernel, command: CreateWorkflow) -> Workflow:
    """Create a workflow from a configuration.

    Args:
        kernel: The engine's shared state; changed in place.
        command: The configuration may name only queues that exist.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid, the name is taken, or the limit of
            workflows is reached.
    """
    ws = kernel.workspace(command.workspace_sid)
    checks.room(ws.workflows, kernel.rules.max_workflows, "workflows")
    name = _free_name(ws, command.friendly_name)
    _check_urls(command.assignment_callback_url, command.fallback_assignment_callback_url)
    # The plan's text is what is stored: white space and formatting of the configuration are dropped.
    plan = _compile(kernel, ws, command.configuration)
    timeout = _timeout(command.task_reservation_timeout)
    record = Workflow(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WW"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        friendly_name=name,
        configuration=plan.text,
        assignment_callback_url=command.assignment_callback_url,
        fallback_assignment_callback_url=command.fallback_assignment_callback_url,
        task_reservation_timeout=timeout,
    )
    # Compiled once, here; tasks refer to the same plan until it is replaced.
    ws.workflows[record.sid] = WorkflowState(record, plan)
    ws.workflow_names[name] = record.sid
    kernel.emit(ConfigurationEvent, "workflow.created", ws, record=record)
    return record


def _compile(kernel: Kernel, ws: WorkspaceState, configuration: str) -> Plan:
    plan = compile_configuration(configuration, ws.queues, kernel.semantics)
    for warning in plan.warnings():
        kernel.warn(f"Configuration: {warning}")
    return plan


def _free_name(ws: WorkspaceState, name: str, own: str | None = None) -> str:
    return checks.free_name(name, ws.workflow_names, errors.duplicate("Workflow", name), own)


def _check_urls(assignment: str | None, fallback: str | None) -> None:
    checks.url(assignment, "AssignmentCallbackUrl")
    checks.url(fallback, "FallbackAssignmentCallbackUrl")


def _timeout(value: int) -> int:
    return checks.integer(value, 1, MAX_RESERVATION_TIMEOUT, "TaskReservationTimeout")


def update(kernel: Kernel, command: UpdateWorkflow) -> Workflow:
    """Change a workflow.

    Args:
        kernel: The engine's shared state; changed in place.
        command: With a new configuration, tasks keep the one they entered with, unless ``re_evaluate_tasks`` is set.

    Raises:
        Rejected: 404, there is no such workspace or workflow; 400, a parameter is invalid or the name is taken.
    """
    ws = kernel.workspace(command.workspace_sid)
    state = ws.workflow(command.sid)
    record = state.record
    plan = state.plan
    changes = _changes(ws, state, command)
    if command.configuration is not UNSET and command.configuration != record.configuration:
        plan = _compile(kernel, ws, command.configuration)
        changes["configuration"] = plan.text
    # A configuration that differs in white space only does not count as a change.
    changes = record.differing(changes)
    if changes:
        state.record = record.replaced(date_updated=kernel.now, **changes)
        if "friendly_name" in changes:
            ws.renamed(ws.workflow_names, record.friendly_name, state.record, "workflow")
        # Tasks on their way keep the old plan until they are re-evaluated or end.
        state.plan = plan
        kernel.emit(ConfigurationEvent, "workflow.updated", ws, record=state.record)
    # Also without any change: the flag alone routes pending tasks again.
    if command.re_evaluate_tasks:
        re_evaluate(kernel, ws, state)
    return state.record


def _changes(ws: WorkspaceState, state: WorkflowState, command: UpdateWorkflow) -> dict[str, Any]:
    # None clears an address; checks.url accepts it.
    changes = command.given("assignment_callback_url", "fallback_assignment_callback_url")
    _check_urls(changes.get("assignment_callback_url"), changes.get("fallback_assignment_callback_url"))
    if command.friendly_name is not UNSET:
        changes["friendly_name"] = _free_name(ws, command.friendly_name, state.record.sid)
    # Counts for reservations that are made from now on; open ones keep their timer.
    if command.task_reservation_timeout is not UNSET:
        changes["task_reservation_timeout"] = _timeout(command.task_reservation_timeout)
    return changes


def re_evaluate(kernel: Kernel, ws: WorkspaceState, state: WorkflowState) -> None:
    """Route the pending tasks of a workflow again, from its first filter.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the workflow.
        state: The workflow, with its new configuration.
    """
    # A copy: a task that no filter matches any more is canceled and leaves the workflow.
    for task in list(state.tasks.values()):
        # Tasks that a worker has or is offered, and transferred ones, keep their place.
        if task.record.assignment_status == PENDING and task.route is Route.WORKFLOW and task.transfer is None:
            walk.start(kernel, ws, task, WORKFLOW_UPDATED)


def delete(kernel: Kernel, command: DeleteWorkflow) -> None:
    """Delete a workflow that has no open tasks.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the workflow.

    Raises:
        Rejected: 404, there is no such workspace or workflow; 400, the workflow has open tasks.
    """
    ws = kernel.workspace(command.workspace_sid)
    state = ws.workflow(command.sid)
    if state.tasks:
        raise errors.invalid(f"Workflow {state.record.sid} still has open tasks")
    # Ended tasks keep the workflow's sid and name until they are purged.
    del ws.workflows[state.record.sid]
    del ws.workflow_names[state.record.friendly_name]
    kernel.emit(ConfigurationEvent, "workflow.deleted", ws, record=state.record)
