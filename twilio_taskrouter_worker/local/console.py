"""The router as its console sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import StateError
from .control import fault_row

if TYPE_CHECKING:
    from .router import LocalTaskRouter

__all__ = ["ConsoleFacade"]


class ConsoleFacade:
    """Gives the console of one router what is not in its service. Called on the service's thread.

    Args:
        router: the router.
    """

    def __init__(self, router: LocalTaskRouter) -> None:
        self._router = router

    def workspace_sid(self) -> str | None:
        """Return the workspace that is shown first; None: there is none."""
        try:
            return self._router.workspace_sid
        except StateError:
            return None

    def faults(self) -> list[dict[str, Any]]:
        """Return the active faults, as rows."""
        return [fault_row(fault) for fault in self._router.faults.active]

    def info(self) -> dict[str, Any]:
        """Return the facts about the router that do not change."""
        router = self._router
        return {
            "url": router.url,
            "account_sid": router.account_sid,
            "workspace_sid": self.workspace_sid(),
            "version": __version__,
            "read_only": False,
            "fork_of": None,
        }
