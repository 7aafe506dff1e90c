"""``taskrouter exec`` and ``taskrouter run``: programs that use a local TaskRouter, and programs that are workers."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED, LOCAL_URL
from twilio_taskrouter_worker.errors import TaskRouterError

if TYPE_CHECKING:
    from twilio_taskrouter_worker import Worker

RELOAD_SECONDS = 0.5
"""Time between two checks of a program's files for changes."""


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.option(
    "--seed", "seed_file", type=click.Path(exists=True, dir_okay=False), help="JSON or YAML file to start with."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def execute(context: click.Context, seed_file: str | None, command: tuple[str, ...]) -> None:
    """Start a local TaskRouter, run COMMAND with its address in the environment, and stop it.

    Ends with the exit code of the command. Its environment has TASKROUTER_LOCAL_URL, TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN, TWILIO_API_KEY, TWILIO_API_SECRET and TASKROUTER_WORKSPACE_SID.
    """
    from twilio_taskrouter_worker.local import LocalTaskRouter

    with LocalTaskRouter(seed=DEVELOPMENT_SEED, seed_file=seed_file) as router:
        environment = {
            **os.environ,
            LOCAL_URL: router.url,
            "TWILIO_ACCOUNT_SID": router.account_sid,
            "TWILIO_AUTH_TOKEN": router.auth_token,
            "TWILIO_API_KEY": router.signing_key_sid,
            "TWILIO_API_SECRET": router.signing_key_secret,
            "TASKROUTER_WORKSPACE_SID": router.workspace_sid,
        }
        try:
            code = subprocess.run(command, env=environment, check=False).returncode
        except OSError as error:
            raise click.ClickException(f"{command[0]}: {error.strerror}") from error
    # A shell's convention for a command ended by a signal.
    context.exit(code if code >= 0 else 128 - code)


@click.command()
@click.argument("program", metavar="MODULE:WORKER")
@click.option("--reload", is_flag=True, help="Restart it when a Python file of this folder changes.")
@click.option("--grace", type=float, default=10.0, show_default=True, help="Seconds that handlers get after a signal.")
@click.option("--drain-activity", metavar="NAME", default=None, help="Activity to take first after a signal.")
@click.option("--health-port", type=int, default=None, help="Answer /live and /ready on this port.")
@click.pass_context
def run(
    context: click.Context,
    program: str,
    reload: bool,
    grace: float,
    drain_activity: str | None,
    health_port: int | None,
) -> None:
    """Run the Worker called WORKER of a Python MODULE until a signal; it may also be a function that makes one.

    Exit code 0 after an orderly end, 1 if the connection ended for good or work was given up.
    """
    if reload:
        context.exit(_reloading([argument for argument in sys.argv[1:] if argument != "--reload"]))
    worker = _load(program)
    try:
        worker.run_forever(grace=grace, drain_activity=drain_activity, health_port=health_port)
    except (TaskRouterError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _load(program: str) -> Worker:
    from twilio_taskrouter_worker import Worker

    module_name, divided, name = program.partition(":")
    if not divided or not module_name or not name:
        raise click.UsageError(f"The program is MODULE:WORKER, for example shop:worker, not {program!r}")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise click.UsageError(
            f"There is no module {module_name!r} in {os.getcwd()} or among those installed"
        ) from None
    found = getattr(module, name, None)
    worker = found() if callable(found) and not isinstance(found, Worker) else found
    if not isinstance(worker, Worker):
        there_are = [key for key, value in vars(module).items() if isinstance(value, Worker)]
        hint = f"; it has {', '.join(there_are)}" if there_are else ""
        raise click.UsageError(f"{module_name} has no Worker called {name}{hint}")
    return worker


def _reloading(arguments: list[str]) -> int:
    """Run the command in a process of its own, again after each change of a file; return its exit code at the end."""
    # SIGTERM raises KeyboardInterrupt too, so that the child is ended with this process.
    # SIGINT too: a shell starts what is in the background with that signal ignored, and then Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    while True:
        before = _changes()
        # In a session of its own: Ctrl-C then reaches only this process, which forwards it once.
        command = [sys.executable, "-m", "twilio_taskrouter_worker.cli", *arguments]
        with subprocess.Popen(command, start_new_session=True) as child:
            try:
                while child.poll() is None and _changes() == before:
                    time.sleep(RELOAD_SECONDS)
                if child.returncode == 0:
                    return 0
                if child.returncode is not None:
                    click.echo("It ended with an error; waiting for a change of its files", err=True)
                    while _changes() == before:
                        time.sleep(RELOAD_SECONDS)
                else:
                    click.echo("A file has changed: starting again", err=True)
                    child.terminate()
            except KeyboardInterrupt:
                child.terminate()
                return child.wait()


def _changes() -> dict[Path, float]:
    """Return the modification time of each Python file below the working directory."""
    found = {}
    for path in Path.cwd().rglob("*.py"):
        try:
            found[path] = path.stat().st_mtime
        except OSError:
            continue  # it has just been deleted
    return found
