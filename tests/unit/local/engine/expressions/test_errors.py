"""What a syntax error tells, and where it points."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    TASK,
    WORKER,
    ExpressionSyntaxError,
    Position,
    Semantics,
    TaskScope,
    compile_expression,
    compile_key,
    compile_order_by,
)
from twilio_taskrouter_worker.local.engine.expressions.semantics import MAX_STEPS, MAX_TERMS


def refused(
    text: str, compiler: Callable[[str], object] = lambda text: compile_expression(text, TASK)
) -> ExpressionSyntaxError:
    """Return the error that a text raises."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        compiler(text)
    return caught.value


AFTER = "AND, OR or the end of the expression"
OPERAND = "a value, a key or '('"


@pytest.mark.parametrize(
    ("text", "offset", "found", "expected"),
    [
        ("", 0, "<EOF>", OPERAND),
        ("  \n ", 4, "<EOF>", OPERAND),
        ("key", 3, "<EOF>", "OPERATOR"),
        ("true", 4, "<EOF>", "OPERATOR"),
        ("skill-level == 1", 6, "level", "OPERATOR"),
        ("skill-1 == 1", 5, "-1", "OPERATOR"),
        ("a ==", 4, "<EOF>", "a value or a key"),
        ("(a == 1", 7, "<EOF>", "AND, OR or ')'"),
        ("(a) == 1", 2, ")", "OPERATOR"),
        ("()", 1, ")", OPERAND),
        ("a == (1)", 5, "(", "a value or a key"),
        ("NOT a == 1", 0, "NOT", OPERAND),
        ("a NOT == 1", 6, "==", "IN"),
        ("a NOT has 1", 6, "has", "IN"),
        ("a and", 2, "and", "OPERATOR"),
        ("a == 1 AND", 10, "<EOF>", OPERAND),
        ("a == 1 OR OR b == 1", 10, "OR", OPERAND),
        ("a === 1", 4, "=", "a value or a key"),
        ("l-evel == 1", 2, "evel", "OPERATOR"),
        ("a + 1 == 2", 4, "1", "OPERATOR"),
        ("a == .5", 5, ".", "a value or a key"),
        ("größe == 1", 4, "e", "OPERATOR"),
        ("a. == 1", 3, "==", "a name"),
        ("a.in == 1", 2, "in", "a name"),
        ("a[-1] == 1", 2, "-1", "an array index, counted from 0"),
        ("a[1.0] == 1", 2, "1.0", "an array index, counted from 0"),
        ('a["k"] == 1', 2, '"k"', "an array index, counted from 0"),
        ("a[" + "1" * 65 + "] == 1", 2, "1" * 65, "an array index, counted from 0"),
        ("a[1 == 1", 4, "==", "']'"),
        ("a IN [1, ]", 9, "]", "a value"),
        ("a IN [1 2]", 8, "2", "',' or ']'"),
        ("a IN [,]", 6, ",", "a value or ']'"),
        ("a IN [[1]]", 6, "[", "a value or ']'"),
        ("a IN [b]", 6, "b", "a value or ']'"),
        ("a IN [1", 7, "<EOF>", "',' or ']'"),
        ('a == "open', 5, '"open', "a value or a key"),
        ("a == 'open\"", 5, "'open\"", "a value or a key"),
        ('a == "open\\"', 5, '"open\\"', "a value or a key"),
        ("a == " + "9" * 65, 5, "9" * 65, "a number of at most 64 characters"),
        ("a IN [" + "9" * 65 + "]", 6, "9" * 65, "a number of at most 64 characters"),
    ],
)
def test_each_fault_names_what_was_found_and_what_is_right(text: str, offset: int, found: str, expected: str) -> None:
    """The error carries the place, the offending token as written, and what would have been right."""
    error = refused(text)
    assert (error.position.offset, error.found, error.expected) == (offset, found, expected)
    assert error.expression == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("skill-level == 1", "a key cannot contain a hyphen"),
        ("skill-1 == 1", "a key cannot contain a hyphen"),
        ("skill - 1 == 1", None),
        ('a == "open', "the string is not closed"),
        ("a == 'open", "the string is not closed"),
        ("-", None),
        ("a.in == 1", "IN is an operator and cannot be a key"),
        ("has == 1", "HAS is an operator and cannot be a key"),
        ("a AND b", None),
        ("a IN [b]", "an array holds only strings, numbers, booleans and null"),
        ("a IN [[1]]", "an array holds only strings, numbers, booleans and null"),
        ("a IN [,]", None),
    ],
)
def test_hint_helps_with_the_usual_mistakes(text: str, hint: str | None) -> None:
    """A known kind of mistake gets a sentence that says how to repair it, and no other gets one."""
    assert refused(text).hint == hint


def test_message_reads_like_the_service_and_adds_the_place() -> None:
    """The message keeps the service's wording, followed by line and column and the hint."""
    assert str(refused("a == 1 AND\n  skill-level == 1")) == (
        "extraneous input 'level' expecting OPERATOR at line 2, column 9; a key cannot contain a hyphen"
    )
    assert str(refused("key")) == "mismatched input '<EOF>' expecting OPERATOR at line 1, column 4"


def test_message_cuts_a_long_token() -> None:
    """A huge token does not make a huge message."""
    error = refused("a == '" + "x" * 10_000)
    assert len(str(error)) < 150
    assert "…" in str(error)
    assert len(error.found) == 10_001


