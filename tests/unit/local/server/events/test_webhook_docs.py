"""The page about webhooks says what is true."""

from __future__ import annotations

import re

from tests.tools.rst import DOCS, literals, tables
from twilio_taskrouter_worker.local.server.events import assignments, posting, webhooks

PAGE = DOCS / "webhooks.rst"


def test_every_instruction_has_its_keys() -> None:
    """The table has each instruction with each of its keys; those of a conference are the method's."""
    [table] = [each for each in tables(PAGE) if each.name == "instructions"]
    shown = {literals(row[0])[0]: set(literals(row[1])) for row in table.rows}
    known = {name: set(keys) for name, keys in assignments.INSTRUCTIONS.items()}
    assert shown.pop("conference") <= known.pop("conference")
    assert shown == known


def test_limits_are_those_of_the_code() -> None:
    """Seconds, requests at a time and waiting events are the constants."""
    text = PAGE.read_text(encoding="utf-8")
    assert re.search(rf"\| {posting.ANSWER_SECONDS:g} s from", text)
    assert f"at most {posting.AT_ONCE} requests to one URL at a time, and {posting.AT_ONCE_IN_ALL} in all" in text
    assert f"Up to {webhooks.WAITING_EVENTS} events" in text
