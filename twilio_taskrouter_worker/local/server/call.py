"""The base of REST and bridge requests, once they are authorized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..engine import Engine, commands
from .http.filters import Scope
from .service import Context, Service


@attrs.frozen(kw_only=True)
class Call:
    """An authorized request."""

    service: Service
    context: Context
    """The context of its commands."""
    path: Mapping[str, str]
    """The variables of the path."""
    if_match: int | None

    @property
    def engine(self) -> Engine:
        """The routing engine."""
        return self.service.engine

    @property
    def workspace_sid(self) -> str:
        """The workspace of the path."""
        return self.path["WorkspaceSid"]

    @property
    def now(self) -> float:
        """The engine's time."""
        return self.service.clock.now()

    def execute(self, command: commands.Command) -> Any:
        """Apply a command and return its result; its events are sent after the answer to this request.

        Args:
            command: The command.

        Raises:
            Rejected: The engine refused it.
            StoreError: The file could not be written, so nothing is accepted any more.
        """
        return self.service.execute(command, self.context)

    def scope(self) -> Scope:
        """Return the scope in which lists are read."""
        return Scope(self.engine, self.path.get("WorkspaceSid", ""))
