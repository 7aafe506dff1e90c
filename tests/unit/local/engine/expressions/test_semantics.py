"""What each operator means for each kind of value, by table."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine.expressions import TASK, Semantics, TaskScope, compile_expression

NAN = float("nan")
ATTRIBUTES = {
    "string_const": "foo",
    "object": {"array": ["a", "b", "c"], "attr": "bar", "deep": [{"x": [1, 2]}]},
    "n": 5,
    "f": 5.0,
    "d": 5.5,
    "six": "6",
    "neg": "-1.5",
    "t": True,
    "zero": 0,
    "no": None,
    "empty": [],
    "langs": ["en", "es"],
    "nums": [1, "2", 3.0],
    "mixed": [None, True, [1], {"a": 1}],
    "long": "1" * 65,
    "huge": 10**5000,
    "nan": NAN,
    "inf": float("inf"),
    "Case": "Foo",
}

TRUE = """
1 == 1 | 1 == 1.0 | 1 = 1 | 0 != 1 | "apple" != "orange" | "a" == 'a' | true == true | null == null
n == 5 | n == 5.0 | f == 5 | d == 5.5 | n != 6 | 5 == n | n == f
six == 6 | 6 == six | six == 6.0 | six > 5 | five != 5 | neg < 0 | neg == -1.5 | "6" == 6
missing == null | no == null | missing == no | string_const != null | n != null | object != null | zero != null
missing != 1 | no != "x" | null != 0 | missing != ""
t == true | t != false | t != 1 | t != "true" | t != null | zero != false
string_const == "foo" | string_const != "Foo" | Case == "Foo" | case == null
"10" < "9" | "a" < "b" | "A" < "a" | "a" <= "a" | "b" >= "a" | "b" > "a"
n >= 5 | n <= 5 | n > 4.9 | n < 5.1 | 4 < n | 1 <= 1 | n < six | inf > n | huge > n | huge != n
string_const CONTAINS "oo" | string_const CONTAINS "" | n CONTAINS 5
f CONTAINS "5" | d CONTAINS ".5" | 15 CONTAINS n
t CONTAINS "ru" | "5.0" CONTAINS f | false CONTAINS "false" | "x null" CONTAINS "null"
langs HAS "es" | langs >- "en" | nums HAS 2 | nums HAS "2" | nums HAS 3 | nums HAS "1" | [1, 2] HAS 2
mixed HAS null | mixed HAS true | mixed HAS missing
"es" IN langs | n IN [1, 5] | n IN [5.0] | string_const <- ["foo"]
six IN [6] | null IN [null] | t IN [true] | n IN ["5"]
string_const NOT IN ["a"] | n NOT IN [] | missing NOT IN ["a"] | no NOT IN ["a"] | 4 NOT IN nums | t NOT IN [1]
object NOT IN [1] | langs NOT IN ["en"] | string_const NOT IN langs
object.array[0] == "a" | object.array[2] == "c" | object.attr == "bar" | object.deep[0].x[1] == 2
object.array[3] == null | object.array[99999999999999999999] == null
string_const.x == null | string_const[0] == null
langs.x == null | object[0] == null | no.x.y == null | object.nothing.x == null | missing[0].x == null
"15" CONTAINS f | "x5y" CONTAINS f | f CONTAINS f
nan != nan | long != 1 | langs[1] == "es" | empty[0] == null
""".replace("five", "string_const")

FALSE = """
1 == 2 | 1 != 1 | 1 != 1.0 | "a" == "b" | n == 6 | n == "x" | string_const == 5
missing == 0 | missing == "" | missing == false | no != null | missing != null | missing != no
t == 1 | t == "true" | zero == false | true == "true" | t == null
six == "6.0" | six != 6 | "6" != 6
null > 0 | missing < 5 | missing >= null | null <= null | no > 1
t > 0 | true >= true | false < true | t > "a" | n > "x" | "x" > n
"9" > "abc" | object > 1 | langs > 1 | nan > 1 | nan <= 1 | nan == nan
langs == "en" | langs != "en" | langs == langs | langs != langs | langs != null | langs == null
[1] == 1 | [1] != 2 | 1 != [2]
empty != 1 | empty == null | langs < "z" | langs CONTAINS "en" | "en" CONTAINS langs
object == object | object == null | object == "x" | object CONTAINS "a" | "[object]" CONTAINS object
missing CONTAINS "" | null CONTAINS null | string_const CONTAINS null
string_const CONTAINS "OO" | huge CONTAINS 1 | n CONTAINS "5.0"
langs HAS "fr" | langs HAS "En" | n HAS 5 | string_const HAS "foo"
missing HAS null | object HAS "attr" | [] HAS 1 | null HAS null
mixed HAS 1 | mixed HAS false | mixed HAS [1] | mixed HAS object | langs HAS langs | langs HAS null | nums HAS true
"fr" IN langs | n IN 5 | n IN "5" | 5 IN n | string_const IN "foobar" | missing IN missing
missing IN ["a"] | t IN [1] | t IN ["true"]
langs IN [1] | object IN [null] | n IN [] | n IN missing | "n" IN object
string_const NOT IN ["foo"] | n NOT IN 6 | n NOT IN "6"
n NOT IN missing | 2 NOT IN nums | null NOT IN [null] | six NOT IN [6]
missing NOT IN missing | n NOT IN object | "en" NOT IN langs
f CONTAINS "5.0" | f CONTAINS "." | "5." CONTAINS d
t IN ["True"] | no IN ["None"] | n IN ["5x"]
long == 1 | long > 0
""".replace("five", "string_const")


def cases(table: str) -> list[str]:
    """Return the expressions of a table."""
    return [text.strip() for line in table.strip().splitlines() for text in line.split("|")]


@pytest.mark.parametrize(
    ("text", "expected"), [(text, True) for text in cases(TRUE)] + [(text, False) for text in cases(FALSE)]
)
def test_operators(text: str, expected: bool) -> None:
    """Types, NULL, arrays and objects behave as documented for every operator."""
    expression = compile_expression(text, TASK)
    assert expression.matches(TaskScope(ATTRIBUTES)) is expected
    assert expression.explain(TaskScope(ATTRIBUTES)).result is expected


@pytest.mark.parametrize(
    ("switch", "text", "default"),
    [
        ("numeric_strings", "six == 6", True),
        ("numeric_strings", "six > 5", True),
        ("numeric_strings", "5 < six", True),
        ("numeric_strings", "nums HAS 2", True),
        ("numeric_strings", "six IN [6]", True),
        ("numeric_strings", "six NOT IN [6]", False),
        ("ordered_strings", "string_const > 'a'", True),
        ("ordered_strings", "'a' < string_const", True),
        ("case_sensitive", "string_const == 'FOO'", False),
        ("case_sensitive", "string_const != 'FOO'", True),
        ("case_sensitive", "string_const CONTAINS 'OO'", False),
        ("case_sensitive", "langs HAS 'ES'", False),
        ("case_sensitive", "'EN' IN langs", False),
        ("case_sensitive", "string_const IN ['FOO']", False),
        ("case_sensitive", "string_const NOT IN ['FOO']", True),
        ("case_sensitive", "string_const < 'G'", False),
        ("null_is_not_in", "missing NOT IN ['a']", True),
        ("null_is_not_in", "missing NOT IN [1]", True),
        ("null_is_not_in", "no NOT IN langs", True),
    ],
)
def test_each_switch_turns_its_rule_around(switch: str, text: str, default: bool) -> None:
    """A rule that the documentation leaves open can be had the other way."""
    scope = TaskScope(ATTRIBUTES)
    assert compile_expression(text, TASK).matches(scope) is default
    assert compile_expression(text, TASK, Semantics(**{switch: False})).matches(scope) is not default


def test_names_stay_case_sensitive_without_case_sensitive_values() -> None:
    """The switch is about values only."""
    expression = compile_expression("case == null", TASK, Semantics(case_sensitive=False))
    assert expression.matches(TaskScope({"Case": "x"})) is True


def test_documents_may_be_frozen() -> None:
    """Tuples stand for arrays, and any mapping for an object."""
    frozen = MappingProxyType({"langs": ("en",), "o": MappingProxyType({"list": (1, 2)}), "n": 2})
    scope = TaskScope(frozen)
    for text in ("langs HAS 'en'", "o.list[1] == n", "n IN o.list", "langs[0] == 'en'"):
        assert compile_expression(text, TASK).matches(scope) is True
    assert compile_expression("langs == 'en'", TASK).matches(scope) is False


@pytest.mark.parametrize("document", [[], ["n"], "text", 5, None, True])
def test_a_document_that_is_not_an_object_has_no_keys(document: Any) -> None:
    """Attributes that are not an object make every path NULL."""
    scope = TaskScope(document)
    assert compile_expression("n == null AND a.b == null AND a[0] == null", TASK).matches(scope) is True


def test_deeply_nested_documents_do_no_harm() -> None:
    """A document near the depth that the JSON parser takes is compared without walking it."""
    deep = json.loads("[" * 900 + "1" + "]" * 900)
    scope = TaskScope({"deep": deep, "list": [deep], "same": deep})
    for text in ("deep == same", "list HAS deep", "deep IN list", "list HAS 'x'", "deep CONTAINS 'x'", "list HAS 1"):
        expression = compile_expression(text, TASK)
        assert expression.matches(scope) is False
        json.dumps(expression.explain(scope).to_dict())
