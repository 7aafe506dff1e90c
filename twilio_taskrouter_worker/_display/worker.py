"""The live panel of a Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..health import Health
from .tables import Description, Table, table_of

if TYPE_CHECKING:
    from ..worker import Worker

__all__ = ["Panel"]

LATEST = 10
"""Entries of the history in the panel."""


class Panel:
    """What a LivePanel shows of a worker.

    Args:
        worker: The worker, connected or not.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._was_running = worker.health().worker_sid is not None

    def ended(self) -> bool:
        """Whether the worker has been connected, and is so no more for good."""
        running = self._worker.health().running
        self._was_running = self._was_running or running
        return self._was_running and not running

    def view(self) -> Description:
        """Return the tables as of now."""
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
    return "connecting" if health.running else "not connected"
