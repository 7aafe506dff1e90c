"""The live panel of a Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..health import Health
from .tables import Description, Table, table_of

if TYPE_CHECKING:
    from ..directory import Directory
    from ..observer import HistoryEntry
    from ..reservation import Reservation

__all__ = ["Panel"]

LATEST = 10
"""Entries of the history in the panel."""


class Shown(Protocol):
    """A Worker, as its panel uses it."""

    def health(self) -> Health: ...

    @property
    def history(self) -> list[HistoryEntry]: ...

    @property
    def reservations(self) -> Directory[Reservation]: ...


class Panel:
    """The view of a worker for a LivePanel.

    Args:
        worker: The worker, connected or not.
    """

    def __init__(self, worker: Shown) -> None:
        self._worker = worker
        health = worker.health()
        # Number of connections when the last one ended; None while one is open.
        self._before = None if health.running else health.connections

    def ended(self) -> bool:
        """Whether the worker was connected, and will not be connected again by itself."""
        health = self._worker.health()
        # By number: a short connection may come and go between two updates.
        began = self._before is None or health.connections > self._before or health.failure is not None
        return began and not health.running

    def view(self) -> Description:
        """Return the tables as of now.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        worker, health = self._worker, self._worker.health()
        rows = [
            ("connection", _connection(health)),
            ("waiting events", health.backlog),
            ("calls under way", health.calls_in_flight),
            ("failure", health.failure or "none"),
        ]
        columns = ("time", "what", "reservation_sid", "task_sid", "outcome")
        return Description(
            (
                Table(repr(worker), (), rows),
                worker.reservations._table("open reservations"),
                # The latest first.
                table_of(worker.history[: -LATEST - 1 : -1], "Latest events and calls", columns),
            )
        )


def _connection(health: Health) -> str:
    if health.stopping and health.running:
        return "stopping"
    if health.ready:
        return "ready"
    if health.connected:
        return "connected, reading its state"
    if health.running:
        return "connecting"
    return "not connected yet" if health.worker_sid is None else "disconnected"
