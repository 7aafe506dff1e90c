"""``taskrouter exec`` and ``taskrouter run``: programs that use a local TaskRouter, and programs that are workers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

import click

from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED, LOCAL_URL
from twilio_taskrouter_worker._running import ProgramError, RunError, run_program

C = TypeVar("C", bound=Callable[..., Any])


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
            # The names that Twilio's helper library, its command line and this package read by themselves.
            **os.environ,
            LOCAL_URL: router.url,
            "TWILIO_ACCOUNT_SID": router.account_sid,
            "TWILIO_AUTH_TOKEN": router.auth_token,
            "TWILIO_API_KEY": router.signing_key_sid,
            "TWILIO_API_SECRET": router.signing_key_secret,
            "TASKROUTER_WORKSPACE_SID": router.workspace_sid,
        }
        try:
            # In the same process group: Ctrl-C reaches the command directly, and this process waits for its end.
            code = subprocess.run(command, env=environment, check=False).returncode
        except OSError as error:
            raise click.ClickException(f"{command[0]}: {error.strerror}") from error
    # A shell's convention for a command ended by a signal.
    context.exit(code if code >= 0 else 128 - code)


def worker_options(command: C) -> C:
    """Add the options that every command which runs a Worker has; they are the arguments of ``run_forever``.

    Args:
        command: The function of the command.
    """
    for option in (
        click.option("--health-host", default="127.0.0.1", show_default=True, help="Interface of that port."),
        click.option("--health-port", type=int, default=None, help="Answer /live and /ready on this port."),
        click.option("--drain-activity", metavar="NAME", default=None, help="Activity to take first after a signal."),
        click.option(
            "--grace", type=float, default=10.0, show_default=True, help="Seconds that handlers get after a signal."
        ),
    ):
        command = option(command)
    return command


def run_as_command(context: click.Context, program: object, *, reload: bool, **options: Any) -> None:
    """Run a Worker, and end the command.

    Args:
        context: The command's context.
        program: ``MODULE:WORKER``, a Worker, or a function that makes one.
        reload: Whether it is restarted when a file changes.
        **options: Those of ``worker_options``, and ``around``.

    Raises:
        UsageError: There is no such Worker.
        ClickException: Its connection ended for good, work was given up, or an option is invalid.
    """
    try:
        code = run_program(program, reload=reload, note=lambda line: click.echo(line, err=True), **options)
    except ProgramError as error:
        raise click.UsageError(str(error)) from error
    except RunError as error:
        raise click.ClickException(str(error)) from error
    context.exit(code)


@click.command()
@click.argument("program", metavar="MODULE:WORKER")
@click.option("--reload", is_flag=True, help="Restart it when a Python file of this folder changes.")
@worker_options
@click.pass_context
def run(context: click.Context, /, program: str, reload: bool, **options: Any) -> None:
    """Run the Worker called WORKER of a Python MODULE until a signal; it may also be a function that makes one.

    Exit code 0 after an orderly end, 1 if the connection ended for good or work was given up.
    """
    run_as_command(context, program, reload=reload, **options)
