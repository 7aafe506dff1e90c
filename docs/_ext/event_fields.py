"""The fields of each event, from the table that events are made with."""

from __future__ import annotations

from collections.abc import Iterator

from coverage import table

from twilio_taskrouter_worker.local.server.events.event_fields import FIELDS, Field, camel


def sections() -> Iterator[str]:
    """Yield a section for each set of fields, under the events that have it."""
    events: dict[tuple[Field, ...], list[str]] = {}
    for kind, fields in FIELDS.items():
        events.setdefault(fields, []).append(kind)
    for fields, kinds in events.items():
        yield from _section(fields, kinds)


def _section(fields: tuple[Field, ...], kinds: list[str]) -> Iterator[str]:
    title = ", ".join(f"``{kind}``" for kind in sorted(kinds))
    yield from (title, "~" * len(title), "")
    if not fields:
        yield from ("No fields of their own.", "")
        return
    # Two records may have the same field, such as the operating unit; then it is there as soon as one of them is.
    conditions: dict[str, str] = {}
    for field in fields:
        if conditions.get(field.name) != "":
            conditions[field.name] = field.when
    rows = ((f"``{camel(name)}``", f"``{name}``", when or "always") for name, when in conditions.items())
    yield from table(("Callback", "Event log", "When"), rows, "36 36 28")
