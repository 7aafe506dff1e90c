"""Timelines: lanes of bars over time, as an SVG drawing and as text.

The drawing has no background, and only colours that are readable on light and dark pages alike: a notebook may show it
as an image, which cannot know the page's colours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Literal

import attrs

from .tables import moment

__all__ = ["Bar", "Lane", "Phase", "Timeline"]

Phase = Literal["waiting", "offered", "working", "wrapping", "unavailable"]

_WIDTH, _LEFT, _RIGHT, _TOP = 960, 130, 12, 34
_ROW, _GAP = 20, 8
_ROWS = 8
"""Maximum number of rows of bars in a lane; further bars are counted."""
_COLUMNS = 60
"""Width of the text form."""
_TICKS = 8
# Seconds between two lines of the grid: the first that makes no more than _TICKS of them.
_STEPS = (
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    21600,
    86400,
)

_GREY = "#787878"
# Colour, and character of the text form; in the order of the legend.
_PHASES: dict[Phase, tuple[str, str]] = {
    "waiting": ("#707070", "."),
    "offered": ("#b7791f", "o"),
    "working": ("#2f7fd6", "#"),
    "wrapping": ("#8a63d2", "~"),
    "unavailable": (_GREY, "-"),
}


@attrs.frozen
class Bar:
    """A span of time in a lane."""

    start: float
    """Unix seconds."""
    end: float
    phase: Phase
    """``unavailable`` is drawn behind the others."""
    label: str
    """A few characters."""
    note: str
    """The full description, shown when the pointer rests on it."""


@attrs.frozen
class Lane:
    """The bars of a worker, or of the waiting tasks."""

    name: str
    bars: Sequence[Bar]

    def rows(self) -> tuple[list[list[Bar]], int]:
        """Distribute the bars over rows in which none overlaps another; the consecutive bars of one label share a row.

        Returns:
            The rows, at least one, and the number of bars that have no room.
        """
        rows: list[list[Bar]] = []
        left = 0
        for bar in sorted(self.bars, key=lambda bar: bar.start):
            if bar.phase == "unavailable":
                continue
            # First fit by start time, which never takes more rows than overlap at one moment.
            free = [row for row in rows if row[-1].end <= bar.start]
            # The phases of one task then follow each other.
            same = [row for row in free if row[-1].label == bar.label]
            if free:
                (same or free)[0].append(bar)
            elif len(rows) < _ROWS:
                rows.append([bar])
            else:
                left += 1
        return rows or [[]], left


@attrs.frozen(repr=False)
class Timeline:
    """Lanes of bars: a drawing in a notebook, text with ``print()``, and a file with ``save()``."""

    start: float
    """Unix seconds."""
    end: float
    lanes: Sequence[Lane]

    def __repr__(self) -> str:
        return f"<Timeline of {len(self.lanes)} lanes, {self._title()}>"

    def _title(self) -> str:
        return f"{moment(self.start)} to {moment(self.end)} UTC ({_duration(self.end - self.start)})"

    @property
    def _span(self) -> float:
        return max(self.end - self.start, 0.001)

    # -- text --------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        width = max((len(lane.name) for lane in self.lanes), default=0)
        lines = [f"Timeline {self._title()}"]
        for lane in self.lanes:
            rows, left = lane.rows()
            for number, row in enumerate(rows):
                text = self._line([bar for bar in lane.bars if bar.phase == "unavailable"], row)
                lines.append(f"  {lane.name if not number else '':{width}} |{text}|")
            if left:
                lines.append(f"  {'':{width}}  and {left} more")
        used = {bar.phase for lane in self.lanes for bar in lane.bars}
        legend = ", ".join(f"{sign} {phase}" for phase, (_, sign) in _PHASES.items() if phase in used)
        return "\n".join([*lines, *([f"  {legend}"] if legend else [])])

    def _line(self, *layers: Sequence[Bar]) -> str:
        cells = [" "] * _COLUMNS
        for bar in (bar for layer in layers for bar in layer):
            first = int((bar.start - self.start) / self._span * _COLUMNS)
            last = int((bar.end - self.start) / self._span * _COLUMNS)
            for column in range(min(max(first, 0), _COLUMNS - 1), min(max(last, first + 1), _COLUMNS)):
                # Later layers cover earlier ones.
                cells[column] = _PHASES[bar.phase][1]
        return "".join(cells)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file, replacing an existing one. Blocks for the disk.

        Args:
            path: Its name, which ends in ``.svg``.

        Raises:
            ValueError: The name ends in something else.
            OSError: It cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() != ".svg":
            raise ValueError(f"A timeline is saved as SVG: the name of the file must end in .svg, not {file.name!r}")
        file.write_text(self._repr_svg_(), encoding="utf-8")

    def _repr_svg_(self) -> str:
        body: list[str] = []
        y = float(_TOP)
        for lane in self.lanes:
            rows, left = lane.rows()
            height = len(rows) * _ROW
            body.extend(self._lane(lane, rows, y, height))
            if left:
                body.append(_text(_LEFT + 4, y + height + 9, f"and {left} more", size=9))
            y += height + _GAP + (6 if left else 0)
        # After the lanes, whose height it needs.
        grid = list(self._grid(y))
        legend = list(_legend({bar.phase for lane in self.lanes for bar in lane.bars}, y + 16))
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 26:g}" '
            f'viewBox="0 0 {_WIDTH} {y + 26:g}" font-family="system-ui, sans-serif" role="img" style="max-width:100%">'
        )
        return "\n".join([head, _text(4, 14, self._title(), bold=True), *grid, *body, *legend, "</svg>"])

    def _x(self, at: float) -> float:
        share = min(max((at - self.start) / self._span, 0.0), 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def _grid(self, bottom: float) -> Iterator[str]:
        step = next((step for step in _STEPS if self._span / step <= _TICKS), self._span / _TICKS)
        for number in range(int(self._span / step) + 1):
            x = self._x(self.start + number * step)
            yield f'<path d="M{x:.1f} {_TOP - 6}V{bottom:g}" stroke="{_GREY}" stroke-opacity=".3"/>'
            yield _text(x + 2, _TOP - 8, f"+{_duration(number * step)}", size=9)

    def _lane(self, lane: Lane, rows: list[list[Bar]], y: float, height: float) -> Iterator[str]:
        yield _text(4, y + 14, lane.name if len(lane.name) < 19 else f"{lane.name[:17]}…", note=lane.name)
        yield f'<path d="M{_LEFT} {y + height + 2:g}H{_WIDTH - _RIGHT}" stroke="{_GREY}" stroke-opacity=".3"/>'
        for bar in lane.bars:
            if bar.phase == "unavailable":
                yield self._bar(bar, y, height)
        for number, row in enumerate(rows):
            for bar in row:
                yield self._bar(bar, y + number * _ROW + 1, _ROW - 2)

    def _bar(self, bar: Bar, y: float, height: float) -> str:
        x, end = self._x(bar.start), self._x(bar.end)
        # A moment is still visible.
        width = max(end - x, 1.5)
        behind = bar.phase == "unavailable"
        filled = f'fill="{_PHASES[bar.phase][0]}" fill-opacity="{0.28 if behind else 1}"'
        shape = f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2" {filled}/>'
        # Some 6 pixels a character; a label that does not fit is left to the note.
        fits = bar.label and width > 6 * len(bar.label) + 6
        colour = _GREY if behind else "#ffffff"
        label = _text(x + 4, y + height / 2 + 4, bar.label, size=10, colour=colour) if fits else ""
        return f"<g><title>{escape(bar.note)}</title>{shape}{label}</g>"


def _legend(used: set[str], y: float) -> Iterator[str]:
    x = _LEFT
    for phase, (colour, _) in _PHASES.items():
        if phase in used:
            filled = f'fill="{colour}" fill-opacity="{0.3 if phase == "unavailable" else 1}"'
            yield f'<rect x="{x}" y="{y - 9:g}" width="10" height="10" rx="2" {filled}/>'
            yield _text(x + 14, y, phase)
            x += 100


def _text(
    x: float, y: float, text: str, *, size: int = 12, colour: str = _GREY, bold: bool = False, note: str = ""
) -> str:
    weight = ' font-weight="600"' if bold else ""
    title = f"<title>{escape(note)}</title>" if note else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{weight}>{title}{escape(text)}</text>'


def _duration(seconds: float) -> str:
    for limit, unit, name in ((7200, 3600, "h"), (120, 60, "min"), (1, 1, "s")):
        if seconds >= limit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
