"""Pages of lists on the event bridge: ``contents``, and where the next page starts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..http import refusals
from ..http.dates import iso
from ..http.filters import Orders
from ..http.forms import Given, convert, text
from ..http.page_size import page_size

_PAGE_PARAMETERS = ("PageSize", "AfterSid", "NextToken")
_LONGEST_KEY = 1000

R = TypeVar("R")

KNOWN_POSITIONS = 4096
"""How many page ends are remembered; the oldest is evicted."""


class Positions:
    """The ends of the latest pages: the next page can be found even if the last record was deleted meanwhile."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()

    def remember(self, sid: str, given: Given, end: int) -> None:
        """Note the end of a page.

        Args:
            sid: The sid of its last record.
            given: The request's parameters: filters and order identify the list.
            end: The index after its last record.
        """
        # By list as well: one sid ends pages of several lists, at other indexes.
        self._known[sid, _list_of(given)] = end
        if len(self._known) > KNOWN_POSITIONS:
            self._known.popitem(last=False)

    def recall(self, sid: str, given: Given) -> int | None:
        """Return the end of a page.

        Args:
            sid: The sid of its last record.
            given: The parameters of the request for the next page.

        Returns:
            The index after its last record at that time; None if it is not remembered.
        """
        return self._known.get((sid, _list_of(given)))


def _list_of(given: Given) -> str:
    return repr(sorted((name, value) for name, value in given.items() if name not in _PAGE_PARAMETERS))[:_LONGEST_KEY]


def page(
    records: Sequence[Any],
    shape: Callable[[Any], dict[str, Any]],
    given: Given,
    positions: Positions,
    orders: Orders | None = None,
) -> dict[str, Any]:
    """Return the requested page of filtered and ordered records.

    Args:
        records: All records.
        shape: Makes the payload of a record.
        given: The request's parameters.
        positions: The ends of the latest pages.
        orders: The orders of the list; None: it has none.

    Raises:
        Rejected: PageSize, AfterSid or NextToken is invalid (400).
    """
    size = page_size(given)
    ordering = given.get("Ordering") if orders is not None else None
    start = _start(records, given, positions, ordered=bool(ordering))
    part = records[start : start + size]
    more = start + len(part) < len(records)
    meta: dict[str, Any] = {"list_key": "contents"}
    if more:
        positions.remember(part[-1].sid, given, start + len(part))
    if ordering and more:
        assert orders is not None
        # Recorded tokens of the live service: the sid, and the date of the field that the list is sorted by.
        key = orders[str(ordering).split(",")[0].split(":")[0].strip()]
        meta["next_token"] = f"{part[-1].sid}/{iso(key(part[-1]))}"
    number = start // size
    return {
        "contents": [shape(record) for record in part],
        "page": number,
        "total": len(records),
        "start": start,
        "end": start + len(part),
        "nextPage": number + 1 if more else number,
        "lastPage": max(0, (len(records) - 1) // size),
        "after_sid": part[-1].sid if more else None,
        "before_sid": None,
        "meta": meta,
    }


def _start(records: Sequence[Any], given: Given, positions: Positions, *, ordered: bool) -> int:
    if ordered and given.get("NextToken"):
        name, after = "NextToken", convert("NextToken", given["NextToken"], text).partition("/")[0]
    elif given.get("AfterSid"):
        name, after = "AfterSid", convert("AfterSid", given["AfterSid"], text)
    else:
        return 0
    for index, record in enumerate(records):
        # By sid and not by index: records before it may have come or gone since the page was made.
        if record.sid == after:
            return index + 1
    position = positions.recall(after, given)
    if position is not None:
        # The record was deleted: the following ones have moved up by one.
        return max(0, min(position - 1, len(records)))
    # Live, an unknown AfterSid is a 400 as well; an empty page would end the client's walk too early.
    raise refusals.invalid(f"The value of {name} is invalid: '{after[:60]}' is not in this list")
