"""The facts of a console beside its rows: timers, faults, totals and the like, compared once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ...engine import Rejected
from .rows import Encoded, encoded

Read = Callable[[str], Any]
"""Returns one fact of a workspace, as data for JSON."""


class Status:
    """Facts by name, and their texts as last sent. Belongs to the service's loop.

    Args:
        facts: Returns each fact, by its name in the messages.
    """

    def __init__(self, facts: dict[str, Read]) -> None:
        self._facts = facts
        self._sent: dict[str, dict[str, Encoded]] = {}
        """By workspace and name."""

    def all(self, workspace_sid: str) -> list[Encoded]:
        """Return all facts, as fields of a snapshot.

        Args:
            workspace_sid: The workspace.
        """
        # Not noted as sent: other viewers of the workspace have not seen them.
        return [f'"{name}":{text}' for name, text in self._read(workspace_sid)]

    def changes(self, workspace_sid: str) -> Iterator[Encoded]:
        """Iterate over the facts that differ from the ones before, as fields of a message.

        Args:
            workspace_sid: The workspace.
        """
        sent = self._sent.setdefault(workspace_sid, {})
        for name, text in self._read(workspace_sid):
            if sent.get(name) != text:
                sent[name] = text
                yield f'"{name}":{text}'

    def _read(self, workspace_sid: str) -> Iterator[tuple[str, Encoded]]:
        for name, read in self._facts.items():
            with suppress(Rejected):  # the workspace was deleted
                yield name, encoded(read(workspace_sid))

    def forget(self) -> None:
        """Forget the texts that were sent, because no console is open any more."""
        self._sent.clear()
