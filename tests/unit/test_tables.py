"""Tables as text and as HTML."""

from __future__ import annotations

from datetime import datetime, timezone

import attrs
import pytest

from twilio_taskrouter_worker._display.tables import Description, Listing, Table, moment

HOSTILE = "<script>alert(\"x\")</script> & 'y'"


@attrs.frozen
class Order:
    """An item with a nested one."""

    number: int
    is_paid: bool
    parent: Order | None = None


def test_text_is_aligned() -> None:
    """Columns have the width of their longest cell; lines have no trailing spaces."""
    table = Table("Orders", ("number", "note"), [(1, "a"), (4711, None), (5, "long note")])
    assert str(table) == "Orders\n  number  note\n  1       a\n  4711\n  5       long note"


def test_values_have_a_text() -> None:
    """Dates, truth values, JSON and None are shown as a reader expects them."""
    at = datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
    table = Table("", (), [("a", at), ("b", True), ("c", {"größe": [1]}), ("d", None)])
    assert str(table) == '  a  2030-01-02 03:04:05\n  b  yes\n  c  {"größe": [1]}\n  d'
    assert moment(at) == moment(at.timestamp()) == "03:04:05.678"


def test_an_empty_table_says_so() -> None:
    """Headings without rows would look like a mistake."""
    table = Table("Orders", ("number",), [])
    assert str(table) == "Orders\n  none"
    assert ">none<" in table.to_html() and "number" not in table.to_html()


def test_a_long_table_is_cut() -> None:
    """Its first and last rows are shown, and the number of the others."""
    table = Table("Orders", ("number", "note"), [(n, "") for n in range(250)])
    assert "\n  49\n  ... 150 more ...\n  200\n" in str(table) and str(table).endswith("\n  249")
    assert table.to_html().count("<tr>") == 102


@pytest.mark.parametrize(
    "table", [Table(HOSTILE, (), []), Table("", (HOSTILE,), [("a",)]), Table("", (), [(HOSTILE,)])]
)
def test_html_is_escaped(table: Table) -> None:
    """Neither titles, headings nor values can bring markup along."""
    html = table.to_html()
    assert "<script" not in html and "&lt;script&gt;" in html


def test_html_sets_no_colour() -> None:
    """A colour chosen for a light page cannot be read on a dark one, and the other way round."""
    html = Table("Orders", ("number",), [(1,)]).to_html()
    assert "#" not in html
    assert html.count("color:") == html.count("color:inherit")


def test_a_listing_is_a_list_that_prints() -> None:
    """It compares and iterates as a list; ``str`` and HTML are a table, of nested attributes too."""
    orders = [Order(1, True, Order(7, False)), Order(2, False, Order(8, True))]
    listing = Listing(orders, "Orders", ("number", "is_paid", "parent.number"))
    assert listing == orders and repr(listing) == repr(orders)
    assert str(listing) == "Orders\n  number  paid  parent number\n  1       yes   7\n  2       no    8"
    assert "parent number" in listing._repr_html_()
    assert str(Listing(orders, "Orders", ("number",))) == "Orders\n  number\n  1\n  2"


def test_a_view_has_several_tables() -> None:
    """Text is separated by an empty line; the repr is the text, for a prompt without HTML."""
    view = Description((Table("A", (), [(1,)]), Table("B", (), [])))
    assert str(view) == repr(view) == "A\n  1\n\nB\n  none"
    assert view._repr_html_().count("<table") == 2
