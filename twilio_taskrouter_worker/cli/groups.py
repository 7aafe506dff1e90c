"""The class of the groups of commands."""

from __future__ import annotations

import click

from twilio_taskrouter_worker._nearest import nearest

__all__ = ["Group"]


class Group(click.Group):
    """A group of commands; the error for an unknown one names the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = nearest(args[0], self.list_commands(ctx))
            if close is None:
                raise
            raise click.UsageError(f"No such command {args[0]!r}; did you mean {close!r}?", ctx) from error
