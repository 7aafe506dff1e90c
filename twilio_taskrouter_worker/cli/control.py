"""Commands for a running local TaskRouter: status, reset, explain, clock, fault, events, tail."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import click

from twilio_taskrouter_worker.cli.groups import Group
from twilio_taskrouter_worker.cli.remote import Printer, Remote, with_remote

POLL_SECONDS = 0.3
"""Time between two requests for new events."""


@click.command()
@with_remote
def status(remote: Remote, printer: Printer) -> None:
    """Show what a running local TaskRouter is doing; exit code 1 if none answers."""
    info = remote.control("GET", "info")
    connected = remote.control("GET", "sessions")
    printer.record({**info, "connected": [each["worker_name"] for each in connected]})


@click.command()
@with_remote
def reset(remote: Remote, printer: Printer) -> None:
    """Restart from the initial state, or from its seed file, on the same port with the same credentials."""
    before = remote.control("GET", "info")["resets"]
    remote.control("POST", "reset")
    # The old service answers, and goes on to answer for a moment; then, for another one, nobody does.
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        time.sleep(0.1)
        with suppress(click.ClickException):
            if remote.control("GET", "info")["resets"] > before:
                printer.record({"reset": remote.url}, f"{remote.url} was reset to its initial state")
                return
    raise click.ClickException(f"{remote.url} did not come back within 10 s")


@click.command()
@click.argument("task")
@with_remote
def explain(remote: Remote, printer: Printer, task: str) -> None:
    """Explain why a TASK is, or is not, with a worker."""
    if printer.as_json:
        printer.record(remote.control("GET", f"explain/{task}"))
    else:
        click.echo(remote.control("GET", f"explain/{task}/text")["text"])


# -- clock -----------------------------------------------------------------------------------------------------------


@click.group(cls=Group)
def clock() -> None:
    """The clock of a running local TaskRouter: timeouts, delays, statistics."""


# A negative number is not an option; the service says why it is refused.
@clock.command(context_settings={"ignore_unknown_options": True})
@click.argument("seconds", type=float)
@with_remote
def advance(remote: Remote, printer: Printer, seconds: float) -> None:
    """Move the clock forward by SECONDS at once."""
    _print_clock(printer, remote.control("POST", "clock/advance", json={"seconds": seconds}))


@clock.command()
@with_remote
def pause(remote: Remote, printer: Printer) -> None:
    """Pause the clock."""
    _print_clock(printer, remote.control("POST", "clock/pause"))


@clock.command()
@with_remote
def resume(remote: Remote, printer: Printer) -> None:
    """Run a paused clock again."""
    _print_clock(printer, remote.control("POST", "clock/resume"))


@clock.command("show")
@with_remote
def show_clock(remote: Remote, printer: Printer) -> None:
    """Show the time and whether the clock is running."""
    _print_clock(printer, remote.control("GET", "clock"))


def _print_clock(printer: Printer, state: dict[str, Any]) -> None:
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(state["now"]))
    printer.record(state, f"{shown}  {'running' if state['running'] else 'paused'}")


# -- faults ----------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--for", "seconds", type=click.FloatRange(min=0, min_open=True), help="Seconds until it ends by itself.")
@with_remote
def fault(remote: Remote, printer: Printer, name: str, arguments: tuple[str, ...], seconds: float | None) -> None:
    """Begin the fault NAME, for example: taskrouter fault delay seconds=0.2 --for 30.

    "list" shows the faults at work, "clear" ends them all. Values are JSON where they can be, else text.
    """
    if name == "list":
        printer.table(remote.control("GET", "faults"), {"text": "fault", "hits": "hits"})
    elif name == "clear":
        remote.control("POST", "faults/clear")
    else:
        # Names have hyphens on a command line, and underscores as methods of router.faults.
        body: dict[str, Any] = {"name": name.replace("-", "_"), "arguments": dict(map(_argument, arguments))}
        if seconds is not None:
            body["for"] = seconds
        begun = remote.control("POST", "faults", json=body)
        printer.record(begun, begun.get("text") or f"{begun['name']}: {begun['hits']}")


def _argument(text: str) -> tuple[str, Any]:
    name, divided, value = text.partition("=")
    if not divided:
        raise click.UsageError(f"An argument of a fault is NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


# -- events ----------------------------------------------------------------------------------------------------------


@click.group(cls=Group)
def events() -> None:
    """The event log of a running local TaskRouter."""


@events.command()
@click.argument("sid")
@with_remote
def resend(remote: Remote, printer: Printer, sid: str) -> None:
    """Call the webhooks for the event SID again."""
    remote.control("POST", f"events/{sid}/resend")
    printer.note(f"{sid} is sent again")


@click.command()
@click.option("--worker", metavar="NAME", default=None, help="Only events of this worker, by name or sid.")
@click.option("--task", default=None, help="Only events of this task.")
@click.option("--type", "types", default=None, help="Only these types, with commas; task.* stands for all of a kind.")
@click.option("--no-follow", is_flag=True, help="Print the existing events, and exit.")
@with_remote
def tail(
    remote: Remote, printer: Printer, worker: str | None, task: str | None, types: str | None, no_follow: bool
) -> None:
    """Print events as they happen, until Ctrl-C."""
    query = {name: value for name, value in {"worker": worker, "task": task, "type": types}.items() if value}
    after = None
    while True:
        found = remote.control("GET", "events", params={**query, **({"after": after} if after else {})})
        for event in found:
            # The position is a sid, not a time: several events may have the same time.
            after = event["sid"]
            printer.record(event, _line(event))
        if no_follow:
            return
        time.sleep(POLL_SECONDS)


def _line(event: dict[str, Any]) -> str:
    data = event["data"]
    about = [data[name] for name in ("task_sid", "worker_name", "reservation_sid") if name in data]
    return f"{event['at'][11:23]}  {event['type']:<30}  {'  '.join(about)}"
