"""Pages of lists as the event bridge has them: ``contents`` and where to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from ..http import refusals
from ..http.dates import iso
from ..http.filters import Orders
from ..http.forms import Given, convert, integer, text

R = TypeVar("R")

DEFAULT_PAGE_SIZE: Final = 50
LARGEST_PAGE_SIZE: Final = 1000


def page(
    records: Sequence[Any], shape: Callable[[Any], dict[str, Any]], given: Given, orders: Orders | None = None
) -> dict[str, Any]:
    """Return the page of (filtered and ordered) records that a request asks for.

    Raises:
        Rejected: PageSize, AfterSid or NextToken cannot be (400).
    """
    size = page_size(given)
    ordering = given.get("Ordering") if orders is not None else None
    start = _start(records, given, ordered=bool(ordering))
    part = records[start : start + size]
    more = start + len(part) < len(records)
    meta: dict[str, Any] = {"list_key": "contents"}
    if ordering and more:
        assert orders is not None
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


def page_size(given: Given, default: int = DEFAULT_PAGE_SIZE) -> int:
    """Return the PageSize of a request.

    Raises:
        Rejected: it is out of range (400).
    """
    size: int = convert("PageSize", given["PageSize"], integer) if "PageSize" in given else default
    if not 1 <= size <= LARGEST_PAGE_SIZE:
        raise refusals.invalid(f"The value of PageSize is invalid: {size} is not between 1 and {LARGEST_PAGE_SIZE}")
    return size


def _start(records: Sequence[Any], given: Given, *, ordered: bool) -> int:
    if ordered and given.get("NextToken"):
        name, after = "NextToken", convert("NextToken", given["NextToken"], text).partition("/")[0]
    elif given.get("AfterSid"):
        name, after = "AfterSid", convert("AfterSid", given["AfterSid"], text)
    else:
        return 0
    for index, record in enumerate(records):
        if record.sid == after:
            return index + 1
    raise refusals.invalid(f"The value of {name} is invalid: '{after[:60]}' is not in this list")
