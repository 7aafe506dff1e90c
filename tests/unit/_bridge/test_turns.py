"""The order of calls: who may go when."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker._bridge.turns import Turn, Turns


def entered(turns: Turns, *subjects: str) -> Turn:
    turn = Turn()
    turns.enter(turn, subjects)
    return turn


def test_the_same_subject() -> None:
    """The second waits for the first, the third for the second; then nothing is left."""
    turns = Turns()
    first, second, third = (entered(turns, "a") for _ in range(3))
    assert [each.ahead for each in (first, second, third)] == [0, 1, 1]
    assert list(turns.leave(first)) == [second]
    assert list(turns.leave(second)) == [third]
    assert list(turns.leave(third)) == []
    assert len(turns) == 0


def test_different_subjects_and_none() -> None:
    """Calls about different things, and those that change nothing, go at once."""
    turns = Turns()
    assert [entered(turns, *subjects).ahead for subjects in (("a",), ("b",), (), ())] == [0, 0, 0, 0]


def test_two_subjects() -> None:
    """A call about two things waits for those before it in both lines, and holds up both."""
    turns = Turns()
    a, b, both, after_a, after_b = (
        entered(turns, *subjects) for subjects in (("a",), ("b",), ("a", "b"), ("a",), ("b",))
    )
    assert both.ahead == 2
    assert list(turns.leave(a)) == []
    assert list(turns.leave(b)) == [both]
    assert list(turns.leave(both)) == [after_a, after_b]


def test_the_same_subject_twice() -> None:
    """A subject that is named twice counts once: a call does not wait for itself."""
    turns = Turns()
    first = entered(turns, "a", "a")
    assert first.ahead == 0
    second = entered(turns, "a")
    assert list(turns.leave(first)) == [second]


def test_leaving_out_of_turn() -> None:
    """A call that ends while it waits lets nobody overtake: those behind it wait for those before it."""
    turns = Turns()
    first, expired, third = (entered(turns, "a") for _ in range(3))
    assert list(turns.leave(expired)) == []
    assert third.ahead == 1
    assert list(turns.leave(first)) == [third]


def test_leaving_twice() -> None:
    """The second time nothing happens."""
    turns = Turns()
    first, second, third = (entered(turns, "a") for _ in range(3))
    assert list(turns.leave(first)) == [second]
    assert list(turns.leave(first)) == []
    assert third.ahead == 1


def test_a_long_line_that_expired() -> None:
    """A hundred thousand calls that expired behind one that hangs end with it, without recursion."""
    turns = Turns()
    first = entered(turns, "a")
    for _ in range(100_000):
        turns.leave(entered(turns, "a"))
    last = entered(turns, "a")
    assert list(turns.leave(first)) == [last]
    turns.leave(last)
    assert len(turns) == 0


@given(st.data())
def test_no_overtaking(data: st.DataObject) -> None:
    """Whatever enters and leaves: who may go has no earlier one under way with a subject of theirs, and all go once."""
    turns, numbers = Turns(), itertools.count()
    subjects: dict[int, frozenset[str]] = {}
    turn_of: dict[int, Turn] = {}
    waiting: set[int] = set()
    going: set[int] = set()

    def go(number: int) -> None:
        assert not any(subjects[other] & subjects[number] for other in waiting | going if other < number)
        going.add(number)

    for _ in range(data.draw(st.integers(0, 40))):
        if data.draw(st.booleans()) or not (waiting or going):
            number, turn = next(numbers), Turn()
            chosen = data.draw(st.lists(st.sampled_from("abc"), max_size=2))
            subjects[number], turn_of[number] = frozenset(chosen), turn
            if turns.enter(turn, tuple(chosen)):
                waiting.add(number)
            else:
                go(number)
            continue
        number = data.draw(st.sampled_from(sorted(waiting | going)))
        gone_early = number in waiting
        freed = turns.leave(turn_of[number])
        (waiting if gone_early else going).discard(number)
        if gone_early:
            # It still stands in line for those behind it, which the model shows by what they wait for.
            assert list(freed) == []
        for each in freed:
            freed_number = next(key for key, value in turn_of.items() if value is each)
            assert freed_number in waiting
            waiting.discard(freed_number)
            go(freed_number)
    while going:
        number = going.pop()
        for each in turns.leave(turn_of[number]):
            freed_number = next(key for key, value in turn_of.items() if value is each)
            waiting.discard(freed_number)
            go(freed_number)
    assert not waiting
    assert len(turns) == 0
