"""``taskrouter replay``: a kept file at any moment, and why a task went where it went."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from twilio_taskrouter_worker.cli.remote import Printer
from twilio_taskrouter_worker.errors import NotFoundError, StateError, StoreError

if TYPE_CHECKING:
    from twilio_taskrouter_worker.local.engine import Event
    from twilio_taskrouter_worker.local.kept_file import KeptFile
    from twilio_taskrouter_worker.local.moments import View

_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?\Z")
_LATEST_MOMENTS = 10


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--at",
    "moment",
    metavar="TIME|NUMBER",
    help="The moment: 14:03 (of the last day), 2026-11-25T14:03 (UTC, or with an offset), or the number of an entry."
    " The default is the latest; with --task, when it was last offered.",
)
@click.option("--task", metavar="SID", help="The life of this task, and why it went where it went.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--console", is_flag=True, help="Show it in the console, a page in the browser, until Ctrl-C.")
@click.pass_context
def replay(
    context: click.Context, file: str, moment: str | None, task: str | None, as_json: bool, console: bool
) -> None:
    """Show a FILE of a local TaskRouter (--db) as it was at any moment; it is only read.

    A service may have it open. All times are by the service's clock, in UTC.
    """
    from twilio_taskrouter_worker.local.kept_file import open_kept_file

    if console and task is not None:
        raise click.UsageError("--console shows every task; leave --task out")
    printer = Printer(as_json)
    try:
        with printer.working(f"Reading {file}"), open_kept_file(file) as kept:
            wanted = None if moment is None else _moment(moment, kept.now)
            # Made while the file is open, and printed after the spinner has gone.
            shown = None if console else _workspace(kept, wanted) if task is None else _task(kept, wanted, task)
        if shown is not None:
            printer.record(*shown)
        else:
            _console(file, wanted, printer)
            context.exit(0)
    except (StoreError, StateError) as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _console(file: str, moment: int | datetime | None, printer: Printer) -> None:
    """Serve the console until a signal comes."""
    from twilio_taskrouter_worker.cli.local import stop_signals
    from twilio_taskrouter_worker.local.kept_file import serve_kept_file

    with stop_signals() as stop, serve_kept_file(file, moment) as router:
        link = router.console_url
        printer.record({"console_url": link, "url": router.url}, f"{file} is shown at {link}, Ctrl-C ends it")
        stop.wait()


def _moment(text: str, now: float) -> int | datetime:
    """Return the number or time that a text is.

    Raises:
        ValueError: It is neither.
    """
    if text.isdecimal():
        return int(text)
    if match := _TIME_OF_DAY.match(text):
        hours, minutes, seconds = match[1], match[2], match[3] or "0"
        latest = datetime.fromtimestamp(now, timezone.utc)
        start = latest.replace(hour=0, minute=0, second=0, microsecond=0)
        found = start + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        # The day is that of the file's latest time: a later time of day can only mean the day before.
        return found if found <= latest else found - timedelta(days=1)
    try:
        # Python 3.10 does not read the Z.
        parsed = datetime.fromisoformat(re.sub(r"[zZ]\Z", "+00:00", text))
    except ValueError:
        raise ValueError(
            f"--at takes a time such as 14:03 or 2026-11-25T14:03:20, or the number of an entry, not {text!r}"
        ) from None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=timezone.utc)


# -- the workspace ---------------------------------------------------------------------------------------------------


def _workspace(kept: KeptFile, moment: int | datetime | None) -> tuple[dict[str, Any], str]:
    """Return the workspace at a moment as a document and as text."""
    from twilio_taskrouter_worker._display.tables import Table
    from twilio_taskrouter_worker.local.moments import moment_of

    view = kept.at(kept.count if moment is None else moment)
    latest = [moment_of(step) for step in kept.steps(max(0, view.number - _LATEST_MOMENTS), view.number)]
    workers, queues, tasks = (_workers(view), _queues(view), _tasks(view)) if view.engine.workspaces() else ([], [], [])
    document = {
        **_where(kept, view),
        "workers": workers,
        "queues": queues,
        "tasks": tasks,
        "latest": [
            {"number": each.number, "time": each.time.isoformat(), "actor": each.actor, "what": each.what}
            for each in latest
        ],
    }
    tables = [
        Table(title, list(rows[0]) if rows else [], [list(row.values()) for row in rows])
        for title, rows in (("Workers", workers), ("Queues", queues), ("Tasks", tasks))
    ]
    lines = [_headline(document), *map(str, tables), "Latest entries", *(f"  {each}" for each in latest)]
    return document, "\n".join(lines)


def _where(kept: KeptFile, view: View) -> dict[str, Any]:
    return {"file": kept.path, "at": view.time.isoformat(), "entry": view.number, "entries": kept.count}


def _headline(where: dict[str, Any]) -> str:
    return f"{where['file']} at {where['at']}, after entry {where['entry']} of {where['entries']}"


def _workers(view: View) -> list[dict[str, Any]]:
    held: dict[str, int] = {}
    for reservation in view.reservations():
        held[reservation.worker_sid] = held.get(reservation.worker_sid, 0) + reservation.open
    return [
        {
            "sid": each.sid,
            "name": each.friendly_name,
            "activity": each.activity_name,
            "holds": held.get(each.sid, 0),
            "sessions": view.open_sessions(each.sid),
        }
        for each in view.workers()
    ]


def _queues(view: View) -> list[dict[str, Any]]:
    waiting = [task for task in view.tasks() if task.assignment_status == "pending"]
    now = view.time.timestamp()
    found = []
    for each in view.queues():
        ages = [now - task.date_created for task in waiting if task.task_queue_sid == each.sid]
        longest = round(max(ages, default=0.0), 1)
        found.append({"sid": each.sid, "name": each.friendly_name, "waiting": len(ages), "longest_wait": longest})
    return found


def _tasks(view: View) -> list[dict[str, Any]]:
    with_workers = {each.task_sid: each.worker_name for each in view.reservations() if each.open}
    now = view.time.timestamp()
    return [
        {
            "sid": each.sid,
            "status": each.assignment_status,
            "queue": each.task_queue_friendly_name,
            "worker": with_workers.get(each.sid),
            "age": round(now - each.date_created, 1),
        }
        for each in view.tasks()
    ]


# -- a task ----------------------------------------------------------------------------------------------------------


def _task(kept: KeptFile, moment: int | datetime | None, sid: str) -> tuple[dict[str, Any], str]:
    """Return the life of a task, and the verdicts at a moment, as a document and as text.

    Raises:
        ValueError: The file has no such task up to that moment.
    """
    until = kept.count if moment is None else kept.number_at(moment)
    life = list(_life(kept, until, sid))
    if not life:
        raise ValueError(f"There is no task {sid!r} in {kept.path} up to entry {until}")
    # An entry that did not concern the task cannot say why: the latest one before it that did can.
    entry = life[-1]["number"]
    if moment is None:
        entry = next((each["number"] for each in reversed(life) if each["type"] == "reservation.created"), entry)
    explanation = _explanation(kept, entry, sid)
    view = kept.at(kept.count if moment is None else moment)
    document = {**_where(kept, view), "task": sid, "life": life, "explained_entry": entry, "explanation": None}
    lines = [_headline(document), f"Task {sid}"]
    for step in life:
        why = f"  ({step['why']})" if step["why"] else ""
        lines.append(f"  {step['number']:>7}  {_short(step['time'])}  {step['who']:<10}  {step['what']}{why}")
    if explanation is not None:
        document["explanation"] = explanation.to_dict()
        step = next(each for each in life if each["number"] == entry)
        lines += [
            "",
            f"As entry {entry} found it, at {_short(step['time'])}, before tasks were offered:",
            str(explanation),
        ]
    return document, "\n".join(lines)


def _short(time: str) -> str:
    return time[:23].replace("T", " ")


def _life(kept: KeptFile, until: int, sid: str) -> Iterator[dict[str, Any]]:
    """Iterate over the events that concern a task."""
    from twilio_taskrouter_worker.local.engine.events import TaskEvent
    from twilio_taskrouter_worker.local.moments import actor, describe

    # Only the entries between its creation and its end are applied again, which may be few of very many.
    first, last = kept.span(sid)
    for step in kept.steps(min(first, until), min(last, until)):
        for event in step.events:
            if isinstance(event, TaskEvent) and event.task.sid == sid:
                yield {
                    "number": step.number,
                    "time": datetime.fromtimestamp(event.at, timezone.utc).isoformat(timespec="milliseconds"),
                    "type": event.type,
                    "who": actor(step),
                    "what": describe(event),
                    "why": _why(event),
                }


def _why(event: Event) -> str | None:
    """Return the reason that an event has, or None."""
    from twilio_taskrouter_worker.local.engine.events import ReservationEvent, TaskEvent

    data = event.data
    if event.type == "workflow.target-matched":
        filter, target = data.get("filter_expression") or data.get("filter"), data.get("target_expression")
        return f"{filter}; target {target}" if target else str(filter)
    if event.type == "task-queue.moved":
        return str(data.get("target_changed_reason"))
    if isinstance(event, ReservationEvent) and event.reservation.canceled_reason_code is not None:
        return f"reason code {event.reservation.canceled_reason_code}"
    if isinstance(event, TaskEvent) and event.type.startswith("task.") and event.task.final:
        return event.task.reason
    reason = data.get("re_evaluated_reason")
    return None if reason is None else str(reason)


def _explanation(kept: KeptFile, entry: int, sid: str) -> Any:
    """Return why a task is, or is not, offered to each worker, in the state that an entry found."""
    # The state before the entry: the command is applied below without routing, which would assign the task.
    view = kept.at(entry - 1)
    engine, step = view.engine, next(iter(kept.steps(entry - 1, entry)))
    engine.apply_without_routing(step.entry.command, step.entry.now)
    try:
        return view.explain(sid)
    except NotFoundError:  # the entry deleted it
        return None
