"""Payloads become attributes by one table per class: what is taken, what is refused, and in what words."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools import payloads
from tests.tools.seams import schema_of
from twilio_taskrouter_worker import Activity, Channel, OutgoingTransfer, Reservation, Task, TaskQueue, WorkerInfo
from twilio_taskrouter_worker._bridge import schema
from twilio_taskrouter_worker._bridge.schema import Kind, Resource, Schema, Wire
from twilio_taskrouter_worker.errors import InvalidMessageError

SECRET = "customer's secret"


class Thing(Resource):
    """One attribute of each kind."""

    __slots__ = ()
    sid = Wire("sid", schema.TEXT)
    label = Wire("label", schema.OPTIONAL_TEXT)
    count = Wire("how_many", schema.INTEGER)
    limit = Wire("limit", schema.OPTIONAL_INTEGER)
    on = Wire("on", schema.BOOLEAN)
    flag = Wire("flag", schema.FLAG)
    version = Wire("version", schema.VERSION)
    attributes = Wire("attributes", schema.OBJECT_TEXT)
    age = Wire("age", schema.AGE)
    made = Wire("made", schema.SECONDS)
    reserved = Wire("reserved", schema.MILLISECONDS)
    note = Wire("note", schema.OPTIONAL_TEXT, required=False)
    size = Wire("size", schema.INTEGER, required=False)


GOOD: dict[str, Any] = {
    "sid": "TH1",
    "label": "a",
    "how_many": 2,
    "limit": 3,
    "on": True,
    "flag": 1,
    "version": 7,
    "attributes": '{"a": [1, {"b": null}]}',
    "age": 5,
    "made": 1767261600,
    "reserved": 1767261100318,
}


def thing(**changes: Any) -> Thing:
    return Thing(schema_of(Thing).read({**GOOD, **changes}))


def refusal(payload: Any, previous: Any = None) -> str:
    with pytest.raises(InvalidMessageError) as refused:
        schema_of(Thing).read(payload, previous)
    assert refused.value.__cause__ is None
    return refused.value.message


def test_every_kind() -> None:
    """Each attribute reads what its key carries, under its own name."""
    assert thing().to_dict() == {
        "sid": "TH1",
        "label": "a",
        "count": 2,
        "limit": 3,
        "on": True,
        "flag": True,
        "version": "7",
        "attributes": {"a": [1, {"b": None}]},
        "age": 5,
        "made": "2026-01-01T10:00:00+00:00",
        "reserved": "2026-01-01T09:51:40.318000+00:00",
        "note": None,
        "size": None,
    }


WRONG: dict[str, list[Any]] = {
    "sid": [None, 1, 1.5, True, [], {}],
    "label": [1, 1.5, False, [], {}],
    "how_many": [None, "1", 1.5, True, [], {}],
    "limit": ["1", 1.5, True, [], {}],
    "on": [None, 0, 1, "true", [], {}],
    "flag": [None, "1", 1.0, [], {}],
    "version": [None, 1.0, True, [], {}],
    "attributes": [1, 1.5, True, [], {}],
    "age": [None, "1", 1.5, True, [], {}],
    "made": [True, [], {}],
    "reserved": [True, [], {}],
    "note": [1, 1.5, True, [], {}],
    "size": ["1", 1.5, True, [], {}],
}
NAMES = {
    type(None): "null",
    int: "an integer",
    float: "a decimal number",
    bool: "a boolean",
    str: "a string",
    list: "an array",
    dict: "an object",
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_every_wrong_json_type(key: str, value: Any) -> None:
    """A value of another JSON type is refused, by key, with what it should be and what it is."""
    message = refusal({**GOOD, key: value})
    kind = next(field.kind for field in schema_of(Thing).fields if field.key == key)
    assert message == f"Thing: {key!r} must be {kind.name}; it is {NAMES[type(value)]}"


def test_a_type_that_json_does_not_have() -> None:
    """Something that never came from JSON is named by its Python type."""
    assert refusal({**GOOD, "sid": b"x"}).endswith("it is bytes")


@pytest.mark.parametrize(
    ("key", "attribute", "value", "read"),
    [
        ("label", "label", None, None),
        ("limit", "limit", None, None),
        ("made", "made", None, None),
        ("reserved", "reserved", None, None),
        ("attributes", "attributes", None, {}),
        ("attributes", "attributes", "", {}),
        ("attributes", "attributes", "{}", {}),
        ("flag", "flag", 0, False),
        ("flag", "flag", True, True),
        ("version", "version", "0012", "12"),
        ("version", "version", 0, "0"),
        ("how_many", "count", 10**30, 10**30),
        ("version", "version", 10**30, str(10**30)),
        ("made", "made", 0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
        ("made", "made", 1.5, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=timezone.utc)),
        ("made", "made", -62135596800, datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("made", "made", 253402300799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
        ("reserved", "reserved", 253402300799000, datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
        ("made", "made", "2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=timezone.utc)),
        ("reserved", "reserved", "2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=timezone.utc)),
        ("made", "made", "2026-01-01T12:30:00+02:30", datetime(2026, 1, 1, 10, tzinfo=timezone.utc)),
        ("made", "made", "2026-01-01T10:00:00.125Z", datetime(2026, 1, 1, 10, 0, 0, 125_000, tzinfo=timezone.utc)),
    ],
)
def test_what_values_mean(key: str, attribute: str, value: Any, read: Any) -> None:
    """Null, flags, versions, big numbers and both forms of dates, as Python sees them."""
    assert getattr(thing(**{key: value}), attribute) == read


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("version", "1.5", "it is not a decimal number"),
        ("version", "-1", "it is not a decimal number"),
        ("version", "", "it is not a decimal number"),
        ("version", "²", "it is not a decimal number"),
        ("version", SECRET, "it is not a decimal number"),
        ("made", 253402300800, "it is not a date between the years 1 and 9999"),
        ("made", 10**400, "it is not a date between the years 1 and 9999"),
        ("made", float("inf"), "it is not a date between the years 1 and 9999"),
        ("made", float("nan"), "it is not a date between the years 1 and 9999"),
        ("reserved", 10**30, "it is not a date between the years 1 and 9999"),
        ("made", "0001-01-01T00:00:00+14:00", "it is not a date between the years 1 and 9999"),
        ("made", "2026-01-01", "it is not a date"),
        ("made", "2026-13-45T99:99:99Z", "it is not a date"),
        ("made", "２０２６-01-01T00:00:00Z", "it is not a date"),
        ("made", "2026-01-01T00:00:00+99:99", "it is not a date"),
        ("made", SECRET, "it is not a date"),
        ("attributes", SECRET, "its text is not JSON"),
        ("attributes", f'["{SECRET}"]', "its text is not a JSON object"),
        ("attributes", "null", "its text is not a JSON object"),
        ("attributes", '{"a": NaN}', "NaN is not JSON"),
        ("attributes", '{"a": ' * 100_000, "JSON is nested too deeply"),
    ],
)
def test_values_that_cannot_be(key: str, value: Any, why: str) -> None:
    """A value of the right type that means nothing is refused with the reason."""
    kind = next(field.kind for field in schema_of(Thing).fields if field.key == key)
    assert refusal({**GOOD, key: value}) == f"Thing: {key!r} must be {kind.name}; {why}"


@pytest.mark.parametrize("payload", [None, 1, 1.5, True, "text", [], ["sid"], b"sid"])
def test_not_an_object(payload: Any) -> None:
    """Anything but an object is refused as a whole."""
    kind = "bytes" if isinstance(payload, bytes) else NAMES[type(payload)]
    assert refusal(payload) == f"Thing: expected an object, found {kind}"


def test_missing_keys_are_all_named() -> None:
    """Every required key that is missing is named, in the table's order; optional ones are not."""
    left = {key: value for key, value in GOOD.items() if key not in ("sid", "on", "made")}
    assert refusal(left) == "Thing: the payload lacks sid, on, made"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.just(SECRET), st.lists, max_leaves=3))
