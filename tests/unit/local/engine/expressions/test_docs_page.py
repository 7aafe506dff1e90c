"""What docs/expressions.rst shows is so."""

import re
from pathlib import Path

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    TARGET,
    TASK,
    WORKER_LIST,
    ExpressionSyntaxError,
    Semantics,
    compile_expression,
)
from twilio_taskrouter_worker.local.engine.expressions.semantics import MAX_DEPTH, MAX_STEPS, MAX_TERMS
from twilio_taskrouter_worker.local.engine.rules import MAX_CONFIGURATION, MAX_EXPRESSION

PAGE = (Path(__file__).resolve().parents[5] / "docs" / "expressions.rst").read_text(encoding="utf-8")
_COMPARED = re.search(r"What can be compared\n-+\n\n.. code-block:: text\n\n((?:    .+\n)+)", PAGE)
assert _COMPARED is not None
EXAMPLES = _COMPARED.group(1).splitlines()


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_are_expressions(line: str) -> None:
    """Each example compiles without a warning, in a filter and in a list of workers."""
    text = re.split(r"\s{2,}", line.strip())[0]
    for context in (TASK, WORKER_LIST):
        assert compile_expression(text, context).warnings == ()


@pytest.mark.parametrize("text", ["*(a == 1)", "a == 1;", "a > = 1", "a ! = 1", "a == 1 b == 2", "a == 1)"])
def test_what_is_tolerated_is_on_the_page(text: str) -> None:
    """Each example of the table is accepted with a warning, and refused by the switch."""
    assert f"``{text}``" in PAGE
    assert compile_expression(text, TASK).warnings
    with pytest.raises(ExpressionSyntaxError):
        compile_expression(text, TASK, Semantics(strict_expressions=True))


def test_the_message_is_that_of_the_code() -> None:
    """The parser's words stand on the page as they come."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression("l-evel == 1", TASK)
    assert f"    {caught.value}\n" in PAGE
    assert compile_expression("level > 1", TARGET).warnings


def test_the_limits_are_those_of_the_code() -> None:
    """The numbers on the page are in force."""
    for limit in (MAX_TERMS, MAX_STEPS, MAX_DEPTH, MAX_EXPRESSION, MAX_CONFIGURATION):
        assert f" {limit:,} " in PAGE
