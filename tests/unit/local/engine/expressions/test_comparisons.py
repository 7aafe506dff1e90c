"""Properties: any tree, any text, any document; the compiled closures against a slow and obvious interpreter."""

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine.expressions import (
    DEFAULT_SEMANTICS,
    SKIP_IF,
    TARGET,
    TASK,
    WORKER,
    ExpressionContext,
    ExpressionSyntaxError,
    Semantics,
    TargetScope,
    TaskScope,
    Verdict,
    WorkerScope,
    WorkersScope,
    compile_expression,
)
from twilio_taskrouter_worker.local.engine.expressions.nodes import (
    And,
    ArrayLiteral,
    Comparison,
    Literal,
    Node,
    Operator,
    Or,
    Path,
    render,
)
from twilio_taskrouter_worker.local.engine.expressions.parser import parse

# -- a slow and obvious interpreter, written from the rules and sharing no code with the package --------------------


def kind(value: Any) -> str:
    """Name the type of a document's value."""
    for name, types in (("boolean", bool), ("number", (int, float)), ("string", str), ("array", (list, tuple))):
        if isinstance(value, types):
            return name
    return "null" if value is None else "object"


def as_number(value: Any, semantics: Semantics) -> Any:
    """Return a number or a numeric string as a number, else None."""
    if kind(value) == "number":
        return value
    if kind(value) == "string" and semantics.numeric_strings and len(value) <= 64:
        if re.fullmatch("-?[0-9]+", value):
            return int(value)
        if re.fullmatch("-?[0-9]+[.][0-9]+", value):
            return float(value)
    return None


def folded(value: str, semantics: Semantics) -> str:
    """Return a string as it is compared."""
    return value if semantics.case_sensitive else value.casefold()


def same(left: Any, right: Any, semantics: Semantics) -> bool:
    """The rule of ``==`` for two scalars."""
    kinds = {kind(left), kind(right)}
    if kinds == {"null"}:
        return True
    if kinds == {"boolean"}:
        return left is right
    if kinds == {"string"}:
        return folded(left, semantics) == folded(right, semantics)
    if kinds == {"number"} or kinds == {"number", "string"}:
        one, other = as_number(left, semantics), as_number(right, semantics)
        return one is not None and other is not None and one == other
    return False


def text_of(value: Any, semantics: Semantics) -> str | None:
    """Return a scalar as text, None when it has none."""
    if kind(value) == "string":
        return folded(value, semantics)
    if kind(value) == "boolean":
        return str(value).lower()
    if kind(value) == "number":
        return re.sub(r"\.0$", "", str(value))
    return None


def compare(left: Any, operator: str, right: Any, semantics: Semantics) -> bool:
    """The rule of each operator."""
    arrays = [kind(value) == "array" for value in (left, right)]
    if operator in ("==", "!=", "<", "<=", ">", ">=", "CONTAINS") and any(arrays):
        return False
    if operator == "==":
        return same(left, right, semantics)
    if operator == "!=":
        return not same(left, right, semantics)
    if operator == "CONTAINS":
        whole, part = text_of(left, semantics), text_of(right, semantics)
        return whole is not None and part is not None and part in whole
    if operator == "HAS":
        return arrays[0] and any(same(element, right, semantics) for element in left)
    if operator == "IN":
        return arrays[1] and any(same(element, left, semantics) for element in right)
    if operator == "NOT IN":
        if left is None and not semantics.null_is_not_in:
            return False
        return arrays[1] and not any(same(element, left, semantics) for element in right)
    if kind(left) == kind(right) == "string":
        one: Any = folded(left, semantics)
        other: Any = folded(right, semantics)
        if not semantics.ordered_strings:
            return False
    else:
        one, other = as_number(left, semantics), as_number(right, semantics)
        if one is None or other is None:
            return False
    outcomes: dict[str, bool] = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}
    return outcomes[operator]


def resolve(steps: tuple[str | int, ...], document: Any) -> Any:
    """Follow a path through a document."""
    value = document
    for step in steps:
        try:
            if isinstance(step, str) != isinstance(value, dict) or isinstance(value, str):
                return None
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def interpret(node: Node, document: Any, semantics: Semantics) -> bool:
    """Evaluate a tree over task attributes."""
    if isinstance(node, And):
        return all(interpret(part, document, semantics) for part in node.parts)
    if isinstance(node, Or):
        return any(interpret(part, document, semantics) for part in node.parts)
    values = [
        operand.value
        if isinstance(operand, Literal)
        else operand.values
        if isinstance(operand, ArrayLiteral)
        else resolve(operand.steps, document)
        for operand in (node.left, node.right)
    ]
    return compare(values[0], node.operator.value, values[1], semantics)


