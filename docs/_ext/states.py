"""The states of reservations and tasks, from the tables that the engine runs from."""

from __future__ import annotations

from collections.abc import Iterator

from coverage import table

from twilio_taskrouter_worker.local.engine import states


def sections() -> Iterator[str]:
    """Yield a section for each table, with a row for each change."""
    for title, changes in (("A reservation", states.RESERVATION), ("A task", states.TASK)):
        yield from _section(title, changes)


def _section(title: str, changes: states.Table) -> Iterator[str]:
    yield from (title, "-" * len(title), "")
    rows = (
        (f"``{before}``", f"``{after}``", cause)
        for before, following in changes.items()
        for after, cause in following.items()
    )
    yield from table(("From", "To", "When"), rows, "15 15 70")
    final = ", ".join(f"``{status}``" for status, following in changes.items() if not following)
    yield from ("", f"Nothing follows {final}.", "")
