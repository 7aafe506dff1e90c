"""Read-only attributes: everything that reads works, nothing that writes does."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from twilio_taskrouter_worker import _json
from twilio_taskrouter_worker._frozen import FrozenDict, FrozenList, frozen

VALUE: dict[str, Any] = {"a": 1, "skills": ["de", {"level": [1, 2]}], "address": {"city": "Köln"}, "none": None}


@pytest.fixture
def attributes() -> FrozenDict:
    """The value, read-only."""
    return frozen(json.loads(json.dumps(VALUE)))


def test_reading(attributes: FrozenDict) -> None:
    """It is equal to the plain value, and JSON of it is the same, with either encoder."""
    assert attributes == VALUE and VALUE == attributes
    assert isinstance(attributes, dict) and isinstance(attributes["skills"], list)
    assert json.dumps(attributes, indent=1) == json.dumps(VALUE, indent=1)
    assert _json.dumps(attributes) == _json.dumps(VALUE)
    assert repr(attributes) == repr(VALUE)
    assert {**attributes, "a": 2} == {**VALUE, "a": 2}


WRITES: dict[str, Any] = {
    "set": lambda d: d.__setitem__("a", 2),
    "new": lambda d: d.__setitem__("b", 2),
    "del": lambda d: d.__delitem__("a"),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "pop default": lambda d: d.pop("b", None),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("b", 1),
    "update": lambda d: d.update(a=2),
    "|=": lambda d: d.__ior__({"a": 2}),
    "nested set": lambda d: d["address"].__setitem__("city", "Bonn"),
    "deep": lambda d: d["skills"][1]["level"].append(3),
    "append": lambda d: d["skills"].append("fr"),
    "extend": lambda d: d["skills"].extend(["fr"]),
    "+=": lambda d: d["skills"].__iadd__(["fr"]),
    "*=": lambda d: d["skills"].__imul__(2),
    "insert": lambda d: d["skills"].insert(0, "fr"),
    "list set": lambda d: d["skills"].__setitem__(0, "fr"),
    "list del": lambda d: d["skills"].__delitem__(0),
    "list slice": lambda d: d["skills"].__setitem__(slice(None), []),
    "list clear": lambda d: d["skills"].clear(),
    "list pop": lambda d: d["skills"].pop(),
    "remove": lambda d: d["skills"].remove("de"),
    "reverse": lambda d: d["skills"].reverse(),
    "sort": lambda d: d["skills"].sort(key=str),
}


def test_every_method_that_writes_is_tried() -> None:
    """What dict and list have and the frozen ones share with them only reads."""
    reading = {"copy", "fromkeys", "get", "items", "keys", "values", "count", "index"}
    for frozen_kind, kind in ((FrozenDict, dict), (FrozenList, list)):
        inherited = {name for name in dir(kind) if getattr(frozen_kind, name) is getattr(kind, name)}
        assert {name for name in inherited if name[0] != "_"} <= reading
        assert not inherited & {"__setitem__", "__delitem__", "__ior__", "__iadd__", "__imul__"}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writing(attributes: FrozenDict, write: Any) -> None:
    """Each way of changing it, or what is nested in it, is refused with what to do instead, and changes nothing."""
    with pytest.raises(TypeError, match="read-only.*set_attributes"):
        write(attributes)
    assert attributes == VALUE


@pytest.mark.parametrize(
    "copied",
    [lambda d: d.copy(), copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))],
    ids=["copy()", "copy.copy", "copy.deepcopy", "pickle"],
)
def test_copies_are_plain(attributes: FrozenDict, copied: Any) -> None:
    """A copy is dicts and lists, all the way down, which can be changed."""
    mine = copied(attributes)
    assert mine == VALUE
    assert {type(each) for each in (mine, mine["address"], mine["skills"][1])} == {dict}
    assert {type(each) for each in (mine["skills"], mine["skills"][1]["level"])} == {list}
    mine["skills"][1]["level"].append(3)
    assert attributes == VALUE
    assert type(copied(attributes["skills"])) is list


def test_lists_within_lists() -> None:
    """They are read-only too, with all that is in them."""
    rows = frozen({"rows": [[{"a": 1}], 2]})["rows"]
    assert [type(rows), type(rows[0]), type(rows[0][0])] == [FrozenList, FrozenList, FrozenDict]