# -- what is generated ---------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "$d_1"])
STRINGS = st.sampled_from(["", "a", "A", "ab", "1", "1.0", "-2", "2.50", "true", "null", "é"]) | st.text(max_size=4)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, -2.0, 10**30, 1e-7, 123456789012345678901.5])
SCALARS = STRINGS | NUMBERS | st.booleans() | st.none()
PATHS = st.builds(
    lambda first, rest: Path((first, *rest)), NAMES, st.lists(NAMES | st.integers(0, 2), max_size=2).map(tuple)
)
OPERANDS = (
    PATHS
    | PATHS
    | st.builds(Literal, SCALARS)
    | st.builds(ArrayLiteral, st.lists(SCALARS, max_size=3).map(tuple) | st.lists(STRINGS, max_size=3).map(tuple))
)
COMPARISONS = st.builds(Comparison, OPERANDS, st.sampled_from(Operator), OPERANDS)
NODES = st.recursive(
    COMPARISONS,
    lambda nodes: st.builds(
        lambda join, parts: join(tuple(parts)), st.sampled_from([And, Or]), st.lists(nodes, min_size=2, max_size=3)
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    SCALARS | st.floats(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(NAMES, values, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)
SEMANTICS = st.builds(
    Semantics,
    numeric_strings=st.booleans(),
    ordered_strings=st.booleans(),
    case_sensitive=st.booleans(),
    null_is_not_in=st.booleans(),
)


@given(NODES)
def test_what_is_rendered_parses_to_the_same_tree(node: Node) -> None:
    """Rendering and parsing are inverse, types of literals included, whatever the precedence."""
    text = render(node)
    for semantics in (DEFAULT_SEMANTICS, Semantics(and_binds_tighter=False)):
        parsed = parse(text, semantics)
        assert parsed == node
        assert repr(parsed) == repr(node)


@given(NODES, DOCUMENTS, SEMANTICS)
def test_compiled_agrees_with_the_interpreter(node: Node, document: Any, semantics: Semantics) -> None:
    """Matching, and explaining, give what the rules say for any expression, any document and any switches."""
    expression = compile_expression(render(node), TASK, semantics)
    expected = interpret(node, document, semantics)
    assert expression.matches(TaskScope(document)) is expected
    assert expression.explain(TaskScope(document)).result is expected


@given(COMPARISONS, DOCUMENTS)
def test_single_comparisons_agree_with_the_interpreter(comparison: Comparison, document: Any) -> None:
    """The quick forms of common comparisons are only quicker."""
    expression = compile_expression(render(comparison), TASK)
    assert expression.matches(TaskScope(document)) is interpret(comparison, document, DEFAULT_SEMANTICS)


@given(NODES, DOCUMENTS)
def test_the_failing_parts_are_false_comparisons(node: Node, document: Any) -> None:
    """Failing parts are false comparisons; there are some exactly when the whole is false; mending them mends it."""
    verdict = compile_expression(render(node), TASK).explain(TaskScope(document))
    failing = verdict.failing()
    assert bool(failing) is not verdict.result
    assert all(not part.result and not part.parts for part in failing)

    def mended(part: Verdict) -> bool:
        if not part.parts:
            return part.result or any(part is fault for fault in failing)
        return (all if part.operator == "AND" else any)(mended(child) for child in part.parts)

    assert mended(verdict)


PIECES = ["a", "task.", "worker.a", "workers.available", ".", "(", ")", "[", "]", ",", "1", "-", "'", '"', "\\", "=="]
PIECES += ["=", ">-", "<", "!", " ", "\n", "AND", "or", "NOT", "in", "HAS", "null", "true", "é", "\x00", "\ud800"]


@given(
    st.text() | st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.sampled_from([WORKER, TASK, TARGET, SKIP_IF]),
)
@example("\ud800", WORKER)
def test_any_text_is_an_expression_or_a_syntax_error(text: str, context: ExpressionContext) -> None:
    """Nothing but the documented error comes out of any text, and its place lies within the text."""
    try:
        compile_expression(text, context)
    except ExpressionSyntaxError as error:
        assert 0 <= error.position.offset <= len(text)
        assert text.startswith("" if error.found == "<EOF>" else error.found, error.position.offset)
        assert str(error)


ODD = VALUES | st.binary(max_size=3) | st.sampled_from([10**5000, math.nan, math.inf, 1j, {1}, (1, "a"), object()])
ODD_DOCUMENTS = st.dictionaries(NAMES, ODD, max_size=4) | ODD


@given(NODES, ODD_DOCUMENTS, SEMANTICS)
def test_no_document_makes_matching_or_explaining_fail(node: Node, document: Any, semantics: Semantics) -> None:
    """Whatever the attributes hold, the answer is a bool and the verdict is text and data."""
    for context, scope in ((TASK, TaskScope(document)), (WORKER, WorkerScope(document, document, document))):
        expression = compile_expression(render(node), context, semantics)
        assert expression.matches(scope) in (True, False)
        verdict = expression.explain(scope)
        json.dumps(verdict.to_dict(), allow_nan=False)
        assert str(verdict)


TARGET_TEXT = "worker.a == task.b OR worker.channel.a.assigned_tasks < task.a OR worker.sid IN task.c"


@given(ODD_DOCUMENTS, ODD_DOCUMENTS)
def test_no_document_makes_a_target_fail(task: Any, worker: Any) -> None:
    """The same for a task and a worker together."""
    scope = TargetScope(TaskScope(task), WorkerScope(worker, worker, worker))
    assert compile_expression(TARGET_TEXT, TARGET).matches(scope) in (True, False)


@pytest.mark.parametrize("available", [0, 1])
def test_skip_if_with_quick_forms(available: int) -> None:
    """Counts go through the same comparisons."""
    scope = WorkersScope(available=available, unavailable=0)
    assert compile_expression("workers.available == 0", SKIP_IF).matches(scope) is (available == 0)
    assert compile_expression("workers.available < 1", SKIP_IF).matches(scope) is (available == 0)
