"""Pages of REST lists, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from ..http import refusals
from ..http.forms import convert, integer, text
from ..http.page_size import page_size
from .call import Call
from .shapes import Shaper

_PAGE_PARAMETERS = ("PageSize", "Page", "PageToken")


def page(call: Call, key: str, records: Sequence[Any], shape: Shaper) -> dict[str, Any]:
    """Return the requested page of filtered and ordered records, with its ``meta``.

    Args:
        call: The request.
        key: The name of the list in the answer.
        records: All records.
        shape: Makes the JSON of a record.

    Raises:
        Rejected: PageSize, Page or PageToken is invalid (400).
    """
    size = page_size(call.query)
    number, start = _position(call, records, size)
    part = records[start : start + size]
    now = call.now
    end = start + len(part)
    # The token has the sid, which finds the place after changes, and the index, which does if that record is gone.
    following = _url(call, size, number + 1, _token("after", part[-1].sid, end - 1)) if end < len(records) else None
    previous = _url(call, size, max(0, number - 1), _token("before", part[0].sid, start)) if start and part else None
    return {
        key: [shape(record, call.base, now) for record in part],
        "meta": {
            "key": key,
            "page": number,
            "page_size": size,
            "first_page_url": _url(call, size, 0, None),
            "previous_page_url": previous,
            "url": _url(
                call,
                size,
                number,
                convert("PageToken", call.query["PageToken"], text) if "PageToken" in call.query else None,
            ),
            "next_page_url": following,
        },
    }


def _position(call: Call, records: Sequence[Any], size: int) -> tuple[int, int]:
    number: int = convert("Page", call.query["Page"], integer) if call.query.get("Page") else 0
    if number < 0:
        raise refusals.invalid(f"The value of Page is invalid: {number} is below 0")
    if not call.query.get("PageToken"):
        # The number is only echoed to the client; the position of a page is in the token alone.
        return number, 0
    direction, sid, index = _read_token(convert("PageToken", call.query["PageToken"], text))
    # If the record was deleted meanwhile, the following ones have moved up by one.
    found = next((place for place, record in enumerate(records) if record.sid == sid), None)
    place = min(index, len(records)) if found is None else found
    if direction == "before":
        return number, max(0, place - size)
    return number, place if found is None else place + 1


def _url(call: Call, size: int, number: int, token: str | None) -> str:
    # Helper libraries follow the link as it is, so it must repeat the filters.
    pairs: list[tuple[str, str]] = []
    for name, value in call.query.items():
        if name not in _PAGE_PARAMETERS:
            pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
    pairs += [("PageSize", str(size)), ("Page", str(number))]
    if token is not None:
        pairs.append(("PageToken", token))
    return f"{call.url}?{urlencode(pairs)}"


def _token(direction: str, sid: str, index: int) -> str:
    return "PA" + base64.urlsafe_b64encode(f"{direction}.{sid}.{index}".encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[str, str, int]:
    try:
        # The padding was cut off, since "=" would be escaped in a URL.
        plain = base64.b64decode(token[2:] + "=" * (-len(token[2:]) % 4), altchars=b"-_", validate=True).decode()
        direction, sid, index = plain.split(".")
        if not token.startswith("PA") or direction not in ("after", "before") or not index.isdecimal():
            raise ValueError(token)
        return direction, sid, int(index)
    except (ValueError, binascii.Error):
        raise refusals.invalid("The value of PageToken is invalid: it is not from a list of this service") from None
