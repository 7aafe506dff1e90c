"""``taskrouter.currentTime`` and similar values that change by themselves, and when a comparison with one changes.

Each is constant for a step of a minute, an hour or a day (UTC) and repeats after a period. A comparison with a literal
is therefore true or false for each step of the period, and a waiting task only has to be tested again at the next step
at which that changes: for ``taskrouter.currentTime >= 800`` at 08:00 and at midnight.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

_DAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
"""Days of the week from the first of January 1970."""


@attrs.frozen
class Field:
    """One of the values."""

    step: int
    """Seconds for which it is constant."""
    period: int
    """Steps after which it repeats."""
    value: Callable[[int], int | str]
    """Its value in the n-th step since 1970."""

    def at(self, now: float) -> int | str:
        """Return the value at a time.

        Args:
            now: Unix seconds.
        """
        return self.value(int(now // self.step))


PREFIX = "taskrouter"
# currentTime has gaps (759 is followed by 800), so changes are found by trying each step and not by arithmetic.
FIELDS = {
    "currentTime": Field(60, 1440, lambda minute: minute // 60 % 24 * 100 + minute % 60),
    "currentHour": Field(3600, 24, lambda hour: hour % 24),
    "currentMin": Field(60, 60, lambda minute: minute % 60),
    "dayOfWeek": Field(86400, 7, lambda day: _DAYS[day % 7]),
}
"""By their names behind ``taskrouter.``: HHMM as a number (0800 is 800), hour, minute, ``Mon`` to ``Sun``."""


class Changes:
    """When one comparison that reads such a value may change."""

    def __init__(self, field: Field, test: Callable[[int | str], bool] | None) -> None:
        """Keep the comparison.

        Args:
            field: The value that it reads.
            test: Its outcome by that value; None if that depends on something else too.
        """
        self._field = field
        self._test = test
        self._steps: tuple[int, ...] | None = None

    def after(self, now: float) -> float | None:
        """Return the next time at which the outcome may change (unix seconds), or None if it never does.

        Args:
            now: Unix seconds; the result is later.
        """
        steps = self._steps
        if steps is None:
            # Computed on first use: most expressions are tested, but never waited for.
            steps = self._steps = self._find()
        if not steps:
            return None
        field = self._field
        # The step of now within its period, and since 1970.
        position, start = int(now // field.step) % field.period, int(now // field.step)
        # After the last change of this period comes the first of the next one.
        following = next((step for step in steps if step > position), steps[0] + field.period)
        # start - position is the beginning of the present period.
        return float((start - position + following) * field.step)

    def _find(self) -> tuple[int, ...]:
        """Return the steps of a period at whose start the outcome differs from that of the step before."""
        period, test = self._field.period, self._test
        if test is None:
            return tuple(range(period))
        outcomes = [test(self._field.value(step)) for step in range(period)]
        # For step 0 the index -1 is the last step: the period is a cycle.
        return tuple(step for step in range(period) if outcomes[step] is not outcomes[step - 1])
