"""``order_by`` and known-worker keys."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine.expressions import (
    ExpressionSyntaxError,
    TaskScope,
    WorkerScope,
    compile_key,
    compile_order_by,
)


def ordered(text: str, *workers: tuple[str, dict[str, Any]]) -> list[str]:
    """Return the names of workers (name, attributes) in order; ties keep the order given."""
    ordering = compile_order_by(text)
    return [name for name, _ in sorted(workers, key=lambda worker: ordering.key(WorkerScope(worker[1])))]


LEVELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("two", {"level": 2}),
    ("none", {}),
    ("nine", {"level": 9}),
    ("minus", {"level": -1}),
    ("null", {"level": None}),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("worker.level ASC", ["minus", "two", "nine", "none", "null"]),
        ("worker.level", ["minus", "two", "nine", "none", "null"]),
        ("worker.level DESC", ["nine", "two", "minus", "none", "null"]),
        ("worker.level desc", ["nine", "two", "minus", "none", "null"]),
        (" worker . level\nDesc ", ["nine", "two", "minus", "none", "null"]),
        ("worker.other DESC", ["two", "none", "nine", "minus", "null"]),
        ("worker.other DESC, worker.level ASC", ["minus", "two", "nine", "none", "null"]),
    ],
)
def test_direction_and_lacking_workers(text: str, names: list[str]) -> None:
    """Workers that lack the attribute come last in both directions; ties leave the order alone."""
    assert ordered(text, *LEVELS) == names


def test_the_next_clause_breaks_a_tie() -> None:
    """The documented example: equal finance, lower support first, no support last."""
    alice = ("Alice", {"finance": 10, "support": 8})
    bob = ("Bob", {"finance": 10, "support": 5})
    carol = ("Carol", {"finance": 10})
    assert ordered("worker.finance ASC, worker.support ASC", carol, alice, bob) == ["Bob", "Alice", "Carol"]
    assert ordered("worker.finance ASC, worker.support DESC", carol, bob, alice) == ["Alice", "Bob", "Carol"]


@pytest.mark.parametrize("value", ["5", 5.0, 5.5, True, None, [5], {"x": 5}])
def test_only_integers_count(value: Any) -> None:
    """A worker whose value is no integer counts as lacking the attribute."""
    key = compile_order_by("worker.level DESC").key
    assert key(WorkerScope({"level": value})) == key(WorkerScope({})) > key(WorkerScope({"level": -(10**30)}))


def test_nested_paths_fields_and_channels() -> None:
    """Paths reach into attributes and to the worker's channels."""
    ordering = compile_order_by("worker.channel.voice.assigned_tasks ASC, worker.skills.list[1] DESC")
    channels = {"voice": {"assigned_tasks": 3}}
    assert ordering.key(WorkerScope({"skills": {"list": [1, 2]}}, {}, channels)) == ((0, 3), (0, -2))
    assert ordering.names == {"worker.channel.voice.assigned_tasks", "worker.skills.list[1]"}
    assert ordering.uses_channels is True
    assert compile_order_by("worker.a").uses_channels is False


@pytest.mark.parametrize("path", ["worker.desc DESC", "worker.asc.desc"])
def test_direction_words_can_be_names(path: str) -> None:
    """Only a word behind a whole path is a direction."""
    assert compile_order_by(path).names == {path.split()[0]}


STARTS = "a key that starts with worker."
NEXT = "ASC, DESC, ',' or the end of the order"


