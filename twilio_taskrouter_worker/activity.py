"""Activities: what a worker can be doing, and whether it is offered tasks meanwhile."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime
from typing import Any

from . import _checks
from ._bridge import routes, schema
from ._bridge.owner import Owner
from ._bridge.schema import Record, Resource, Wire

__all__ = ["Activity", "check_activity"]


class Activity(Resource):
    """One activity of the workspace.

    It has no events; ``activity_updated`` of the worker fires when the current one changes. The object stays the same
    across reconnects. Attributes are live and may be read on any thread.
    """

    __slots__ = ("_state",)
    _columns = ("name", "available", "is_current", "sid")

    account_sid: Wire[str] = Wire("account_sid", schema.TEXT)
    """Sid of the account."""
    available: Wire[bool] = Wire("available", schema.BOOLEAN)
    """Whether a worker in this activity is offered tasks."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    name: Wire[str] = Wire("friendly_name", schema.TEXT)
    """Its name."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """Its sid."""
    workspace_sid: Wire[str] = Wire("workspace_sid", schema.TEXT)
    """Sid of the workspace."""

    def __init__(self, state: Owner, record: Record) -> None:
        super().__init__(record)
        self._state = state

    def _shown(self) -> str:
        return f"{self.name!r} {self.sid}{' current' if self.is_current else ''}"

    @property
    def is_current(self) -> bool:
        """Whether this is the worker's activity now.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        return self._state.worker_activity_sid == self.sid

    def set_as_current(self, *, reject_pending_reservations: bool | None = None) -> Future[Activity]:
        """Make this the worker's activity.

        Does not block; callbacks of the Future run on a shared pool thread. ``activity_updated`` fires on the dispatch
        thread when the service announces the change, as for every change of activity.

        Args:
            reject_pending_reservations: Reject all pending reservations in the same step; None leaves that to the
                service (it does not).

        Returns:
            A Future that resolves to this activity once the service has changed it.

        Raises:
            TypeError: The argument is not a boolean.
            ValueError: It is True and this activity is available: the worker would be offered the rejected tasks again.
            ClosedError: The worker was disconnected.
        """
        # A value of another type is refused by the route, with TypeError.
        if reject_pending_reservations and self.available and isinstance(reject_pending_reservations, bool):
            raise ValueError(
                f"reject_pending_reservations needs an unavailable activity, and {self.name!r} is "
                "available: the worker would be offered the rejected tasks at once"
            )

        def answered(payload: Any) -> Activity:
            self._state.worker_answered(payload)
            return self

        values = {"activity_sid": self.sid, "reject_pending_reservations": reject_pending_reservations}
        return self._state.call_worker(routes.SET_ACTIVITY, values, answered)


def check_activity(name: str, value: object) -> object:
    """Check an argument that is an activity: its name, its sid, or an Activity.

    Args:
        name: Name of the argument.
        value: Its value.

    Returns:
        The value.

    Raises:
        TypeError: It is neither a string nor an Activity.
        ValueError: It is empty.
    """
    if isinstance(value, str):
        if not value:
            raise ValueError(f"{name} must be an activity's name or sid, not empty")
    elif not isinstance(value, Activity):
        raise _checks.wrong_type(name, "an activity's name or sid, or an Activity", value)
    return value
