"""A point in time that several steps must keep together."""

from __future__ import annotations

import time

import attrs

__all__ = ["Deadline"]


@attrs.frozen
class Deadline:
    """A time on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until then; 0.0 once it has passed."""
        return max(0.0, self.at - time.monotonic())

    def require(self) -> float:
        """Seconds until then, for a step's own time limit.

        Raises:
            TimeoutError: It has passed.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        return left
