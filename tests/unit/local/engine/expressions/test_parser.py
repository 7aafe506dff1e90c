"""Lexical rules and grammar: which text becomes which tree."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    DEFAULT_SEMANTICS,
    TASK,
    ExpressionSyntaxError,
    Semantics,
    TaskScope,
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
from twilio_taskrouter_worker.local.engine.expressions.semantics import MAX_DEPTH


def comparison(name: str) -> Comparison:
    """Return the tree of ``<name> == 1``."""
    return Comparison(Path((name,)), Operator.EQ, Literal(1))


def parse_comparison(text: str, semantics: Semantics = DEFAULT_SEMANTICS) -> Comparison:
    """Return the tree of a single comparison."""
    node = parse(text, semantics)
    assert isinstance(node, Comparison)
    return node


A, B, C, D = map(comparison, "abcd")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"x"', "x"),
        ("'x'", "x"),
        ("''", ""),
        ('"it\'s"', "it's"),
        ("'say \"x\"'", 'say "x"'),
        (r'"a\"b"', 'a"b'),
        (r"'a\'b'", "a'b"),
        (r'"a\\"', "a\\"),
        (r'"a\nb"', r"a\nb"),
        (r'"\'"', "'"),
        ('"two\nlines"', "two\nlines"),
        ('"AND null [1] é 😀"', "AND null [1] é 😀"),
        ("1", 1),
        ("-1", -1),
        ("007", 7),
        ("5.1", 5.1),
        ("1.00", 1.0),
        ("-0.5", -0.5),
        ("9" * 64, int("9" * 64)),
        ("true", True),
        ("false", False),
        ("null", None),
        ("NULL", None),
        ("Null", None),
    ],
)
def test_literals(text: str, value: Any) -> None:
    """Each spelling of a literal has its value and its type."""
    operand = parse_comparison(f"{text} == 1").left
    assert isinstance(operand, Literal) and operand == Literal(value)
    assert type(operand.value) is type(value)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("key", ("key",)),
        ("_k$1", ("_k$1",)),
        ("$", ("$",)),
        ("object.attr", ("object", "attr")),
        ("object.array[2]", ("object", "array", 2)),
        ("a[0][1].b", ("a", 0, 1, "b")),
        ("a [ 0 ] . b", ("a", 0, "b")),
        ("True", ("True",)),
        ("TRUE", ("TRUE",)),
        ("android", ("android",)),
        ("inn.orb.nothing", ("inn", "orb", "nothing")),
        ("asc", ("asc",)),
    ],
)
def test_paths(text: str, steps: tuple[str | int, ...]) -> None:
    """Names, dots and indices make a path; words that only resemble operators or constants are names."""
    assert parse_comparison(f"{text} == 1").left == Path(steps)


@pytest.mark.parametrize(
    ("text", "values"),
    [("[]", ()), ("[1]", (1,)), ("[ 'a' , \"b\" ]", ("a", "b")), ("[1, 2.5, true, null]", (1, 2.5, True, None))],
)
def test_arrays(text: str, values: tuple[Any, ...]) -> None:
    """An array holds literals and may be empty."""
    assert parse_comparison(f"a IN {text}").right == ArrayLiteral(values)


@pytest.mark.parametrize(
    ("spelling", "operator"),
    [
        ("==", Operator.EQ),
        ("=", Operator.EQ),
        ("!=", Operator.NE),
        (">", Operator.GT),
        (">=", Operator.GE),
        ("<", Operator.LT),
        ("<=", Operator.LE),
        ("CONTAINS", Operator.CONTAINS),
        ("contains", Operator.CONTAINS),
        ("HAS", Operator.HAS),
        ("Has", Operator.HAS),
        (">-", Operator.HAS),
        ("IN", Operator.IN),
        ("in", Operator.IN),
        ("<-", Operator.IN),
        ("NOT IN", Operator.NOT_IN),
        ("not\n  in", Operator.NOT_IN),
    ],
)
def test_operators_and_their_synonyms(spelling: str, operator: Operator) -> None:
    """Each spelling of an operator is that operator."""
    assert parse_comparison(f"a {spelling} b").operator is operator


@pytest.mark.parametrize(
    ("text", "operator", "right"),
    [
        ("1==1", Operator.EQ, 1),
        ("1=-1", Operator.EQ, -1),
        ("1>=-1", Operator.GE, -1),
        ("1>-1", Operator.HAS, 1),
        ("1<-1", Operator.IN, 1),
        ("1 > -1", Operator.GT, -1),
        ("1CONTAINS'1'", Operator.CONTAINS, "1"),
    ],
)
def test_white_space_is_not_needed_around_symbols(text: str, operator: Operator, right: Any) -> None:
    """Symbols end a token; the longest symbol wins."""
    node = parse_comparison(text)
    assert (node.operator, node.right) == (operator, Literal(right))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a==1 AND b==1", And((A, B))),
        ("a==1 OR b==1 OR c==1", Or((A, B, C))),
        ("a==1 OR b==1 AND c==1", Or((A, And((B, C))))),
        ("a==1 AND b==1 OR c==1 AND d==1", Or((And((A, B)), And((C, D))))),
        ("(a==1 OR b==1) AND c==1", And((Or((A, B)), C))),
        ("((a==1))", A),
        ("a==1 AND (b==1 AND c==1)", And((A, And((B, C))))),
        ("a==1 and b==1 Or c==1", Or((And((A, B)), C))),
    ],
)
def test_and_binds_tighter_than_or(text: str, tree: Node) -> None:
    """Precedence, association and parentheses shape the tree."""
    assert parse(text, DEFAULT_SEMANTICS) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a==1", A),
        ("a==1 OR b==1 AND c==1", And((Or((A, B)), C))),
        ("a==1 AND b==1 AND c==1 OR d==1", Or((And((A, B, C)), D))),
        ("a==1 OR (b==1 AND c==1)", Or((A, And((B, C))))),
    ],
)
def test_switch_for_equal_precedence(text: str, tree: Node) -> None:
    """With the switch off, AND and OR bind alike from the left."""
    assert parse(text, Semantics(and_binds_tighter=False)) == tree


def test_switches_for_the_case_of_words() -> None:
    """With the switches off, word operators are capitals, null is lower case, and other spellings are names."""
    strict = Semantics(word_operators_any_case=False, null_any_case=False)
    assert parse("has HAS NULL", strict) == Comparison(Path(("has",)), Operator.HAS, Path(("NULL",)))
    assert parse_comparison("a IN [null]", strict).right == ArrayLiteral((None,))
    with pytest.raises(ExpressionSyntaxError, match="OPERATOR"):
        parse("a has 1", strict)


def test_spans_leave_out_the_parentheses() -> None:
    """Each node knows where it stands in the text."""
    text = " ( a == 1 OR b IN [1, 2] ) AND c.d[0] != 'x' "
    node = parse(text, DEFAULT_SEMANTICS)
    assert isinstance(node, And)
    either, unequal = node.parts
    assert isinstance(either, Or) and isinstance(unequal, Comparison)
    spans = (node, either, *either.parts, unequal, unequal.left, unequal.right)
    assert [text[slice(*part.span)] for part in spans] == [
        "( a == 1 OR b IN [1, 2] ) AND c.d[0] != 'x'",
        "a == 1 OR b IN [1, 2]",
        "a == 1",
        "b IN [1, 2]",
        "c.d[0] != 'x'",
        "c.d[0]",
        "'x'",
    ]


def test_render_is_canonical() -> None:
    """A tree is written with canonical operators, double quotes and only the parentheses that it needs."""
    text = "(a = 'x\\'s' or b[0].c <- [1.50, null, true]) and d not in []"
    assert render(parse(text, DEFAULT_SEMANTICS)) == ('(a == "x\'s" OR b[0].c IN [1.5, null, true]) AND d NOT IN []')


def nested(levels: int) -> str:
    """Return a true expression within so many parentheses."""
    return "(" * levels + "1==1" + ")" * levels


def test_deepest_nesting_works_and_one_more_is_refused() -> None:
    """The limit is exact, and beyond it the error points at the parenthesis that is too much."""
    assert compile_expression(nested(MAX_DEPTH), TASK).constant is True
    with pytest.raises(ExpressionSyntaxError, match=f"at most {MAX_DEPTH} nested parentheses") as caught:
        compile_expression(nested(MAX_DEPTH + 1), TASK)
    assert caught.value.position.offset == MAX_DEPTH


def test_parentheses_side_by_side_are_not_nested() -> None:
    """Only depth is limited, not number."""
    text = " AND ".join([nested(3)] * 200)
    assert compile_expression(text, TASK).constant is True


def test_deepest_tree_is_matched_and_explained() -> None:
    """Every level alternates OR and AND: still no trouble with Python's stack."""
    text = "a == 1"
    for _ in range(MAX_DEPTH):
        text = f"(b == 1 OR a == 1 AND {text})"
    expression = compile_expression(text, TASK)
    assert expression.matches(TaskScope({"a": 1})) is True
    verdict = expression.explain(TaskScope({}))
    assert len(verdict.failing()) == 2 * MAX_DEPTH + 1
    assert str(verdict).count("\n") == 4 * MAX_DEPTH
    assert verdict.to_dict()["result"] is False


