"""Calls that nobody waits for take effect in order: some rounds of the long run in ``order.py``."""

from __future__ import annotations

import pytest

from tests.chaos import order


@pytest.mark.timeout(300)
def test_calls_take_effect_in_order() -> None:
    """From four threads, with connections reset and answers refused and late."""
    report = order.run(80, seed=3)
    assert report.faults == []
    assert report.rounds == 80
    assert report.resets > 0 and report.refusals > 0