def test_refusals_never_quote(value: Any) -> None:
    """Whatever stands under whatever key, the error does not show it."""
    for key in GOOD:
        try:
            schema_of(Thing).read({**GOOD, key: value})
        except InvalidMessageError as error:
            assert SECRET not in str(error)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > 99_999:
                assert str(value) not in str(error)


def test_optional_keys_keep_their_value() -> None:
    """An update without an optional key, or with null, leaves what is known; a first payload without it gives None."""
    first = schema_of(Thing).read({**GOOD, "note": "n", "size": 4})
    assert Thing(schema_of(Thing).read(GOOD, first)).to_dict() == Thing(first).to_dict()
    second = schema_of(Thing).read({**GOOD, "note": None, "size": 9}, first)
    assert (Thing(second).note, Thing(second).size) == ("n", 9)
    unknown: list[Any] = [thing().note, thing().size]
    assert unknown == [None, None]


def test_types_that_passed_are_remembered_only_as_types() -> None:
    """After a good payload another of the same types is checked for its values as before."""
    thing()
    assert "not a date" in refusal({**GOOD, "made": 10**20})
    assert "null" in refusal({**GOOD, "sid": None})
    thing(label=None)
    assert "null" in refusal({**GOOD, "label": None, "how_many": None})


JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "{}", "7", "2026-01-01T10:00:00Z"])
)


