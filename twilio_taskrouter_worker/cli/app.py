"""The commands, and how they end."""

from __future__ import annotations

from collections.abc import Sequence

import click

from twilio_taskrouter_worker._version import __version__
from twilio_taskrouter_worker.cli.demo import demo
from twilio_taskrouter_worker.cli.export import export
from twilio_taskrouter_worker.cli.local import local


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="taskrouter", message="%(prog)s %(version)s")
def taskrouter() -> None:
    """Twilio TaskRouter on your own machine.

    Results go to standard output, everything else to standard error. Exit codes: 0 success, 1 failure, 2 wrong usage or
    something that is not installed, 130 interrupted.
    """


taskrouter.add_command(demo)
taskrouter.add_command(local)
taskrouter.add_command(export)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors of usage are printed, not raised."""
    try:
        ended = taskrouter.main(args=list(arguments), prog_name="taskrouter", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    return ended if isinstance(ended, int) else 0
