"""The filters of a plan, found by the value that they require of an attribute."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine.core.plan import Plan
from twilio_taskrouter_worker.local.engine.expressions import Semantics, TaskScope
from twilio_taskrouter_worker.local.engine.routing.configuration import compile_configuration

names = st.sampled_from(["kind", "topic", "task.kind", "deep.kind"])
literals = st.sampled_from(["5", "6", "'5'", "'a'", "'A'", "'b'", "5.0", "true", "null", "-1"])
comparisons = st.builds("{} {} {}".format, names, st.sampled_from(["==", "==", "==", "!=", ">", "HAS"]), literals)
expressions = st.lists(comparisons, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" AND ".join(parts), " OR ".join(parts), f"({' OR '.join(parts)}) AND topic == 'a'"])
)
scalars = st.sampled_from([5, 6, 5.0, "5", "5.0", "a", "A", True, None, -1])
values = scalars | st.lists(scalars, max_size=2) | st.fixed_dictionaries({"kind": scalars})
attributes = st.dictionaries(st.sampled_from(["kind", "topic", "deep", "task"]), values)


def compiled(expressions: list[str], semantics: Semantics) -> Plan:
    """Return a plan with a filter for each expression."""
    filters = [{"expression": text, "targets": [{"queue": "WQ1"}]} for text in expressions]
    text = json.dumps({"task_routing": {"filters": filters}})
    return compile_configuration(text, {"WQ1"}, semantics)


@given(
    texts=st.lists(expressions, max_size=8),
    attributes=attributes,
    first=st.integers(0, 3),
    case_sensitive=st.booleans(),
    numeric_strings=st.booleans(),
)
def test_the_index_finds_what_a_test_of_every_filter_finds(
    texts: list[str], attributes: dict[str, Any], first: int, case_sensitive: bool, numeric_strings: bool
) -> None:
    """Whatever values filters ask for, and whatever a task has, the first filter that matches is found."""
    plan = compiled(texts, Semantics(case_sensitive=case_sensitive, numeric_strings=numeric_strings))
    task = TaskScope(attributes)
    matches = [filter.expression is not None and filter.expression.matches(task) for filter in plan.filters]
    assert plan.matching(task, first) == next((n for n, yes in enumerate(matches) if yes and n >= first), None)


def test_a_task_is_tested_against_few_of_many_filters() -> None:
    """Of filters that differ in one attribute only those with the task's value are left."""
    plan = compiled([f"topic == 'a' AND kind == {number % 100}" for number in range(1000)] + ["1 == 1"], Semantics())
    assert list(plan._index.candidates({"topic": "a", "kind": 7})) == [*range(7, 1000, 100), 1000]
    assert list(plan._index.candidates({"topic": "a", "kind": 700})) == [1000]
    # It may equal any integer.
    assert len(plan._index.candidates({"kind": "7"})) == 1001
