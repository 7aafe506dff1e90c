"""Which sessions a journal leaves open."""

from __future__ import annotations

from collections import Counter

from ..engine import commands

_Key = tuple[str, str, bool | None]


class Presence:
    """Counts the sessions that a replayed journal opens and closes."""

    def __init__(self) -> None:
        self._open: Counter[_Key] = Counter()

    def note(self, command: commands.Command) -> None:
        """Take in a command of the journal."""
        if isinstance(command, (commands.SessionOpened, commands.SessionClosed)):
            key = (command.workspace_sid, command.worker_sid, command.set_offline)
            self._open[key] += 1 if isinstance(command, commands.SessionOpened) else -1

    def leftovers(self) -> list[commands.SessionClosed]:
        """Return a command for each session that was not closed, and forget them all."""
        left = [
            commands.SessionClosed(workspace_sid=workspace_sid, worker_sid=worker_sid, set_offline=set_offline)
            for (workspace_sid, worker_sid, set_offline), count in self._open.items()
            for _ in range(count)
        ]
        self._open.clear()
        return left
