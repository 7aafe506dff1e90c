"""What the console needs of the router around its service."""

from __future__ import annotations

from typing import Any, Protocol


class Facade(Protocol):
    """The router, as its console sees it. The methods are called on the service's thread, and do not block."""

    def workspace_sid(self) -> str | None:
        """Return the workspace that is shown first; None: there is none."""

    def faults(self) -> list[dict[str, Any]]:
        """Return the active faults, as rows."""

    def info(self) -> dict[str, Any]:
        """Return the facts about the router that do not change."""