@given(st.dictionaries(st.sampled_from([*GOOD, "note", "size"]), JSON, max_size=3), st.booleans())
def test_both_readers_agree(changes: dict[str, Any], updates: bool) -> None:
    """The compiled reader makes the record, or the error, that the thorough one makes."""
    things, payload = schema_of(Thing), {**GOOD, **changes}
    previous = things.read({**GOOD, "note": "n", "attributes": "{}"}) if updates else None

    def outcome(read: Callable[..., Any]) -> str:
        try:
            return repr(read(payload, previous))
        except InvalidMessageError as error:
            return str(error)

    assert outcome(things.read) == outcome(things._read_thoroughly)


def test_ordinary_payloads_are_read_once() -> None:
    """What the service sends is not left to the thorough reader, null and both forms of flags and versions included."""

    def refuse(*args: object) -> NoReturn:
        pytest.fail("it was read thoroughly")

    def reader(kind: type[Resource]) -> Callable[[Any], Any]:
        copied = Schema(kind.__name__, list(schema_of(kind).fields))
        copied._read_thoroughly = refuse  # type: ignore[assignment,method-assign]
        return copied.read

    reservation = payloads.event("reservation.created")
    reader(Reservation)(reservation)
    reader(Task)(reservation["task"])
    changes: list[dict[str, Any]] = [
        {"label": None, "made": None},
        {"flag": False, "version": "3"},
        {"note": "n", "size": 2},
    ]
    for change in changes:
        reader(Thing)({**GOOD, **change})


def test_content() -> None:
    """It is the same whatever the age and the order of keys, and another for any other change."""
    things = schema_of(Thing)

    def content(**changes: Any) -> object:
        return things.content(things.read({**GOOD, **changes}))

    assert content() == content(age=77) == things.content(things.read(dict(reversed(GOOD.items()))))
    changed = [content(label="b"), content(how_many=9), content(attributes="{}"), content(note="x")]
    assert len({content(), *changed}) == 5


def test_the_same_text_is_not_parsed_again() -> None:
    """An update whose attributes are the same text shares what was parsed of them; another text is parsed."""
    things = schema_of(Thing)
    text = '{"a": [{"b": 1}]}'
    at = things.index["attributes"]
    first = things.read({**GOOD, "attributes": text})
    assert first[at]["a"] == [{"b": 1}]
    again = things.read({**GOOD, "version": 8, "attributes": text}, first)
    assert again[at] is first[at]
    assert Thing(again).attributes == {"a": [{"b": 1}]} and Thing(again).version == "8"
    other = things.read({**GOOD, "attributes": '{"a": 2}'}, again)
    assert Thing(other).attributes == {"a": 2} and Thing(again).attributes == {"a": [{"b": 1}]}
    assert "not JSON" in refusal({**GOOD, "attributes": "{"}, again)


