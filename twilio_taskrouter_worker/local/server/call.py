"""What a request of REST and one of the bridge have in common, once they may be executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..engine import Engine, commands
from .http.filters import Scope
from .service import Context, Service


@attrs.frozen(kw_only=True)
class Call:
    """A request whose credentials were checked."""

    service: Service
    context: Context
    """For the commands that it causes."""
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
        """Apply a command and return its result; its events leave after the answer to this request.

        Raises:
            Rejected: the engine refused it.
            StoreError: nothing can be kept any more.
        """
        return self.service.execute(command, self.context)

    def scope(self) -> Scope:
        """Where lists are read."""
        return Scope(self.engine, self.path.get("WorkspaceSid", ""))
