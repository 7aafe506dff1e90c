"""Explain: the outcome of each part, with the actual values."""

import json
from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    TARGET,
    TASK,
    WORKER,
    TargetScope,
    TaskScope,
    Verdict,
    WorkerScope,
    compile_expression,
)

TEXT = "languages HAS \"es\" AND (skill  >= 3 OR team = 'vip') AND site == null"


def explain(text: str, **attributes: Any) -> Verdict:
    """Return the verdict on a worker with these attributes."""
    return compile_expression(text, WORKER).explain(WorkerScope(attributes))


def test_failing_parts_come_with_the_actual_values() -> None:
    """A worker that is not skilled enough: the failing comparisons, as written, and what the worker has."""
    verdict = explain(TEXT, languages=["es"], skill=1)
    assert verdict.result is False
    assert [(part.text, part.values) for part in verdict.failing()] == [
        ("skill  >= 3", (("skill", 1),)),
        ("team = 'vip'", (("team", None),)),
    ]


def test_every_false_part_of_an_and_is_listed() -> None:
    """What comes behind the first false part is evaluated too; parts of a true OR are not at fault."""
    verdict = explain(TEXT, skill=3, site="x")
    assert [part.text for part in verdict.failing()] == ['languages HAS "es"', "site == null"]


def test_nothing_fails_when_it_is_true() -> None:
    """A true verdict has no failing parts, though some of its parts are false."""
    verdict = explain(TEXT, languages=["es"], skill=3)
    assert verdict.result is True
    assert verdict.failing() == ()
    assert verdict.parts[1].parts[1].result is False


def test_tree_has_the_shape_of_the_expression() -> None:
    """Operators are canonical, texts are as written without their parentheses."""
    verdict = explain(TEXT)
    assert (verdict.operator, verdict.text) == ("AND", TEXT)
    assert [(part.operator, part.text) for part in verdict.parts] == [
        ("HAS", 'languages HAS "es"'),
        ("OR", "skill  >= 3 OR team = 'vip'"),
        ("==", "site == null"),
    ]
    assert [part.operator for part in verdict.parts[1].parts] == [">=", "=="]


def test_both_sides_of_a_comparison_are_shown() -> None:
    """Two paths give two values, named as written; literals give none."""
    expression = compile_expression("worker.sid IN task.agents AND 1==1", TARGET)
    verdict = expression.explain(TargetScope(TaskScope({"agents": ["WK2"]}), WorkerScope({}, {"sid": "WK1"})))
    compared, constant = verdict.parts
    assert compared.values == (("worker.sid", "WK1"), ("task.agents", ["WK2"]))
    assert constant.values == ()


def test_text_is_readable() -> None:
    """One line a part, indented, with outcome and values."""
    assert str(explain("a == 1 AND (b == 2 OR c HAS d)", a=1, c=["é"])) == (
        "false: a == 1 AND (b == 2 OR c HAS d)\n"
        "  true:  a == 1   [a is 1]\n"
        "  false: b == 2 OR c HAS d\n"
        "    false: b == 2   [b is null]\n"
        '    false: c HAS d   [c is ["é"], d is null]'
    )


def test_data_is_json() -> None:
    """The tree as data has what the text has."""
    data = explain("a == 1 OR 2 == 2", a=[1, {"b": None}]).to_dict()
    assert json.loads(json.dumps(data)) == {
        "text": "a == 1 OR 2 == 2",
        "result": True,
        "operator": "OR",
        "start": 0,
        "end": 16,
        "parts": [
            {
                "text": "a == 1",
                "result": False,
                "operator": "==",
                "start": 0,
                "end": 6,
                "values": {"a": [1, {"b": None}]},
            },
            {"text": "2 == 2", "result": True, "operator": "==", "start": 10, "end": 16},
        ],
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (2.5, 2.5),
        (("a", ("b",)), ["a", ["b"]]),
        ({1: True}, {"1": True}),
        (b"x", "b'x'"),
    ],
)
def test_data_is_strict_json_whatever_the_value(value: Any, shown: Any) -> None:
    """Values that JSON does not know are shown as text or as their nearest kin."""
    data = explain("a == 1", a=value).to_dict()
    assert data["values"] == {"a": shown}
    json.dumps(data, allow_nan=False)


def test_deep_and_long_values_are_cut() -> None:
    """Neither text nor data grows without bound in depth, and a line stays a line."""
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    verdict = explain("a == 1 AND b == 1", a=deep, b="y" * 10_000)
    assert verdict.to_dict()["parts"][1]["values"]["b"] == "y" * 10_000
    assert "…" in json.dumps(verdict.to_dict(), ensure_ascii=False)
    assert all(len(line) < 250 for line in str(verdict).splitlines())


def test_an_integer_beyond_writing_does_not_stop_explain() -> None:
    """An integer with more digits than Python writes at once is shown by its size."""
    verdict = compile_expression("n > 1", TASK).explain(TaskScope({"n": -(10**5000)}))
    assert verdict.to_dict()["values"]["n"] == "an integer of 16610 bits"
    assert "16610 bits" in str(verdict)


def test_repr_keeps_the_values_to_itself() -> None:
    """A verdict in a log line shows no attribute."""
    verdict = explain("pin == 1 AND a == 1", pin="4711")
    assert "4711" in str(verdict)
    assert "4711" not in repr(verdict) + repr(verdict.parts)
    assert repr(Verdict("a == 1", True, "==")) == "Verdict(text='a == 1', result=True, operator='==')"
