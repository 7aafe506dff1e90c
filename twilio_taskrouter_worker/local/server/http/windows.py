"""The span of time of event lists and statistics."""

from __future__ import annotations

import attrs

from . import refusals
from .forms import Given, convert, date, integer

DEFAULT_MINUTES = 15
# Twilio keeps events for 30 days.
_MOST_MINUTES = 30 * 24 * 60


@attrs.frozen
class Window:
    """From ``start`` to ``end``, in unix seconds, both included."""

    start: float
    end: float


def window(given: Given, now: float) -> Window:
    """Return the window of StartDate, EndDate and Minutes; without any of them, the last 15 minutes.

    Args:
        given: The request's parameters.
        now: Unix seconds by the engine's clock.

    Raises:
        Rejected: One of them is invalid, or the end is before the start (400).
    """
    # StartDate has precedence over Minutes, if a request has both.
    end = convert("EndDate", given["EndDate"], date) if given.get("EndDate") else now
    minutes = convert("Minutes", given["Minutes"], integer) if given.get("Minutes") else DEFAULT_MINUTES
    if not 1 <= minutes <= _MOST_MINUTES:
        raise refusals.invalid(f"The value of Minutes is invalid: {minutes} is not between 1 and {_MOST_MINUTES}")
    start = convert("StartDate", given["StartDate"], date) if given.get("StartDate") else end - minutes * 60
    if end < start:
        raise refusals.invalid("The value of EndDate is invalid: it is before StartDate")
    return Window(start, end)
