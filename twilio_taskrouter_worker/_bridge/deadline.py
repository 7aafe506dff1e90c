"""A deadline that several steps share."""

from __future__ import annotations

import time

import attrs

__all__ = ["Deadline"]

SHARE_MIN = 1.0
"""Minimum of a share in seconds, if that much time is left."""


@attrs.frozen
class Deadline:
    """A time on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Create the deadline some seconds from now.

        Args:
            seconds: The seconds.

        Returns:
            The deadline.
        """
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

    def share(self, parts: int) -> float:
        """Seconds for the next of several attempts, so that one that hangs leaves time for those after it.

        Args:
            parts: How many attempts there are, the next one included.

        Raises:
            TimeoutError: The deadline has passed.
        """
        left = self.require()
        return min(left, max(SHARE_MIN, left / parts))
