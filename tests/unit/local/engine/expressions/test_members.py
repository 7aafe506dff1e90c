"""Prepared arrays: the same answers as one by one, at a cost that does not grow."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine.expressions import (
    TASK,
    WORKER,
    Semantics,
    TaskScope,
    WorkerScope,
    compile_expression,
)
from twilio_taskrouter_worker.local.engine.expressions.members import Members
from twilio_taskrouter_worker.local.engine.rules import MAX_ATTRIBUTES, MAX_EXPRESSION

values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, 1.0, 1.5, -0.0, "", "0", "1", "1.0", "1.5", "a", "A", "ß", "true", "null"]),
    st.lists(st.integers(0, 1), max_size=1),
    st.just({"a": 1}),
)
semantics = st.builds(Semantics, numeric_strings=st.booleans(), case_sensitive=st.booleans())


@given(st.lists(values, max_size=6), values, semantics)
def test_members_are_what_equals_an_element(elements: list[Any], value: Any, semantics: Semantics) -> None:
    """A prepared array has a value exactly if one of its elements equals it."""
    assert (value in Members(elements, semantics)) is any(semantics.equal(element, value) for element in elements)


@given(st.lists(st.one_of(values, st.lists(values, max_size=4)), min_size=1, max_size=4), semantics)
def test_many_comparisons_with_one_array_agree_with_one_each(documents: list[Any], semantics: Semantics) -> None:
    """An expression that prepares the array answers as the comparisons do that look through it."""
    literals = ["1", "'1'", "'a'", "true", "null", "1.5"]
    whole = compile_expression(" OR ".join(f"s HAS {literal}" for literal in literals), WORKER, semantics)
    parts = [compile_expression(f"s HAS {literal}", WORKER, semantics) for literal in literals]
    for document in documents:
        scope = WorkerScope({"s": document})
        assert whole.matches(scope) is any(part.matches(scope) for part in parts)


LONGEST = {
    "comparisons": " OR ".join(["s == 1"] * (MAX_EXPRESSION // 10)),
    "has": " OR ".join(["s HAS 99"] * (MAX_EXPRESSION // 12)),
    "has text": " OR ".join(["s HAS '99'"] * (MAX_EXPRESSION // 14)),
    "contains": " OR ".join(["t CONTAINS 'y'"] * (MAX_EXPRESSION // 18)),
    "in": "s IN [" + ",".join(["1"] * (MAX_EXPRESSION // 2 - 10)) + "]",
    "path": "a" + ".a" * 60 + " == 1",
}


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_expression_is_cheap_for_hundreds_of_workers(name: str) -> None:
    """Whatever is written into one expression outside of workflows, testing many workers takes a moment."""
    expression = compile_expression(LONGEST[name], WORKER, longest=MAX_EXPRESSION)
    numbers = list(range(100, 100 + MAX_ATTRIBUTES // 8))
    scopes = [WorkerScope({"s": list(numbers), "t": "x" * 2000, "a": {"a": {}}}) for _ in range(200)]
    started = time.process_time()
    assert not any(expression.matches(scope) for scope in scopes)
    assert time.process_time() - started < 2


def test_a_long_list_is_one_look_up() -> None:
    """``IN`` with tens of thousands of numbers, as a workflow may have it, costs as much as with one."""
    expression = compile_expression("s IN [" + ",".join(map(str, range(30_000))) + "]", TASK)
    scope = TaskScope({"s": -1})
    started = time.process_time()
    for _ in range(10_000):
        expression.matches(scope)
    assert time.process_time() - started < 2
