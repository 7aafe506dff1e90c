"""Where a fork of a local TaskRouter begins."""

from __future__ import annotations

import attrs

from .journal import Place, Stretch
from .server.events.event_log import Entry
from .server.events.facts import Values


@attrs.frozen(kw_only=True)
class Origin:
    """Where a fork begins."""

    place: Place
    """The place in the journal of the original router."""
    stretch: Stretch
    workspace_sid: str | None
    log: list[Entry] = attrs.field(repr=False)
    """The events in the parent's log; those up to the moment go into the fork's."""
    facts: list[Values] = attrs.field(repr=False)