def test_attributes_are_read_only() -> None:
    """Setting one says whose it is to set; the class attribute is the table's entry itself."""
    with pytest.raises(AttributeError, match=r"Thing\.count is read-only: TaskRouter sets it"):
        thing().count = 4
    assert isinstance(Thing.count, Wire)
    assert (Thing.count.key, Thing.count.attribute) == ("how_many", "count")


def test_equality_goes_by_sid_and_class() -> None:
    """Two records of one sid are equal, and one entry of a set; another class never is."""

    class Other(Thing):
        __slots__ = ()

    assert thing() == thing(how_many=9)
    assert len({thing(), thing(how_many=9)}) == 1
    assert thing() != thing(sid="TH2")
    assert thing() != Other(thing()._record)
    assert thing() != "TH1"


def test_repr() -> None:
    """A repr has the sid, and the status where there is one; no attribute of a customer's."""

    class Stated(Thing):
        __slots__ = ()
        status = "open"

    assert repr(thing(attributes=json.dumps({"x": SECRET}), label=SECRET)) == "<Thing TH1>"
    assert repr(Stated(thing()._record)) == "<Stated TH1 open>"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_live_objects_are_not_copied(take: Any) -> None:
    """Pickling or copying is refused with what to do instead."""
    with pytest.raises(TypeError, match=r"use to_dict\(\) for a snapshot"):
        take(thing())


def test_a_class_without_a_table_shares_its_parents() -> None:
    """A subclass that adds nothing is checked by the same table, under its own name only where it has one."""

    class Sub(Thing):
        __slots__ = ()

    assert schema_of(Sub) is schema_of(Thing)
    assert schema_of(WorkerInfo).name == "Worker"


def test_a_kind_may_be_made_by_hand() -> None:
    """A Kind without parse and read hands out the value as it came."""

    class Bare(Resource):
        __slots__ = ()
        sid = Wire("sid", schema.TEXT)
        data: Wire[Any] = Wire("data", Kind("anything", frozenset({str, int})))

    assert Bare(schema_of(Bare).read({"sid": "B1", "data": 3})).data == 3


EXAMPLES = [
    (WorkerInfo, "rest.worker"),
    (Activity, "rest.activity"),
    (Channel, "rest.channel"),
    (Reservation, "rest.reservation"),
    (Reservation, "rest.reservation.instance"),
    (Task, "rest.task"),
    (OutgoingTransfer, "rest.transfer"),
    (OutgoingTransfer, "rest.transfer.canceled"),
    (TaskQueue, "rest.taskqueue"),
]


@pytest.mark.parametrize(("resource", "name"), EXAMPLES)
def test_examples_are_taken(resource: type[Resource], name: str) -> None:
    """Every attribute of every resource reads what the documented example carries."""
    payload = payloads.load(name)
    record = schema_of(resource).read(payload)
    for field in schema_of(resource).fields:
        value = field.read(record[field.index]) if field.read else record[field.index]
        raw = payload.get(field.key)
        if isinstance(value, datetime):
            assert value.timestamp() == pytest.approx(raw / (1000 if raw > 1e11 else 1))
        elif field.kind is schema.OBJECT_TEXT:
            assert value == json.loads(raw)
        else:
            assert value == (str(raw) if field.kind is schema.VERSION else raw)


@pytest.mark.parametrize(("resource", "name"), EXAMPLES)
def test_examples_with_a_key_less(resource: type[Resource], name: str) -> None:
    """Each required key of each resource is missed by name, when it is not there."""
    payload = payloads.load(name)
    for field in schema_of(resource).fields:
        less = {key: value for key, value in payload.items() if key != field.key}
        if field.required:
            with pytest.raises(InvalidMessageError, match=f"lacks {field.key}$"):
                schema_of(resource).read(less)
        else:
            schema_of(resource).read(less)