@pytest.mark.parametrize(
    ("text", "offset", "found", "expected"),
    [
        ("", 0, "<EOF>", STARTS),
        ("  ", 2, "<EOF>", STARTS),
        ("level", 0, "level", STARTS),
        ("worker", 0, "worker", STARTS),
        ("worker[0]", 0, "worker[0]", STARTS),
        ("worker.a, task.b", 10, "task.b", STARTS),
        ("worker.a UP", 9, "UP", NEXT),
        ("worker.a ASC DESC", 13, "DESC", NEXT),
        ("worker.a 'ASC'", 9, "'ASC'", NEXT),
        ("worker.a ASC,", 13, "<EOF>", STARTS),
        ("worker.a,,worker.b", 9, ",", STARTS),
        ("worker.a; worker.b", 10, "worker", NEXT),
        ("worker.skill-level", 13, "level", NEXT),
        ("worker.a == 1", 9, "==", NEXT),
        ("worker.", 7, "<EOF>", "a name"),
        ("5 ASC", 0, "5", STARTS),
    ],
)
def test_faults_have_a_place(text: str, offset: int, found: str, expected: str) -> None:
    """A fault in an order is reported like one in an expression."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_order_by(text)
    error = caught.value
    assert (error.position.offset, error.found, error.expected) == (offset, found, expected)


VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.integers() | st.floats() | st.text(max_size=3)
WORKERS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=8)


def comes_before(first: dict[str, Any], second: dict[str, Any], clauses: list[tuple[str, str]]) -> int:
    """The rule of ordering for two workers, as slow and obvious as can be: -1, 0 or 1."""
    for name, direction in clauses:
        one: Any = first.get(name)
        other: Any = second.get(name)
        has_one, has_other = type(one) is int, type(other) is int
        if has_one != has_other:
            return -1 if has_one else 1
        if has_one and one != other:
            return -1 if (one < other) == (direction == "ASC") else 1
    return 0


@given(WORKERS, st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ASC", "DESC"])), min_size=1, max_size=3))
def test_keys_agree_with_the_rule(workers: list[dict[str, Any]], clauses: list[tuple[str, str]]) -> None:
    """For any two workers with any values, the keys compare as the rule says."""
    ordering = compile_order_by(", ".join(f"worker.{name} {direction}" for name, direction in clauses))
    for first, second in itertools.product(workers, repeat=2):
        one, other = ordering.key(WorkerScope(first)), ordering.key(WorkerScope(second))
        assert (one > other) - (one < other) == comes_before(first, second, clauses)


@given(st.text() | st.lists(st.sampled_from(["worker", ".", "a", " ", ",", "ASC", "[0]", "1", "'"])).map("".join))
def test_any_text_is_an_order_or_a_syntax_error(text: str) -> None:
    """Nothing but the documented error comes out of any text, for keys as well."""
    for compiler in (compile_order_by, compile_key):
        try:
            compiler(text)
        except ExpressionSyntaxError as error:
            assert str(error)


@pytest.mark.parametrize("text", ["task.agent.sid", "agent.sid", " task . agent . sid "])
def test_known_worker_key(text: str) -> None:
    """A key reads the task's attributes, with or without the prefix."""
    key = compile_key(text)
    assert key.value(TaskScope({"agent": {"sid": "WK1"}})) == "WK1"
    assert key.value(TaskScope({})) is None
    assert key.value(TaskScope({"agent": "WK1"})) is None
    assert key.inputs.task_attributes >= {"agent"}


@pytest.mark.parametrize(
    ("text", "offset", "found", "expected"),
    [
        ("", 0, "<EOF>", "a key"),
        ("'WK1'", 0, "'WK1'", "a key"),
        ("in", 0, "in", "a key"),
        ("task.a == 1", 7, "==", "the end of the key"),
        ("task.a-b", 7, "b", "the end of the key"),
    ],
)
def test_known_worker_key_faults(text: str, offset: int, found: str, expected: str) -> None:
    """A key is one path and nothing else."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_key(text)
    error = caught.value
    assert (error.position.offset, error.found, error.expected) == (offset, found, expected)


def test_reprs_are_short() -> None:
    """A repr shows the text and no machinery."""
    assert repr(compile_order_by("worker.a")) == "Ordering(text='worker.a')"
    assert repr(compile_key("task.a")) == "Key(text='task.a')"
