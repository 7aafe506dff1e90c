"""Deadlines."""

from __future__ import annotations

import pytest

from twilio_taskrouter_worker._bridge.deadline import Deadline


def test_time_is_left_before_it() -> None:
    """What is left is at most what was given."""
    deadline = Deadline.after(60.0)
    assert 0 < deadline.require() <= 60.0 and 0 < deadline.left() <= 60.0


def test_nothing_is_left_after_it() -> None:
    """A step that needs time does not begin; the time left is never negative."""
    passed = Deadline.after(-1.0)
    assert passed.left() == 0.0
    with pytest.raises(TimeoutError, match="deadline passed"):
        passed.require()
