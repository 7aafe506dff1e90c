"""Tables, as aligned text and as HTML: the one place where the package writes HTML.

The HTML sets no colour of its own but a translucent grey, so that it is readable on light and dark pages; every value
is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from operator import attrgetter
from typing import Any, TypeVar

import attrs

__all__ = ["Listing", "Table", "Description", "moment", "table_of"]

T = TypeVar("T")

ROWS = 100
"""Maximum number of rows shown: of a longer table the first and the last ones."""

_LINE = "1px solid rgba(128,128,128,.35)"
_TABLE = "border-collapse:collapse;margin:4px 0;color:inherit;background:none"
_CAPTION = "caption-side:top;text-align:left;padding:2px 0;font-weight:600;color:inherit;white-space:nowrap"
_CELL = f"text-align:left;vertical-align:top;padding:2px 14px 2px 0;border:0;border-bottom:{_LINE};background:none"
_HEADING = f"{_CELL};font-weight:600"


def moment(at: datetime | float) -> str:
    """Return a time of day with milliseconds, in UTC.

    Args:
        at: A datetime, or unix seconds.
    """
    if not isinstance(at, datetime):
        at = datetime.fromtimestamp(at, timezone.utc)
    return at.strftime("%H:%M:%S.%f")[:-3]


def _shown(value: object) -> str:
    """Return the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


@attrs.frozen
class Table:
    """Rows of values under headings."""

    title: str
    columns: Sequence[str]
    """The headings; empty for a table whose first column has the names."""
    rows: Sequence[Sequence[object]]

    def _lines(self) -> list[list[str]]:
        """Return the texts of headings and rows."""
        if not self.rows:
            return [["none"]]
        cells = [[_shown(value) for value in row] for row in self.rows]
        left = len(cells) - ROWS
        if left > 0:
            cells[ROWS // 2 : -ROWS // 2] = [[f"... {left} more ...", *[""] * (len(cells[0]) - 1)]]
        return [list(self.columns), *cells] if self.columns else cells

    def __str__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*filter(None, [self.title]), *(f"  {text}".rstrip() for text in texts)])

    def to_html(self) -> str:
        """Return it as an HTML table."""
        lines = self._lines()
        head = _row("th", _HEADING, lines.pop(0)) if self.columns and self.rows else ""
        body = "".join(_row("td", _CELL, line) for line in lines)
        caption = f'<caption style="{_CAPTION}">{_escape(self.title)}</caption>' if self.title else ""
        return f'<table style="{_TABLE}">{caption}<tbody>{head}{body}</tbody></table>'


def _escape(text: str) -> str:
    # Here, as a Worker that shows nothing need not load the table of all entities.
    from html import escape

    return escape(text)


def _row(tag: str, style: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="{style}">{_escape(cell)}</{tag}>' for cell in cells) + "</tr>"


@attrs.frozen(repr=False)
class Description:
    """A description of something at one moment: readable as text in a terminal, and as tables in a notebook."""

    tables: tuple[Table, ...]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables))

    # A REPL shows it as ``print()`` does.
    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{''.join(table.to_html() for table in self.tables)}</div>"


class Listing(list[T]):
    """A list that prints, and shows in a notebook, as a table.

    Args:
        items: The items.
        title: Title of the table.
        columns: The attributes that are shown, as for ``table_of``.
    """

    def __init__(self, items: Iterable[T], title: str, columns: Sequence[str]) -> None:
        super().__init__(items)
        self._title = title
        self._columns = columns

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().to_html()

    def _table(self) -> Table:
        return table_of(self, self._title, self._columns)


def table_of(items: Iterable[Any], title: str, columns: Sequence[str]) -> Table:
    """Return a table with a row for each item.

    Args:
        items: The items.
        title: Its title.
        columns: The attributes of the items that are shown, e.g. ``sid`` or ``task.sid``.

    Raises:
        AttributeError: An item has no such attribute.
        ForkedProcessError: An item is of a worker that was connected in the parent process.
    """
    read = attrgetter(*columns, columns[0])  # with one name more, so that a single column is a tuple too
    headings = [column.replace(".", " ").replace("_", " ").removeprefix("is ") for column in columns]
    return Table(title, headings, [read(item)[:-1] for item in items])
