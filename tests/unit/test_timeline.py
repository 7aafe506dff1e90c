"""Timelines as text and as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from twilio_taskrouter_worker._display.timeline import Bar, Lane, Phase, Timeline

SVG = "{http://www.w3.org/2000/svg}"


def bar(start: float, end: float, phase: Phase = "working", label: str = "a") -> Bar:
    """A bar with a note that names its label."""
    return Bar(start, end, phase, label, f"note of {label}")


def test_text() -> None:
    """A column is a sixtieth of the span; lanes have one line for each row."""
    lanes = [
        Lane("Alice", [bar(0, 30), bar(30, 60, "wrapping")]),
        Lane("Bob", [bar(0, 60, "unavailable"), bar(10, 11, "offered")]),
    ]
    lines = str(Timeline(0.0, 60.0, lanes)).splitlines()
    assert lines == [
        "Timeline 00:00:00.000 to 00:01:00.000 UTC (60 s)",
        f"  Alice |{'#' * 30}{'~' * 30}|",
        f"  Bob   |{'-' * 10}o{'-' * 49}|",
        "  o offered, # working, ~ wrapping, - unavailable",
    ]


def test_overlapping_bars_get_rows() -> None:
    """Bars of one lane never hide each other; beyond some rows they are counted."""
    lane = Lane("Alice", [bar(0, 10, label=str(n)) for n in range(10)])
    rows, left = lane.rows()
    assert [len(row) for row in rows] == [1] * 8 and left == 2
    text = str(Timeline(0.0, 10.0, [lane]))
    assert text.count("|") == 16 and "and 2 more" in text
    assert "and 2 more" in Timeline(0.0, 10.0, [lane])._repr_svg_()


def test_phases_of_a_task_share_a_row() -> None:
    """What follows on a bar of the same label continues its row."""
    lane = Lane(
        "Alice", [bar(0, 1, "offered", "x"), bar(0, 2, "offered", "y"), bar(2, 3, label="y"), bar(2, 3, label="x")]
    )
    rows, _ = lane.rows()
    assert [[each.label for each in row] for row in rows] == [["x", "x"], ["y", "y"]]


def test_svg_is_well_formed_and_escaped() -> None:
    """Names are text, whatever is in them; bars stay inside the drawing."""
    lanes = [Lane("</text><script>alert(1)</script>", [bar(-100, 5, label="<b>"), bar(5, 1000)]), Lane("", [])]
    root = ET.fromstring(Timeline(0.0, 10.0, lanes)._repr_svg_())
    assert root.tag == f"{SVG}svg" and not list(root.iter(f"{SVG}script"))
    for rect in root.iter(f"{SVG}rect"):
        x, width = float(rect.attrib["x"]), float(rect.attrib["width"])
        assert 0 <= x and x + width <= float(root.attrib["width"])
    assert "note of <b>" in [title.text for title in root.iter(f"{SVG}title")]


@pytest.mark.parametrize("span", [0.0, 0.0004, 0.02, 1.0, 59.0, 7200.0, 86400.0 * 400])
def test_any_span_has_a_few_ticks(span: float) -> None:
    """A millisecond and a year can be drawn."""
    root = ET.fromstring(Timeline(1e9, 1e9 + span, [])._repr_svg_())
    ticks = [text for text in root.iter(f"{SVG}text") if (text.text or "").startswith("+")]
    assert 1 <= len(ticks) <= 9
    assert "none" not in str(Timeline(1e9, 1e9 + span, []))


def test_save(tmp_path: Path) -> None:
    """A file has what a notebook shows; another kind of file is refused."""
    timeline = Timeline(0.0, 10.0, [Lane("Zoë", [bar(0, 5)])])
    timeline.save(tmp_path / "shift.svg")
    assert (tmp_path / "shift.svg").read_text(encoding="utf-8") == timeline._repr_svg_()
    with pytest.raises(ValueError, match=r"must end in \.svg, not 'shift\.png'"):
        timeline.save(tmp_path / "shift.png")
    assert repr(timeline) == "<Timeline of 1 lanes, 00:00:00.000 to 00:00:10.000 UTC (10 s)>"
