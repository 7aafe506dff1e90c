"""The facts of each event, from the table that events are made with."""

from __future__ import annotations

from collections.abc import Iterator

from coverage import table

from twilio_taskrouter_worker.local.server.events.event_fields import FACTS, Fact, camel


def sections() -> Iterator[str]:
    """Yield a section for each set of facts, under the events that have it."""
    events: dict[tuple[Fact, ...], list[str]] = {}
    for kind, facts in FACTS.items():
        events.setdefault(facts, []).append(kind)
    for facts, kinds in events.items():
        yield from _section(facts, kinds)


def _section(facts: tuple[Fact, ...], kinds: list[str]) -> Iterator[str]:
    title = ", ".join(f"``{kind}``" for kind in sorted(kinds))
    yield from (title, "~" * len(title), "")
    if not facts:
        yield from ("No facts of their own.", "")
        return
    # Two records may have the same fact, such as the operating unit; then it is there as soon as one of them is.
    conditions: dict[str, str] = {}
    for fact in facts:
        if conditions.get(fact.name) != "":
            conditions[fact.name] = fact.when
    rows = ((f"``{camel(name)}``", f"``{name}``", when or "always") for name, when in conditions.items())
    yield from table(("Callback", "Event log", "When"), rows, "36 36 28")
