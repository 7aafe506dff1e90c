"""Expressions: what filters and queues say, and the documents for which they are true."""

from __future__ import annotations

from typing import Any

from tests.parity.statement import Page, World

SYNTAX = Page("taskrouter/expression-syntax")
PAGES = (SYNTAX,)

_SKILLS = {"skills": ["support", "billing"]}
_TRUTHS: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("== is true for equal strings.", 'language == "en"', {"language": "en"}, True),
    ("== is false for different strings.", 'language == "en"', {"language": "fr"}, False),
    ("A single = means the same as ==.", 'language = "en"', {"language": "en"}, True),
    ("Strings may stand in single quotes.", "language == 'en'", {"language": "en"}, True),
    ("!= is true for different values.", 'language != "en"', {"language": "fr"}, True),
    ("!= is false for equal values.", 'language != "en"', {"language": "en"}, False),
    ("> compares numbers.", "age > 18", {"age": 19}, True),
    ("> excludes equality.", "age > 18", {"age": 18}, False),
    (">= includes equality.", "age >= 18", {"age": 18}, True),
    ("< compares numbers.", "age < 18", {"age": 17.5}, True),
    ("<= includes equality.", "age <= 18", {"age": 18}, True),
    ("Numbers may have decimals.", "score > 4.5", {"score": 4.75}, True),
    ("A number that is written as text compares as a number.", "level > 5", {"level": "6"}, True),
    ("CONTAINS finds a part of a text.", 'title CONTAINS "Support"', {"title": "Head of Support"}, True),
    ("CONTAINS is false where the part is missing.", 'title CONTAINS "Sales"', {"title": "Support"}, False),
    ("HAS finds a value in a list.", 'skills HAS "billing"', _SKILLS, True),
    ("HAS is false for what is not in the list.", 'skills HAS "sales"', _SKILLS, False),
    (">- is another way to write HAS.", 'skills >- "billing"', _SKILLS, True),
    ("IN finds a value in a list that is written out.", 'language IN ["en", "fr"]', {"language": "fr"}, True),
    ("IN is false for what is not listed.", 'language IN ["en", "fr"]', {"language": "de"}, False),
    ("<- is another way to write IN.", 'language <- ["en", "fr"]', {"language": "fr"}, True),
    ("NOT IN is the opposite of IN.", 'language NOT IN ["en", "fr"]', {"language": "de"}, True),
    ("NOT IN is false for what is listed.", 'language NOT IN ["en"]', {"language": "en"}, False),
    ("AND needs both sides.", 'language == "en" AND age > 18', {"language": "en", "age": 20}, True),
    ("AND is false if one side is.", 'language == "en" AND age > 18', {"language": "en", "age": 1}, False),
    ("OR needs one side.", 'language == "en" OR age > 18', {"language": "fr", "age": 20}, True),
    ("OR is false if both sides are.", 'language == "en" OR age > 18', {"language": "fr", "age": 1}, False),
    ("Parentheses group.", "(a == 1 OR b == 1) AND c == 1", {"a": 1, "b": 0, "c": 0}, False),
    ("Without parentheses AND comes before OR.", "a == 1 OR b == 1 AND c == 1", {"a": 1, "b": 0, "c": 0}, True),
    ("Keys inside of objects are reached with dots.", 'address.city == "Oslo"', {"address": {"city": "Oslo"}}, True),
    ("Elements of lists are reached by index, from 0.", 'skills[0] == "support"', _SKILLS, True),
    ("A key that is missing is null.", "language == null", {}, True),
    ("A key that is there is not null.", "language != null", {"language": "en"}, True),
    ("A key that is missing makes comparisons false.", "age > 18", {}, False),
    ("Booleans are true and false without quotes.", "vip == true", {"vip": True}, True),
    ("A boolean is not its text.", 'vip == "true"', {"vip": True}, False),
    ("1==1 is true for everybody.", "1==1", {}, True),
    ("1==0 is true for nobody.", "1==0", {}, False),
    ("White space around operators makes no difference.", 'language=="en"', {"language": "en"}, True),
    ("A comparison with a list is false.", 'skills == "support"', _SKILLS, False),
    ("HAS on what is no list is false.", 'language HAS "en"', {"language": "en"}, False),
    ("Keys may hold underscores and digits.", "level_2 == 1", {"level_2": 1}, True),
    ("Strings differ by case.", 'language == "EN"', {"language": "en"}, False),
    ("Keys differ by case.", 'Language == "en"', {"language": "en"}, False),
)


def _truth(expression: str, document: dict[str, Any], expected: bool) -> Any:
    def check(world: World) -> bool:
        """The same for the attributes of a task and of a worker."""
        task = world.task(document)
        found = world.get("/Tasks", EvaluateTaskAttributes=expression)["tasks"]
        world.worker("Zoe", "Offline", **document)
        workers = world.get("/Workers", TargetWorkersExpression=expression)["workers"]
        return [f"/Tasks/{each['sid']}" for each in found] == [task] * expected and len(workers) == expected

    return check


for _text, _expression, _document, _expected in _TRUTHS:
    SYNTAX.says(f"{_text} (``{_expression}``)", _truth(_expression, _document, _expected))


def _refused(expression: str) -> Any:
    return lambda w: w.status("POST", "/TaskQueues", FriendlyName="x", TargetWorkers=expression) == 400


for _text, _expression in (
    ("An operator without a right side is refused.", "a =="),
    ("An operator without a left side is refused.", "== 1"),
    ("AND without a second comparison is refused.", "a == 1 AND"),
    ("A string without an end is refused.", 'a == "x'),
    ("A parenthesis without an end is refused.", "(a == 1"),
):
    SYNTAX.says(f"{_text} (``{_expression}``)", _refused(_expression))

SYNTAX.says(
    "TargetWorkersExpression may name the worker's own sid.",
    lambda w: len(w.get("/Workers", TargetWorkersExpression=f"sid == '{w.worker()[-34:]}'")["workers"]) == 1,
)
SYNTAX.says(
    "TargetWorkersExpression may name the worker's friendly name.",
    lambda w: (
        w.worker("Alice") and len(w.get("/Workers", TargetWorkersExpression="friendly_name == 'Alice'")["workers"]) == 1
    ),
)
SYNTAX.says(
    "TargetWorkersExpression may name the worker's activity.",
    lambda w: (
        w.worker("Alice", "Offline")
        and len(w.get("/Workers", TargetWorkersExpression="activity_name == 'Offline'")["workers"]) == 1
    ),
)
SYNTAX.unknown(
    "``list != NULL`` for a key that holds a list",
    "false: a comparison of one value with a list is false, whatever the operator.",
    lambda w: w.task({"skills": ["x"]}) and w.get("/Tasks", EvaluateTaskAttributes="skills != NULL")["tasks"] == [],
)
