"""The command group ``taskrouter``, and the exit codes of its commands."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

from twilio_taskrouter_worker._version import __version__
from twilio_taskrouter_worker.cli.groups import Group

_MODULES = {
    "demo": "demo:demo",
    "local": "local:local",
    "status": "control:status",
    "stop": "background:stop",
    "reset": "control:reset",
    "task": "resources:task",
    "worker": "resources:worker",
    "queue": "resources:queue",
    "workflow": "resources:workflow",
    "token": "token:token",
    "tail": "control:tail",
    "explain": "control:explain",
    "clock": "control:clock",
    "fault": "control:fault",
    "events": "control:events",
    "exec": "programs:execute",
    "run": "programs:run",
    "doctor": "doctor:doctor",
    "export": "export:export",
    "replay": "replay:replay",
}


class _Commands(Group):
    """Imports a command's module when it is used; lists the commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module, _, attribute = _MODULES[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="taskrouter", message="%(prog)s %(version)s")
def taskrouter() -> None:
    """Twilio TaskRouter on your own machine.

    Results go to standard output, everything else to standard error. Commands work on the local TaskRouter at
    http://127.0.0.1:4100, or on the one that TASKROUTER_LOCAL_URL or --url names, or with --twilio on a real account.
    Exit codes: 0 success, 1 failure, 2 wrong usage or something that is not installed, 130 interrupted.

    Completion: eval "$(_TASKROUTER_COMPLETE=bash_source taskrouter)", or zsh_source, or fish_source.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; errors of usage are printed, not raised.

    Args:
        arguments: The arguments after the command's name.

    Returns:
        The exit code.
    """
    try:
        # Without the standalone mode, click returns the exit code in place of ending the process.
        ended = taskrouter.main(args=list(arguments), prog_name="taskrouter", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    # click turns Ctrl-C into it while it runs a command.
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except KeyboardInterrupt:
        return 130
    return ended if isinstance(ended, int) else 0
