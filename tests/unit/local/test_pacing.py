"""When snapshots are due: never far apart, whatever the rate of entries and the price of a snapshot."""

from __future__ import annotations

import gc
import time
from itertools import pairwise

import pytest

from twilio_taskrouter_worker.local.engine import Engine
from twilio_taskrouter_worker.local.pacing import DISTANCE, LONGEST_DISTANCE, SHARE, Pace


class Processor:
    """The processor's time of this thread, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "thread_time", lambda: self.now)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    """The processor's time, moved by the test."""
    return Processor(monkeypatch)


def made(processor: Processor, entry: float, snapshot: float, entries: int = 30_000) -> list[int]:
    """The entries after which snapshots are made, if each entry and each snapshot takes that many seconds."""
    engine, pace, found = Engine(account_sid="AC"), Pace(), [0]
    for count in range(1, entries + 1):
        processor.now += entry
        if pace.due(count, engine):
            with pace.making(count):
                processor.now += snapshot
            found.append(count)
    return found


@pytest.mark.parametrize("entry", [0.0, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("snapshot", [0.0, 0.02, 0.5, 60.0])
def test_the_distance_is_bounded(processor: Processor, entry: float, snapshot: float) -> None:
    """No moment is further from a snapshot than the largest distance, which bounds what a view has to apply."""
    distances = [after - before for before, after in pairwise(made(processor, entry, snapshot))]
    assert distances
    assert min(distances) >= DISTANCE
    assert max(distances) <= LONGEST_DISTANCE


def test_slow_snapshots_take_a_share_of_the_time(processor: Processor) -> None:
    """Between the two bounds the distance follows from how long the snapshots take."""
    *_, before, after = made(processor, 1e-4, 3_000 * 1e-4 / SHARE)
    assert after - before == pytest.approx(3_000, abs=2)


def test_the_collector_does_not_count(processor: Processor) -> None:
    """The collector is paused while a snapshot is measured, so one of its passes does not stretch the distance."""
    with Pace().making(DISTANCE):
        assert not gc.isenabled()
    assert gc.isenabled()
