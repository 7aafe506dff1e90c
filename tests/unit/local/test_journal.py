"""The journal of a service in memory: the state at each moment, rows, times, and what is evicted."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from tests.unit.local.engine.test_machine import Histories
from twilio_taskrouter_worker.errors import StateError, StoreError
from twilio_taskrouter_worker.local import pacing
from twilio_taskrouter_worker.local.engine import Engine
from twilio_taskrouter_worker.local.journal import MemoryJournal, Stretch, apply, walk

_EXAMPLES = int(os.environ.get("ENGINE_HISTORIES", "6"))


def journal_of(driver: EngineDriver, distance: int, **limits: Any) -> tuple[MemoryJournal, list[str]]:
    """The journal of a history, with snapshots at a distance, and the digests of the state after each entry."""
    engine = Engine(account_sid=ACCOUNT, seed=7, rules=driver.rules)
    digests = [engine.state_digest()]
    with patch.object(pacing, "DISTANCE", distance), patch.object(pacing, "SHARE", 0):
        journal = MemoryJournal(engine, **limits)
        for number, entry in enumerate(driver.journal):
            engine.apply(entry.command, entry.now)
            journal.append(entry, engine.sequence, f"WK{number}", None)
            digests.append(engine.state_digest())
    return journal, digests


def short(driver: EngineDriver) -> EngineDriver:
    """A history of some entries."""
    ann = driver.worker("Ann")
    for _ in range(10):
        driver.task(routing_target=ann)
        driver.advance(30)
    return driver


class Moments(Histories):
    """A random history, each moment of which is made again."""

    def teardown(self) -> None:
        """Each moment is what a replay of the entries up to it gives, and its future is that of the original."""
        if not hasattr(self, "driver"):
            return
        journal, digests = journal_of(self.driver, 7)
        for number, digest in enumerate(digests):
            assert journal.stretch(number).engine().state_digest() == digest
        forked = len(digests) * self.cut // 101
        fork, ahead = journal.stretch(forked).engine(), list(walk(lambda read: read(journal), forked, journal.count))
        for step in ahead:
            assert fork.apply(step.entry.command, step.entry.now).events == step.events
        assert fork.state_digest() == digests[-1]


@pytest.mark.timeout(max(60, 10 * _EXAMPLES))
def test_moments_of_random_histories() -> None:
    """The property that the time machine stands on."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Moments,
        settings=settings(
            max_examples=_EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
        ),
    )


def test_rows_and_times() -> None:
    """Rows come across the ends of segments; a time leads to the latest entry at or before it."""
    driver = short(EngineDriver())
    journal, _ = journal_of(driver, 4)
    texts = [entry.to_json() for entry in driver.journal]
    assert [row[0] for row in journal.rows(0, journal.count)] == texts
    assert [row[0] for row in journal.rows(3, 9)] == texts[3:9]
    assert journal.rows(2, 3)[0][2:] == ("WK2", None)
    assert journal.rows(5, 5) == journal.rows(journal.count, journal.count + 5) == []
    times = [entry.now for entry in driver.journal]
    assert [journal.time_at(number) for number in range(1, len(times) + 1)] == times
    assert journal.time_at(0) is journal.time_at(len(times) + 1) is None
    for time in {*times, times[0] - 1, times[-1] + 1}:
        assert journal.number_at(time) == sum(each <= time for each in times)


@pytest.mark.parametrize("limits", [{"kept": 10}, {"kept_bytes": 12_000}], ids=["entries", "bytes"])
def test_the_oldest_entries_are_evicted(limits: dict[str, int]) -> None:
    """Whole segments go; what is left has the same states, and numbers stay as they were."""
    journal, digests = journal_of(short(EngineDriver()), 4, **limits)
    assert 0 < journal.first < journal.count == len(digests) - 1
    for number in range(journal.first, journal.count + 1):
        assert journal.stretch(number).engine().state_digest() == digests[number]
    for read in (lambda: journal.stretch(journal.first - 1), lambda: journal.rows(0, 3)):
        with pytest.raises(StateError, match=f"earliest moment is now {journal.first}"):
            read()


def test_rows_of_another_version() -> None:
    """An entry that is unknown, refused or causes other events is an error that says so, not another state."""
    journal, _ = journal_of(short(EngineDriver()), 100)
    first, second = journal.rows(0, 2)
    state = journal.stretch(0).state
    for row in (
        (first[0].replace("CreateWorkspace", "CreateSomething"), *first[1:]),
        (second[0].replace('"activity_sid":"WA', '"activity_sid":"WA0'), *second[1:]),
        (first[0], first[1] + 1, None, None),
    ):
        with pytest.raises(StoreError, match="Entry 1 of the journal"):
            Stretch(0, state, [row]).engine()
    assert apply(Stretch(0, state).engine(), 1, first).number == 1
