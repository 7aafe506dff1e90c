"""``taskrouter task``, ``worker``, ``queue`` and ``workflow``: the resources of a workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from twilio_taskrouter_worker.cli.groups import Group
from twilio_taskrouter_worker.cli.remote import Printer, Remote, with_remote

_TASK_COLUMNS = {
    "sid": "task",
    "assignment_status": "status",
    "age": "age",
    "priority": "priority",
    "task_queue_friendly_name": "queue",
    "attributes": "attributes",
}
_WORKER_COLUMNS = {"sid": "worker", "friendly_name": "name", "activity_name": "activity", "attributes": "attributes"}


def _json_object(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        document = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise click.BadParameter(f"it must be a JSON object, such as '{{\"order\": 1}}', not {value}")
    return value


# -- task ------------------------------------------------------------------------------------------------------------


@click.group(cls=Group)
def task() -> None:
    """Create, list, show and end tasks."""


@task.command()
@click.argument("attributes", default="{}", callback=_json_object)
@click.option("--workflow", metavar="NAME", help="Name or sid; the default is the workspace's only one.")
@click.option("--priority", type=int, default=None)
@click.option("--timeout", type=int, default=None, help="Seconds it may stay unaccepted.")
@click.option("--channel", default=None, help="Unique name or sid of its task channel.")
@with_remote
def create(
    remote: Remote,
    printer: Printer,
    attributes: str,
    workflow: str | None,
    priority: int | None,
    timeout: int | None,
    channel: str | None,
) -> None:
    """Create a task with these ATTRIBUTES, a JSON object."""
    # requests leaves out parameters whose value is None.
    form = {
        "Attributes": attributes,
        "WorkflowSid": None if workflow is None else remote.sid("workflow", workflow),
        "Priority": priority,
        "Timeout": timeout,
        "TaskChannel": channel,
    }
    made = remote.request("POST", f"{remote.workspace}/Tasks", data=form)
    printer.record(made, made["sid"])


@task.command("list")
@click.option("--status", default=None, help="For example pending, or pending,reserved.")
@with_remote
def list_tasks(remote: Remote, printer: Printer, status: str | None) -> None:
    """List the tasks, oldest first."""
    printer.table(remote.list(f"{remote.workspace}/Tasks", "tasks", AssignmentStatus=status), _TASK_COLUMNS)


@task.command()
@click.argument("sid")
@with_remote
def show(remote: Remote, printer: Printer, sid: str) -> None:
    """Show a task."""
    printer.record(remote.request("GET", f"{remote.workspace}/Tasks/{sid}"))


@task.command()
@click.argument("sid")
@click.option("--reason", default="", help="Goes into the task and its events.")
@with_remote
def cancel(remote: Remote, printer: Printer, sid: str, reason: str) -> None:
    """Cancel a task that is pending or reserved."""
    _end_task(remote, printer, sid, "canceled", reason)


@task.command()
@click.argument("sid")
@click.option("--reason", default="", help="Goes into the task and its events.")
@with_remote
def complete(remote: Remote, printer: Printer, sid: str, reason: str) -> None:
    """Complete a task that is assigned or wrapping."""
    _end_task(remote, printer, sid, "completed", reason)


def _end_task(remote: Remote, printer: Printer, sid: str, status: str, reason: str) -> None:
    form = {"AssignmentStatus": status, "Reason": reason or None}
    ended = remote.request("POST", f"{remote.workspace}/Tasks/{sid}", data=form)
    printer.record(ended, f"{ended['sid']}  {ended['assignment_status']}")


# -- worker ----------------------------------------------------------------------------------------------------------


@click.group(cls=Group)
def worker() -> None:
    """Workers: list them, add one, change activity and attributes."""


@worker.command("list")
@with_remote
def list_workers(remote: Remote, printer: Printer) -> None:
    """List the workers."""
    printer.table(remote.list(f"{remote.workspace}/Workers", "workers"), _WORKER_COLUMNS)


@worker.command("show")
@click.argument("worker")
@with_remote
def show_worker(remote: Remote, printer: Printer, worker: str) -> None:
    """Show a WORKER, by name or sid."""
    printer.record(remote.request("GET", f"{remote.workspace}/Workers/{remote.sid('worker', worker)}"))


@worker.command()
@click.argument("name")
@click.option("--activity", metavar="NAME", default=None, help="Name or sid of the activity it starts in.")
@click.option("--attributes", default="{}", callback=_json_object, help="A JSON object.")
@with_remote
def add(remote: Remote, printer: Printer, name: str, activity: str | None, attributes: str) -> None:
    """Add a worker called NAME."""
    form = {
        "FriendlyName": name,
        "Attributes": attributes,
        "ActivitySid": None if activity is None else remote.sid("activity", activity),
    }
    made = remote.request("POST", f"{remote.workspace}/Workers", data=form)
    printer.record(made, made["sid"])


@worker.command()
@click.argument("worker")
@click.argument("activity")
@with_remote
def activity(remote: Remote, printer: Printer, worker: str, activity: str) -> None:
    """Move a WORKER to an ACTIVITY; both by name or sid."""
    _change_worker(remote, printer, worker, {"ActivitySid": remote.sid("activity", activity)})


@worker.command()
@click.argument("worker")
@click.argument("attributes", callback=_json_object)
@with_remote
def attributes(remote: Remote, printer: Printer, worker: str, attributes: str) -> None:
    """Replace the ATTRIBUTES of a WORKER, a JSON object."""
    _change_worker(remote, printer, worker, {"Attributes": attributes})


def _change_worker(remote: Remote, printer: Printer, worker: str, form: dict[str, Any]) -> None:
    changed = remote.request("POST", f"{remote.workspace}/Workers/{remote.sid('worker', worker)}", data=form)
    printer.record(changed, f"{changed['friendly_name']}  {changed['activity_name']}  {changed['attributes']}")


# -- queue and workflow ----------------------------------------------------------------------------------------------


@click.group(cls=Group)
def queue() -> None:
    """Task queues."""


@queue.command("list")
@with_remote
def list_queues(remote: Remote, printer: Printer) -> None:
    """List the queues, with the number of waiting tasks."""
    workspace = remote.workspace
    found = []
    for each in remote.list(f"{workspace}/TaskQueues", "task_queues"):
        # One request for each queue: the list of statistics would count 15 minutes of events for each as well.
        figures = remote.request("GET", f"{workspace}/TaskQueues/{each['sid']}/RealTimeStatistics")
        found.append({**each, "waiting": figures["tasks_by_status"]["pending"]})
    columns = {"sid": "queue", "friendly_name": "name", "waiting": "waiting", "target_workers": "target workers"}
    printer.table(found, columns)


@click.group(cls=Group)
def workflow() -> None:
    """Workflows."""


@workflow.command("list")
@with_remote
def list_workflows(remote: Remote, printer: Printer) -> None:
    """List the workflows."""
    printer.table(
        remote.list(f"{remote.workspace}/Workflows", "workflows"), {"sid": "workflow", "friendly_name": "name"}
    )


@workflow.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--task", "attributes", default=None, callback=_json_object, help="A task to route in a dry run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(file: Path, attributes: str | None, as_json: bool) -> None:
    """Check the workflow configuration in a JSON FILE, without a running service.

    The queues that it names by sid are made up for the check. With --task it also shows how a task would be routed, in
    a workspace without workers.
    """
    from twilio_taskrouter_worker.cli.checking import check_workflow, dry_run

    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{file}: {error}") from error
    warnings = check_workflow(document)
    if as_json:
        explanation = None if attributes is None else dry_run(document, json.loads(attributes))
        click.echo(json.dumps({"file": str(file), "warnings": warnings, "explanation": explanation}))
        return
    for warning in warnings:
        click.echo(f"{file}: {warning}", err=True)
    if attributes is not None:
        click.echo(dry_run(document, json.loads(attributes)))
    else:
        click.echo(f"{file}: ok")
