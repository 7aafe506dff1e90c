"""The page on reliability: each promise names a test that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.rst import DOCS, literals, tables

TESTS = Path(__file__).resolve().parents[1]
ROWS = [row for table in tables(DOCS / "reliability.rst") for row in table.rows if "::" in row[1]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_promise_has_its_test(row: list[str]) -> None:
    """The file has a function of that name, and the row a figure."""
    _, test, figure = row
    file, _, name = literals(test)[0].partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")
    assert figure


def test_there_are_promises() -> None:
    """The test above has something to read."""
    assert len(ROWS) > 15
