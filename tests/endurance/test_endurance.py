"""A short endurance run, and its judges: the ledger that merges two processes, and the figures that may not grow."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import chaos
from tests.chaos.ledger import PURGED, Fact, Ledger, ReservationFact, Story, Verdict
from tests.endurance import __main__, measuring, run
from tests.endurance.measuring import Sample
from tests.endurance.merging import MergedLedger
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules


def fact(event: str, status: str, sid: str = "WR1", sessions: tuple[int, ...] = (1,)) -> Fact:
    """An event of a reservation of worker WK1."""
    return Fact(event, "WT1", False, ReservationFact(sid, "WK1", "WT1", status), sessions)


def ended(ledger: MergedLedger) -> Verdict:
    """Let a reservation be created and canceled, unseen by its client; return the verdict when it is settled."""
    start = time.monotonic()
    ledger.report(start, "opened", (1, "WK1"))
    ledger.report(start, "happened", [fact("reservation.created", "pending")])
    ledger.report(start, "happened", [fact("reservation.canceled", "canceled")])
    ledger.report(time.monotonic() + 1, "beat", None)
    verdict = Verdict(0)
    ledger.settle(ledger.moment + 1, verdict)
    return verdict


def test_announcements_count_once_the_service_has_reported() -> None:
    """A client may be faster than the pipe: its entries are put behind what the service did before them."""
    ledger = MergedLedger()
    start = time.monotonic() - 1
    ledger.ready("WK1", certain=True)
    ledger.announce("WK1", "WR1", "pending", live=True)
    ledger.tell("WK1", "WR1", "canceled", live=True)
    ledger.report(start, "opened", (1, "WK1"))
    ledger.report(start, "happened", [fact("reservation.created", "pending")])
    ledger.report(start, "happened", [fact("reservation.canceled", "canceled")])
    assert not ledger.stories["WR1"].announced
    ledger.report(time.monotonic(), "beat", None)
    verdict = Verdict(0)
    ledger.settle(ledger.moment + 1, verdict)
    assert (verdict.must, verdict.announced, verdict.good, ledger.stories) == (1, 1, True, {})
    assert len(ledger.seconds) == 1 and ledger.events == 2


def test_missed_and_doubled_announcements_are_found() -> None:
    """An end that is not told, an announcement that comes twice, and what is told of one that was settled long ago."""
    ledger = MergedLedger()
    ledger.report(time.monotonic(), "opened", (1, "WK1"))
    ledger.report(time.monotonic(), "happened", [fact("reservation.created", "pending")])
    for _ in range(2):
        ledger.announce("WK1", "WR1", "pending", live=True)
    ledger.report(time.monotonic(), "happened", [fact("reservation.canceled", "canceled")])
    verdict = Verdict(0)
    ledger.settle(ledger.moment + 1, verdict)
    assert [len(verdict.missed), len(verdict.duplicated), len(verdict.wrong)] == [1, 1, 0]
    ledger.tell("WK1", "WR1", "canceled", live=False)
    ledger.report(time.monotonic(), "beat", None)
    assert "had long ended" in ledger.compare().wrong[0]


def test_a_reservation_that_nobody_had_to_announce_is_not_missed() -> None:
    """A reservation that came and went while its worker handled nothing is nobody's business."""
    assert ended(MergedLedger()).good


def test_settling_keeps_open_reservations() -> None:
    """Reservations that have not ended, or only just, stay."""
    ledger = MergedLedger()
    now = time.monotonic()
    ledger.report(now, "opened", (1, "WK1"))
    for sid in ("WR1", "WR2"):
        ledger.report(now, "happened", [fact("reservation.created", "pending", sid)])
    before = ledger.moment
    ledger.report(now, "happened", [fact("reservation.canceled", "canceled", "WR2")])
    ledger.settle(before, Verdict(0))
    assert set(ledger.stories) == {"WR1", "WR2"}
    ledger.settle(ledger.moment + 1, Verdict(0))
    assert set(ledger.stories) == {"WR1"}


