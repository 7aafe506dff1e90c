"""``taskrouter local --detach`` and ``taskrouter stop``: a local TaskRouter without a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from twilio_taskrouter_worker._local_url import LOCAL_URL, local_url
from twilio_taskrouter_worker.cli.remote import DEFAULT_PORT

STOP_SECONDS = 15.0


def _record(port: int) -> Path:
    # The XDG base directories: a record of what runs is state, neither configuration nor data.
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(home) / "taskrouter" / f"{port}.json"


def detach(arguments: list[str]) -> dict[str, Any]:
    """Start the service in a process of its own. Blocks until it is ready.

    Args:
        arguments: The options of ``taskrouter local``.

    Returns:
        Its addresses and credentials.

    Raises:
        ClickException: It did not start; the message has its log.
    """
    # With port 0 only the service knows its port, by which the log and the record for stop are named.
    folder = _record(0).parent
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, starting = tempfile.mkstemp(".log", "starting-", folder)
    with open(descriptor, "w", encoding="utf-8") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "twilio_taskrouter_worker.cli", "local", "--json", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            # Ctrl-C in this terminal, and its end, must not reach the service.
            start_new_session=True,
            text=True,
        )
    assert child.stdout is not None
    # The one JSON line comes when the service is ready; the end of file without it when the service has ended.
    line = child.stdout.readline()
    child.stdout.close()
    if not line:
        # Before the log is read, so that it is complete.
        code = child.wait()
        text = Path(starting).read_text(encoding="utf-8").strip()
        os.unlink(starting)
        # The child has written it as an error of the command, and so does this process.
        raise click.ClickException(
            text.removeprefix("Error: ") or f"It ended with exit code {code} before it was ready"
        )
    facts: dict[str, Any] = json.loads(line)
    record = _record(urlsplit(facts["url"]).port or 0)
    log = record.with_suffix(".log")
    os.replace(starting, log)
    record.write_text(json.dumps({"pid": child.pid, "url": facts["url"], "log": str(log)}), encoding="utf-8")
    # The child outlives this process: marked as ended, so that Popen does not warn about an unwaited child.
    child.returncode = 0
    return {**facts, "pid": child.pid, "log": str(log)}


@click.command()
@click.option(
    "--port", type=int, default=None, help=f"Its port; the default is that of {LOCAL_URL}, else {DEFAULT_PORT}."
)
def stop(port: int | None) -> None:
    """Stop the local TaskRouter that was started with --detach on this port."""
    if port is None:
        try:
            port = urlsplit(local_url() or "").port or DEFAULT_PORT
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    record = _record(port)
    try:
        pid = int(json.loads(record.read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"No local TaskRouter was started with --detach on port {port}") from error
    # Even if the process has ended, so that the next call does not find the same stale record.
    record.unlink(missing_ok=True)
    try:
        if not _is_ours(pid):
            raise ProcessLookupError
        # It may be ending by itself, or by the same command in another terminal.
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        raise click.ClickException(f"The local TaskRouter on port {port} has ended already") from None
    deadline = time.monotonic() + STOP_SECONDS
    while _is_ours(pid):
        if time.monotonic() > deadline:
            raise click.ClickException(f"Process {pid} did not end within {STOP_SECONDS:g} s")
        # Not wait(): it is the child of another process, which has ended.
        time.sleep(0.05)
    click.echo(f"stopped process {pid}", err=True)


def _is_ours(pid: int) -> bool:
    """Return whether this process runs and is a local TaskRouter; its number may belong to another program by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return False
        # Without /proc, as on macOS, only the existence of the process can be checked.
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    except ProcessLookupError:
        return False  # it ended between the opening of the file and the reading
    return b"twilio_taskrouter_worker" in command
