"""Log lines: how functions and places are named, and how many workers' failures are summed up."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pytest

import twilio_taskrouter_worker
from twilio_taskrouter_worker._log import NAMES, Repeats, about, name_of, own_frames, where, write

WORKER_SIDS = ["WK" + digit * 32 for digit in "abc"]


class Clock:
    """Time that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def repeats(**options: Any) -> tuple[Repeats, Clock]:
    """A counter with a clock in hand."""
    clock = Clock()
    return Repeats(period=10.0, clock=clock, **options), clock


def test_the_library_sets_no_level_and_no_handler() -> None:
    """All loggers of the clients are the application's to configure."""
    assert twilio_taskrouter_worker.Worker is not None
    for name in ("twilio_taskrouter_worker", *NAMES):
        assert not logging.getLogger(name).handlers
    assert all(logging.getLogger(name).level == logging.NOTSET for name in NAMES)


def test_lines_that_differ_by_sids_alone_are_summed_up() -> None:
    """The first is written at once, then one for ten more, then one for a hundred more; none is left uncounted."""
    counter, _ = repeats()
    counts = [counter.count(f"Worker {WORKER_SIDS[n % 3]}: lost") for n in range(111)]
    assert [(n, count) for n, count in enumerate(counts) if count] == [(0, 1), (10, 10), (110, 100)]


def test_other_lines_are_not_held_back() -> None:
    """Each text has a count of its own."""
    counter, _ = repeats()
    assert [counter.count(text) for text in ("lost", "refused", "lost 2")] == [1, 1, 1]


def test_a_line_is_written_again_after_the_period() -> None:
    """A failure that goes on is written once in a period, with what was held back; then counting begins anew."""
    counter, clock = repeats()
    assert [counter.count("lost") for _ in range(4)] == [1, 0, 0, 0]
    clock.now += 10.0
    assert counter.count("lost") == 4
    assert [counter.count("lost") for _ in range(10)] == [0] * 9 + [10]


def test_memory_is_bounded() -> None:
    """Of many different lines, the oldest counts are forgotten."""
    counter, _ = repeats(size=3)
    for number in range(100):
        counter.count(f"line {number}")
    assert len(counter._lines) == 3
    assert counter.count("line 99") == 0 and counter.count("line 0") == 1


def test_names_of_functions() -> None:
    """Module and qualified name; of a partial the function, of another callable object its class; never arguments."""

    class Handler:
        def __call__(self) -> None:
            """Do nothing."""

        def method(self) -> None:
            """Do nothing."""

    here = f"{__name__}.test_names_of_functions.<locals>"
    assert name_of(test_memory_is_bounded) == f"{__name__}.test_memory_is_bounded"
    assert name_of(Handler().method) == f"{here}.Handler.method"
    partial = functools.partial(test_memory_is_bounded, "customer")  # type: ignore[call-arg]
    assert name_of(partial) == f"{__name__}.test_memory_is_bounded"
    assert name_of(Handler()) == "test_names_of_functions.<locals>.Handler"


def test_the_traceback_begins_at_the_users_code() -> None:
    """Frames of the library before the user's are left out; the place named is the user's own."""
    with pytest.raises(ValueError, match="empty") as caught:
        twilio_taskrouter_worker.tokens.create_worker_token("", "", "", "", "")
    error = caught.value
    assert where(error).startswith("test_log.py:")
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    assert own_frames(error.with_traceback(inner))[2] is None
    assert where(error) == ""


def test_every_record_has_all_fields() -> None:
    """A formatter may name each of them."""
    assert about() == {"worker_sid": None, "task_sid": None, "reservation_sid": None, "event": None}
    assert about(worker="", task="WT1", reservation="WR1", event="accepted") == {
        "worker_sid": None,
        "task_sid": "WT1",
        "reservation_sid": "WR1",
        "event": "accepted",
    }


@pytest.mark.parametrize("shown", [True, False])
def test_a_filter_that_raises(shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It costs the line and not the thread; its traceback is shown as logging shows those of handlers."""
    monkeypatch.setattr(logging, "raiseExceptions", shown)
    logger = logging.getLogger("of-the-application")
    monkeypatch.setattr(logger, "filters", [lambda record: 1 / 0])
    write(logger, logging.ERROR, "a line", extra=about())
    assert ("ZeroDivisionError" in capsys.readouterr().err) is shown
