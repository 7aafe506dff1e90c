"""The router around a service, as its console uses it."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from ...engine import Engine


@attrs.frozen(kw_only=True)
class Past:
    """The router as it was at an earlier moment."""

    engine: Engine
    number: int
    """The moment, as the number of an entry of the journal."""
    time: float
    """Unix seconds by the router's clock."""
    workspace_sid: str | None
    info: dict[str, Any]


class Facade(Protocol):
    """The router, as its console sees it."""

    read_only: bool
    """The console refuses every change of the router."""

    # -- called on the service's thread, and do not block ------------------------------------------------------------

    def workspace_sid(self) -> str | None:
        """Return the workspace that is shown first; None: there is none."""
        ...

    def faults(self) -> list[dict[str, Any]]:
        """Return the active faults, as rows."""
        ...

    def forks(self) -> list[dict[str, Any]]:
        """Return the forks that were made by the console and are running, as rows."""
        ...

    def info(self) -> dict[str, Any]:
        """Return the facts about the router.

        Raises:
            StateError: The router has been stopped.
        """
        ...

    def history(self) -> dict[str, Any] | None:
        """Return the range of moments; None: there is none yet.

        Raises:
            StateError: The router has been stopped.
        """
        ...

    # -- called on other threads, where they block ---------------------------------------------------------------------

    def at(self, moment: int) -> Past:
        """Return an earlier moment.

        Raises:
            ValueError, TypeError: There is no such moment.
            StateError: The router has been stopped.
        """
        ...

    def moments(self, around: int, limit: int) -> list[dict[str, Any]]:
        """Return the moments around one, oldest first.

        Raises:
            StateError: The router has been stopped.
        """
        ...

    def fork(self, moment: int | None) -> dict[str, Any]:
        """Start a router that begins at a moment, or now, and return its row.

        Raises:
            ValueError, TypeError: There is no such moment.
            StateError: There are too many forks, or the router has been stopped.
        """
        ...

    def end_fork(self, number: int) -> bool:
        """Stop a fork; False if it does not exist."""
        ...