def test_equal_precedence_is_limited_too() -> None:
    """Without precedence each change between AND and OR is a level, so there is a limit for them."""
    semantics = Semantics(and_binds_tighter=False)
    text = "1==1" + " OR 1==1 AND 1==1" * (MAX_DEPTH // 2)
    assert compile_expression(text, TASK, semantics).constant is True
    with pytest.raises(ExpressionSyntaxError, match="changes between AND and OR"):
        compile_expression(text + " OR 1==1", TASK, semantics)


HUGE: dict[str, Callable[[int], str]] = {
    "comparisons": lambda size: " OR ".join(["a == 'b'"] * (size // 12)),
    "array": lambda size: "a IN [" + ",".join(["1"] * (size // 2)) + "]",
    "path": lambda size: "a" + ".a" * (size // 2) + " == 1",
    "string": lambda size: "a == '" + "x" * size + "'",
    "escapes": lambda size: "a == '" + "\\\\" * (size // 2) + "'",
    "space": lambda size: " " * size + "a == 1",
    "parentheses": lambda size: "(" * size,
    "brackets": lambda size: "[" * size,
    "quotes": lambda size: '"' * (size + 1),
    "backslashes": lambda size: "a == '" + "\\" * (size - 1),
    "digits": lambda size: "a == " + "9" * size,
    "minus": lambda size: "-" * size,
    "lines": lambda size: "\n" * size,
}


@pytest.mark.parametrize("size", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", HUGE)
def test_huge_texts_are_parsed_or_refused_in_linear_time(name: str, size: int) -> None:
    """A megabyte of anything takes seconds at most, and a tenth of it a tenth; quadratic work would take hours."""
    text = HUGE[name](size)
    started = time.process_time()
    try:
        compile_expression(text, TASK)
    except ExpressionSyntaxError as error:
        assert len(str(error)) < 250
    assert time.process_time() - started < 5 + 25 * size / 1_000_000
