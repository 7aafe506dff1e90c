"""The page on limits: each number is that of the code, and each row names a test that is there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import twilio_taskrouter_worker as package
from tests.tools.rst import DOCS, literals, tables
from twilio_taskrouter_worker._bridge.http import TEXT_LIMIT, hide

TESTS = Path(__file__).resolve().parents[1]
UNITS = {"KiB": 2**10, "MiB": 2**20, "s": 1, "characters": 1, "threads": 1, "": 1}
ROWS = [row for table in tables(DOCS / "limits.rst") for row in table.rows]


def value_of(path: str) -> Any:
    """Return what a dotted name below the package means: the longest part of it that is a module, and the rest."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join([package.__name__, *parts[:count]]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            value = getattr(value, name)
        return value
    raise AssertionError(f"{path} is not in the package")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_is_true(row: list[str]) -> None:
    """The constant has the value, something happens beyond it, and the test exists."""
    _, amount, beyond, constant, test = row
    value = value_of(literals(constant)[0])
    if amount != "none":
        number, _, unit = amount.partition(" ")
        assert float(number) * UNITS[unit] == value
    assert beyond
    file, _, name = literals(test)[0].partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_there_are_rows() -> None:
    """The test above has something to read."""
    assert len(ROWS) > 30


def test_a_long_error_text_is_cut() -> None:
    """However long an answer is, no more of its text is looked through, kept and logged."""
    assert len(hide("token", "x" * 1_000_000)) == TEXT_LIMIT
