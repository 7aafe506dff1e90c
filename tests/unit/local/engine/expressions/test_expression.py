"""Compiled expressions: kept, shared, fast, and empty ones."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    SKIP_IF,
    TASK,
    WORKER,
    ExpressionSyntaxError,
    Semantics,
    TaskScope,
    WorkerScope,
    compile_expression,
)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_empty_target_workers_match_nobody(text: str) -> None:
    """A queue with empty TargetWorkers has no members, and explain says why."""
    expression = compile_expression(text, WORKER)
    scope = WorkerScope({"a": 1}, {"sid": "WK1"})
    assert expression.matches(scope) is False
    assert expression.constant is False
    verdict = expression.explain(scope)
    assert (verdict.result, verdict.failing()) == (False, (verdict,))
    assert "empty" in str(verdict)


@pytest.mark.parametrize(
    ("text", "constant"), [("1==1", True), ("1==2", False), ("1==1 AND 'a' IN []", False), ("a == 1 OR 1==1", None)]
)
def test_constant(text: str, constant: bool | None) -> None:
    """An expression that reads nothing has one answer for everybody, known beforehand."""
    assert compile_expression(text, WORKER).constant is constant


def test_same_text_is_compiled_once() -> None:
    """Asking again gives the same object; context and semantics are part of the question."""
    text = "workers.available == 0"
    first = compile_expression(text, SKIP_IF)
    assert compile_expression(text, SKIP_IF) is first
    assert compile_expression(text, TASK) is not first
    assert compile_expression(text, SKIP_IF, Semantics(numeric_strings=False)) is not first
    assert (first.text, first.context) == (text, SKIP_IF)


def test_only_recent_and_short_texts_are_kept() -> None:
    """What is kept is bounded in number and in size."""
    first = compile_expression("kept == 0", TASK)
    for number in range(1, 600):
        compile_expression(f"kept == {number}", TASK)
    assert compile_expression("kept == 0", TASK) is not first
    long = "kept == '" + "x" * 5000 + "'"
    assert compile_expression(long, TASK) is not compile_expression(long, TASK)


def test_errors_are_not_kept_apart() -> None:
    """The same fault is reported each time."""
    for _ in range(2):
        with pytest.raises(ExpressionSyntaxError):
            compile_expression("a ==", TASK)


def test_repr_shows_the_text_and_no_machinery() -> None:
    """The repr is short enough for a log line."""
    assert repr(compile_expression("a == 1", TASK)) == (
        "Expression(text='a == 1', context=<ExpressionContext.TASK: 'task'>)"
    )


@pytest.mark.parametrize(
    ("text", "truths"),
    [
        ("a == 1 AND b == 1", [False, False, False, True]),
        ("a == 1 OR b == 1", [False, True, True, True]),
        ("a == 1 AND b == 1 AND 1 == 1", [False, False, False, True]),
        ("a == 1 OR b == 1 OR 1 == 2", [False, True, True, True]),
    ],
)
def test_and_and_or(text: str, truths: list[bool]) -> None:
    """Two parts and three parts join the same way."""
    expression = compile_expression(text, TASK)
    scopes = [TaskScope({"a": a, "b": b}) for a in (0, 1) for b in (0, 1)]
    assert [expression.matches(scope) for scope in scopes] == truths


def test_fifteen_thousand_workers_well_under_a_second() -> None:
    """A whole workspace is matched at once; the limit leaves a slow machine a factor of a hundred."""
    scopes = [
        WorkerScope({"languages": ["en", "es"][: number % 3], "skill": number % 5}, {"sid": f"WK{number}"})
        for number in range(15_000)
    ]
    expression = compile_expression('languages HAS "es" AND skill >= 3', WORKER)
    started = time.process_time()
    matching = sum(map(expression.matches, scopes))
    assert time.process_time() - started < 0.5
    assert matching == 2000


def test_shared_between_threads() -> None:
    """Compiling and matching from many threads at once gives the same answers as from one."""

    def count(number: int) -> int:
        expression = compile_expression(f"n < {number % 7}", TASK)
        return sum(expression.matches(TaskScope({"n": n})) for n in range(10))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(700))) == [number % 7 for number in range(700)]


@pytest.mark.parametrize("false", [None, *"abcd"])
def test_each_of_many_conditions_counts(false: str | None) -> None:
    """One that is false makes the whole false, wherever it stands."""
    expression = compile_expression("a == 1 AND b == 1 AND c == 1 AND d == 1", TASK)
    values = {name: 0 if name == false else 1 for name in "abcd"}
    assert expression.matches(TaskScope(values)) is (false is None)
