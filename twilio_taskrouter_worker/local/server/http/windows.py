"""The span of time that event lists and statistics look at."""

from __future__ import annotations

from typing import Final

import attrs

from . import refusals
from .forms import Given, convert, date, integer

DEFAULT_MINUTES: Final = 15
_MOST_MINUTES: Final = 30 * 24 * 60


@attrs.frozen
class Window:
    """From ``start`` to ``end``, unix seconds, both inside."""

    start: float
    end: float

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment <= self.end


def window(given: Given, now: float) -> Window:
    """Return the window that StartDate, EndDate and Minutes ask for; without any, the last quarter of an hour.

    Raises:
        Rejected: one of them cannot be, or the end is before the start (400).
    """
    end = convert("EndDate", given["EndDate"], date) if given.get("EndDate") else now
    minutes = convert("Minutes", given["Minutes"], integer) if given.get("Minutes") else DEFAULT_MINUTES
    if not 1 <= minutes <= _MOST_MINUTES:
        raise refusals.invalid(f"The value of Minutes is invalid: {minutes} is not between 1 and {_MOST_MINUTES}")
    start = convert("StartDate", given["StartDate"], date) if given.get("StartDate") else end - minutes * 60
    if end < start:
        raise refusals.invalid("The value of EndDate is invalid: it is before StartDate")
    return Window(start, end)
