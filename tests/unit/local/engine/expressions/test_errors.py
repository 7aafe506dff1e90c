"""What a syntax error tells, and where it points."""

import pickle

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    TASK,
    WORKER,
    ExpressionSyntaxError,
    Position,
    compile_expression,
    compile_key,
    compile_order_by,
)


def refused(text, compiler=lambda text: compile_expression(text, TASK)):
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
        ("skill-level == 1", 5, "-", "OPERATOR"),
        ("skill-1 == 1", 5, "-1", "OPERATOR"),
        ("a ==", 4, "<EOF>", "a value or a key"),
        ("a == 1 2", 7, "2", AFTER),
        ("a == 1 b == 2", 7, "b", AFTER),
        ("a == 1 )", 7, ")", AFTER),
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
        ("a + 1 == 2", 2, "+", "OPERATOR"),
        ("a == +1", 5, "+", "a value or a key"),
        ("a == .5", 5, ".", "a value or a key"),
        ("a == 5.", 6, ".", AFTER),
        ("a == 1e3", 6, "e3", AFTER),
        ("größe == 1", 2, "ö", "OPERATOR"),
        ("a. == 1", 3, "==", "a name"),
        ("a.1 == 1", 2, "1", "a name"),
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
        ("a == 1 && b == 2", 7, "&", AFTER),
    ],
)
def test_each_fault_names_what_was_found_and_what_is_right(text, offset, found, expected):
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
        ("a == 1 && b == 2", "write AND"),
        ("a == 1 || b == 2", "write OR"),
        ("-", None),
        ("a.in == 1", "IN is an operator and cannot be a key"),
        ("has == 1", "HAS is an operator and cannot be a key"),
        ("a AND b", None),
        ("a IN [b]", "an array holds only strings, numbers, booleans and null"),
        ("a IN [[1]]", "an array holds only strings, numbers, booleans and null"),
        ("a IN [,]", None),
    ],
)
def test_hint_helps_with_the_usual_mistakes(text, hint):
    """A known kind of mistake gets a sentence that says how to repair it, and no other gets one."""
    assert refused(text).hint == hint


def test_message_reads_like_the_service_and_adds_the_place():
    """The message keeps the service's wording, followed by line and column and the hint."""
    assert str(refused("a == 1 AND\n  skill-level == 1")) == (
        "extraneous input '-' expecting OPERATOR at line 2, column 8; a key cannot contain a hyphen"
    )
    assert str(refused("key")) == "mismatched input '<EOF>' expecting OPERATOR at line 1, column 4"


def test_message_cuts_a_long_token():
    """A huge token does not make a huge message."""
    error = refused("a == '" + "x" * 10_000)
    assert len(str(error)) < 150
    assert "…" in str(error)
    assert len(error.found) == 10_001


def test_error_is_a_value_error_and_survives_pickling():
    """Callers may catch ValueError, and the error can cross processes."""
    error = refused("key")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(error, ValueError)
    assert (str(copy), copy.position, copy.expression) == (str(error), error.position, error.expression)


@pytest.mark.parametrize(("offset", "line", "column"), [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (6, 3, 3)])
def test_position_counts_lines_and_columns_from_one(offset, line, column):
    """Line and column follow from the offset."""
    assert Position.at("ab\n\ncd", offset) == Position(offset, line, column)


@pytest.mark.parametrize("compiler", [lambda text: compile_expression(text, WORKER), compile_order_by, compile_key])
@pytest.mark.parametrize("value", [None, 1, b"1==1", ["1==1"]])
def test_only_text_is_compiled(compiler, value):
    """A value that is no string is a TypeError that names its type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        compiler(value)