@pytest.mark.parametrize("purged_first", [True, False])
def test_an_end_that_was_purged_cannot_be_known(purged_first: bool) -> None:
    """A client that comes back when the task is purged cannot tell a timeout from a cancellation; others must."""
    ledger = MergedLedger()
    ledger.report(time.monotonic(), "opened", (1, "WK1"))
    ledger.report(time.monotonic(), "happened", [fact("reservation.created", "pending")])
    ledger.announce("WK1", "WR1", "pending", live=True)
    ledger.report(time.monotonic(), "happened", [fact("reservation.timeout", "timeout")])
    purged = [Fact(PURGED, "WT1", True, None, ())]
    if purged_first:
        ledger.report(time.monotonic(), "happened", purged)
    ledger.tell("WK1", "WR1", "canceled", live=False)
    ledger.report(time.monotonic(), "happened", purged)
    verdict = ledger.compare()
    assert (not verdict.missed, not verdict.duplicated, not verdict.wrong) == (True, True, purged_first)


def test_purges_are_followed(tmp_path: Path) -> None:
    """The service has no event for the purge of a task; the ledger knows of it all the same, also after a restart."""
    ledger = Ledger()

    def canceled(router: LocalTaskRouter) -> Story:
        task_sid = router.create_task({})
        (reservation,) = router.reservations(task_sid=task_sid)
        router.cancel_task(task_sid)
        return ledger.stories[reservation.sid]

    def service() -> LocalTaskRouter:
        return LocalTaskRouter(db=tmp_path / "service.db", clock="virtual", rules=Rules(purge_finished_after=45.0))

    with service() as router:
        ledger.attach(router)
        router.add_worker("Alice", activity="Available")
        first = canceled(router)
        router.clock.advance(46)
        assert first.deleted
        second = canceled(router)
    with service() as router:
        ledger.attach(router)
        router.clock.advance(44)
        assert not second.deleted
        router.clock.advance(2)
        assert second.deleted


def samples(*values: float, name: str = "RSS MB") -> list[Sample]:
    """Samples of which one figure takes these values."""
    steady = dict.fromkeys(measuring.SLACK, 1000.0)
    return [Sample({**steady, name: value}, Counter(Leak=int(value))) for value in values]


@pytest.mark.parametrize("name", list(measuring.SLACK))
def test_growth_is_found(name: str) -> None:
    """A figure that goes up all the time grows; one that goes up at first, or up and down, does not."""
    (found,) = measuring.growth(samples(*range(1000, 13_000, 1000), name=name))
    assert found.startswith(f"{name} grew from 5000 to 11000")
    assert ("Leak" in found) == (name == "objects")
    assert measuring.growth(samples(100, 500, *[1000] * 10, name=name)) == []
    assert measuring.growth(samples(*[900, 1000, 1100] * 4, name=name)) == []
    assert measuring.growth(samples(1, 1000, 10_000, name=name)) == []


def test_counting_objects_disturbs_no_thread() -> None:
    """A tuple that another thread is making from an iterator while objects are counted comes out whole."""
    counting = threading.Event()

    def counts(kind: type) -> bool:
        if not counting.is_set():
            counting.set()
        return False

    def items() -> Iterator[int]:
        counter.start()
        assert counting.wait(30)
        yield from range(1000)

    counter = threading.Thread(target=chaos.count_objects, args=(counts,))
    assert tuple(items()) == tuple(range(1000))
    counter.join()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve workers through faults and restarts: nothing is missed, nothing doubled, and the table has it all."""
    table = tmp_path / "run.csv"
    short = "--minutes 0.4 --workers 12 --fault-seconds 0.5 --restart-seconds 9 --report-seconds 4 --settle-seconds 30"
    status = __main__.main([*short.split(), "--csv", str(table)])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "the service was restarted" in said and said.splitlines()[-1] == "GOOD"
    rows = table.read_text(encoding="utf-8").splitlines()
    assert len(rows) > 3 and "service descriptors" in rows[0]
    assert run.Options() == run.Options(minutes=60, workers=50)