def test_error_is_a_value_error_and_survives_pickling() -> None:
    """Callers may catch ValueError, and the error can cross processes."""
    error = refused("key")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(error, ValueError)
    assert (str(copy), copy.position, copy.expression) == (str(error), error.position, error.expression)


@pytest.mark.parametrize(("offset", "line", "column"), [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (6, 3, 3)])
def test_position_counts_lines_and_columns_from_one(offset: int, line: int, column: int) -> None:
    """Line and column follow from the offset."""
    assert Position.at("ab\n\ncd", offset) == Position(offset, line, column)


@pytest.mark.parametrize("compiler", [lambda text: compile_expression(text, WORKER), compile_order_by, compile_key])
@pytest.mark.parametrize("value", [None, 1, b"1==1", ["1==1"]])
def test_only_text_is_compiled(compiler: Callable[[Any], object], value: Any) -> None:
    """A value that is no string is a TypeError that names its type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        compiler(value)


STRICT = Semantics(strict_expressions=True)
DROPPED = "a value, a key or an operator"


@pytest.mark.parametrize(
    ("text", "same_as", "offset", "found", "expected", "message"),
    [
        ("*(a == 1)", "(a == 1)", 0, "*", DROPPED, "'*' was ignored at line 1, column 1"),
        ("a == 1;", "a == 1", 6, ";", DROPPED, "';' was ignored at line 1, column 7"),
        ("a == +1", "a == 1", 5, "+", DROPPED, "'+' was ignored at line 1, column 6"),
        ("#a == 1", "a == 1", 0, "#", DROPPED, "'#' was ignored at line 1, column 1"),
        ("! a == 1", "a == 1", 0, "!", DROPPED, "'!' was ignored at line 1, column 1"),
        ("a > = 1", "a >= 1", 2, "> =", "'>='", "'> =' was read as >= at line 1, column 3"),
        ("a < = 1", "a <= 1", 2, "< =", "'<='", "'< =' was read as <= at line 1, column 3"),
        ("a = = 1", "a == 1", 2, "= =", "'=='", "'= =' was read as == at line 1, column 3"),
        ("a ! = 1", "a != 1", 2, "! =", "'!='", "'! =' was read as != at line 1, column 3"),
        ("a == 1 2", "a == 1", 7, "2", AFTER, "the rest from '2' on was ignored at line 1, column 8"),
        ("a == 1\n)", "a == 1", 7, ")", AFTER, "the rest from ')' on was ignored at line 2, column 1"),
        ("a == 5.", "a == 5", 6, ".", AFTER, "the rest from '.' on was ignored at line 1, column 7"),
        ("a == 1e3", "a == 1", 6, "e3", AFTER, "the rest from 'e3' on was ignored at line 1, column 7"),
        ("a == 1 && b == 2", "a == 1", 7, "&", DROPPED, "'&' was ignored; write AND at line 1, column 8"),
        ("a == 1 || b == 2", "a == 1", 7, "|", DROPPED, "'|' was ignored; write OR at line 1, column 8"),
    ],
)
def test_what_the_service_tolerates_is_ignored_or_refused(
    text: str, same_as: str, offset: int, found: str, expected: str, message: str
) -> None:
    """An expression with something that is not in the grammar means what it means without; a switch refuses it."""
    lenient = compile_expression(text, TASK)
    plain = compile_expression(same_as, TASK)
    for value in (None, 0, 1, 2, 5):
        assert lenient.matches(TaskScope({"a": value})) is plain.matches(TaskScope({"a": value}))
    assert str(lenient.warnings[0]) == message
    assert plain.warnings == ()
    error = refused(text, lambda text: compile_expression(text, TASK, STRICT))
    assert (error.position.offset, error.found, error.expected) == (offset, found, expected)
    compile_expression(same_as, TASK, STRICT)


def test_warnings_are_in_order_and_few() -> None:
    """They come as the text has them, one for each run of characters, and a text of rubbish has not one for each."""
    warnings = compile_expression("a @@ == 1 AND b ~~~ == 1 c", TASK).warnings
    assert [warning.position.offset for warning in warnings] == [2, 16, 25]
    assert len(compile_expression("a == 1" + " ~" * 1000, TASK).warnings) <= 21


@pytest.mark.parametrize("compiler", [compile_order_by, compile_key])
def test_orders_and_keys_too(compiler: Any) -> None:
    """A character that belongs to nothing is dropped from them as well, or refused."""
    text = "worker.level;"
    assert compiler(text).inputs == compiler("worker.level").inputs
    with pytest.raises(ExpressionSyntaxError, match="extraneous input ';'"):
        compiler(text, STRICT)


def test_limits_of_length_and_work() -> None:
    """Comparisons and parts of a key have a limit, and the length where the caller sets one."""
    assert compile_expression(" OR ".join(["a==1"] * MAX_TERMS), TASK).matches(TaskScope({"a": 1}))
    assert f"at most {MAX_TERMS} comparisons" in str(refused(" OR ".join(["a==1"] * (MAX_TERMS + 1))))
    assert compile_expression("a" + ".a" * (MAX_STEPS - 1) + " == 1", TASK)
    assert f"at most {MAX_STEPS} parts" in str(refused("a" + ".a" * MAX_STEPS + " == 1"))
    assert compile_expression("a==1", TASK, longest=4)
    assert "at most 3 characters" in str(refused("a==1", lambda text: compile_expression(text, TASK, longest=3)))
