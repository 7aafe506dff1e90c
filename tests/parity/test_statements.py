"""Each statement of Twilio's documentation is put to a local TaskRouter."""

from __future__ import annotations

import pytest

from tests.parity.catalogue import PAGES, STATEMENTS
from tests.parity.statement import DIFFERS, SAME, UNKNOWN, Statement, World
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: f"{each.page.rpartition('/')[2]}: {each.text}")
def test_statement(statement: Statement) -> None:
    """What the documentation says is so here, or differs as the page on parity tells."""
    with LocalTaskRouter(clock="virtual") as router:
        assert statement.check(World(router))


def test_there_are_enough() -> None:
    """The catalogue is not an empty promise."""
    assert len(STATEMENTS) >= 150
    assert len({(each.page, each.text) for each in STATEMENTS}) == len(STATEMENTS)
    assert all(page.statements for page in PAGES)


@pytest.mark.parametrize("verdict", [DIFFERS, UNKNOWN])
def test_differences_are_explained(verdict: str) -> None:
    """Whoever reads that something differs reads why; a switch that is named exists."""
    found = [each for each in STATEMENTS if each.verdict == verdict]
    assert found
    assert all(each.why for each in found)
    assert all(hasattr(Rules(), each.switch) for each in found if each.switch)
    assert not any(each.why or each.switch for each in STATEMENTS if each.verdict == SAME)
