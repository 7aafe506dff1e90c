"""The page size of lists, over REST and the bridge."""

from __future__ import annotations

from . import refusals
from .forms import Given, convert, integer

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000


def page_size(given: Given, default: int = DEFAULT_PAGE_SIZE) -> int:
    """Return the PageSize of a request.

    Args:
        given: The request's parameters.
        default: The size without one.

    Raises:
        Rejected: It is out of range (400).
    """
    size: int = convert("PageSize", given["PageSize"], integer) if "PageSize" in given else default
    # Refused, not cut down: the client would not notice that its page is smaller.
    if not 1 <= size <= LARGEST_PAGE_SIZE:
        raise refusals.invalid(f"The value of PageSize is invalid: {size} is not between 1 and {LARGEST_PAGE_SIZE}")
    return size
