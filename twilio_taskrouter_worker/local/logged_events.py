"""Events of a workspace as the event log shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType

import attrs

from .._display.tables import moment
from .engine import Event
from .server.events import event_fields

__all__ = ["LoggedEvent"]


@attrs.frozen(repr=False)
class LoggedEvent:
    """One event of the workspace, as the event log and event callbacks have it."""

    type: str
    """For example ``reservation.created``."""
    sid: str
    at: datetime
    """When it happened by the router's clock, in UTC."""
    description: str
    resource_type: str
    resource_sid: str
    data: Mapping[str, str]
    """Its facts, for example ``data["task_sid"]``; the page on webhooks lists those of each type."""

    @property
    def time(self) -> str:
        """The time of day in UTC, as text with milliseconds."""
        return moment(self.at)

    def __repr__(self) -> str:
        return f"<LoggedEvent {self.time} {self.type} {self.resource_sid}>"


def logged(event: Event, workspace_name: str) -> LoggedEvent:
    """Return an event of the engine as the log shows it.

    Args:
        event: The event.
        workspace_name: The name of its workspace at that time.
    """
    kind, sid, _ = event_fields.resource(event)
    return LoggedEvent(
        type=event.type,
        sid=event.sid,
        at=datetime.fromtimestamp(event.at, timezone.utc),
        description=event_fields.description(event),
        resource_type=kind,
        resource_sid=sid,
        # The same texts that a webhook gets as its form fields.
        data=MappingProxyType(event_fields.fields(event, workspace_name)),
    )
