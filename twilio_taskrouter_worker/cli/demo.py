"""``taskrouter demo``: workers that complete tasks, on one screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from twilio_taskrouter_worker.cli.shift import Report

MAX_TASKS = 1000
MAX_WORKERS = 100
_BASE_SECONDS = 60.0
_SECONDS_PER_TASK = 0.5
"""Ten times the duration of a task: the demo must fail on a hang, but not on a busy machine."""


@click.command()
@click.option("--tasks", type=click.IntRange(1, MAX_TASKS), default=20, show_default=True, help="How many tasks.")
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), default=2, show_default=True, help="How many workers.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, the rest on stderr.")
@click.pass_context
def demo(context: click.Context, tasks: int, workers: int, as_json: bool) -> None:
    """Watch workers connect, accept tasks and complete them.

    Everything is real: a TaskRouter service in this process, HTTP and websocket between it and the workers. Exits
    with 0 only if the service itself has every task as completed, with 1 otherwise, saying which are stuck and why.
    """
    # Imported here, so that --help and wrong options do not wait for aiohttp.
    from rich.console import Console

    from twilio_taskrouter_worker import TaskRouterError
    from twilio_taskrouter_worker.cli.screen import Screen, print_report
    from twilio_taskrouter_worker.cli.shift import Shift

    console = Console(stderr=as_json)
    screen = Screen(console)
    shift = Shift(tasks, workers, screen, deadline_seconds=_BASE_SECONDS + _SECONDS_PER_TASK * tasks)
    screen.shift = shift
    try:
        with screen:
            report = shift.run()
    except (TaskRouterError, OSError) as error:
        # TimeoutError is an OSError: a worker that did not become ready in time ends here too.
        raise click.ClickException(f"the demo could not run: {error or type(error).__name__}") from error
    # After the live table has ended: both write to the same lines.
    print_report(console, report)
    if as_json:
        click.echo(json.dumps(as_data(report)))
    context.exit(0 if report.ok else 1)


def as_data(report: Report) -> dict[str, object]:
    """Return the report as plain data; times are seconds since the start.

    Args:
        report: The report.
    """
    return {
        "ok": report.ok,
        "seconds": round(report.seconds, 6),
        "url": report.url,
        "workers": [
            {
                "name": worker.name,
                "sid": worker.sid,
                "connected_seconds": worker.connected_seconds,
                "completed": worker.completed,
            }
            for worker in report.workers
        ],
        "tasks": [
            {
                "number": task.number,
                "sid": task.sid,
                "worker": task.worker,
                "status": task.status,
                "reached": {state: round(seconds, 6) for state, seconds in task.reached.items()},
            }
            for task in report.tasks
        ],
        "stuck": [
            {"number": task.number, "sid": task.sid, "status": task.status, "why": task.why} for task in report.stuck
        ],
        "troubles": report.troubles,
    }
