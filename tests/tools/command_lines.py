"""Command lines of ``taskrouter`` in documentation and manifests: are the commands and options those that there are?"""

from __future__ import annotations

import shlex

import click

from twilio_taskrouter_worker.cli.app import taskrouter


def check(line: str | list[str]) -> None:
    """Parse a command line as the command would; raise click's error of usage for what does not exist."""
    words = shlex.split(line, comments=True) if isinstance(line, str) else list(line)
    assert words[0] == "taskrouter", words
    command: click.Command = taskrouter
    name, words = words[0], words[1:]
    with click.Context(command, info_name=name) as context:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, *words = words
            found = command.get_command(context, name)
            if found is None:
                raise click.UsageError(f"there is no command {name!r}")
            command = found
        if not isinstance(command, click.Group):
            try:
                command.make_context(name, words, parent=context)
            except click.BadParameter as error:
                # A file of an example, which is not there where the tests run.
                if isinstance(error, click.MissingParameter) or "does not exist" not in str(error):
                    raise
