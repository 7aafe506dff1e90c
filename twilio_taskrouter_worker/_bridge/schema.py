"""Conversion of JSON payloads to the attributes of objects.

A resource class lists its attributes once, each as a :class:`Wire` that names the key in the payload and its
:class:`Kind`. That list is the table: it checks payloads on arrival, and it reads attributes. A checked payload is
kept as a tuple, in the order of the list, and an update swaps the whole tuple: an object is never half updated, and a
refused payload leaves it as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from functools import cached_property
from operator import itemgetter
from typing import Any, ClassVar, Generic, TypeVar, cast, overload

import attrs

from .._display.tables import Description, Table
from .._frozen import frozen
from .._json import loads
from ..errors import ForkedProcessError, InvalidMessageError, NotReadyError

__all__ = ["Kind", "Record", "Resource", "Schema", "Wire"]

T = TypeVar("T")
Record = tuple[Any, ...]
"""The values of a payload, in the order of its class's table; and last, where one of them is a version, the tuple of
the raw values, see ``Schema.content``."""

# The range of datetime.
_FIRST_SECOND = -62135596800  # 0001-01-01T00:00:00Z
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", re.ASCII)


@attrs.frozen
class Kind(Generic[T]):
    """A JSON type, and its representation in Python."""

    name: str
    """In words, for error messages."""

    types: frozenset[type]
    """The exact Python types that the JSON parser gives for it."""

    parse: Callable[[Any], Any] | None = None
    """Runs once, on arrival; raises ValueError for an invalid value of the right type."""

    read: Callable[[Any], T] | None = None
    """Runs at each access; None hands out the parsed value as it is."""

    plain: type | None = None
    """Values of exactly this type are not changed by ``parse``."""

    ranged: bool = False
    """Those have to be integers within the range of dates."""

    fleeting: bool = False
    """It differs from message to message without anything having changed."""


def _object_text(text: str | None) -> dict[str, Any]:
    # Null and the empty string stand for no attributes; ``{}``, the most frequent text, needs no parser.
    if not text or text == "{}":
        return {}
    value = loads(text)
    if not isinstance(value, dict):
        raise ValueError("its text is not a JSON object")
    return value


def _decimal(value: int | str) -> int:
    # ``isdigit`` alone accepts superscripts and other digits.
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("it is not a decimal number")
    return int(value)


def _instant(value: float | str | None, scale: int) -> float | None:
    """Seconds since the epoch; the Workspace resources have been seen with ISO dates where others have integers."""
    if value is None:
        return None
    if isinstance(value, str):
        value, scale = _iso_seconds(value), 1
    if not _FIRST_SECOND * scale <= value <= _LAST_SECOND * scale:
        raise ValueError("it is not a date between the years 1 and 9999")
    return value if scale == 1 else value / scale


def _iso_seconds(text: str) -> float:
    if _ISO_DATE.fullmatch(text):
        try:
            return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        except ValueError:
            # Its message would quote the text.
            pass
    raise ValueError("it is not a date")


def _seconds(value: float | str | None) -> float | None:
    return _instant(value, 1)


def _milliseconds(value: float | str | None) -> float | None:
    return _instant(value, 1000)


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


_none = type(None)
_dates: frozenset[type] = frozenset({int, float, str, _none})

TEXT: Kind[str] = Kind("a string", frozenset({str}))
OPTIONAL_TEXT: Kind[str | None] = Kind("a string or null", frozenset({str, _none}))
INTEGER: Kind[int] = Kind("an integer", frozenset({int}))
OPTIONAL_INTEGER: Kind[int | None] = Kind("an integer or null", frozenset({int, _none}))
BOOLEAN: Kind[bool] = Kind("a boolean", frozenset({bool}))
FLAG: Kind[bool] = Kind("a boolean, 0 or 1", frozenset({bool, int}), parse=bool, plain=bool)
VERSION: Kind[str] = Kind("an integer", frozenset({int, str}), parse=_decimal, read=str, plain=int)
# Frozen when it is read, not on arrival: the attributes of most events are never read.
OBJECT_TEXT: Kind[Mapping[str, Any]] = Kind(
    "the JSON text of an object", frozenset({str, _none}), parse=_object_text, read=frozen
)
AGE: Kind[int] = Kind("an integer", frozenset({int}), fleeting=True)
SECONDS: Kind[datetime | None] = Kind("a date in seconds", _dates, parse=_seconds, read=_utc, plain=int, ranged=True)
MILLISECONDS: Kind[datetime | None] = Kind("a date in milliseconds", _dates, parse=_milliseconds, read=_utc)


class Wire(Generic[T]):
    """One attribute: the payload's key, its kind, and whether the key has to be there.

    An optional key that an update lacks keeps its value, and is None before it was ever seen. All attributes of a
    resource stand in one class: a subclass inherits them, but adds none.
    """

    __slots__ = ("attribute", "index", "key", "kind", "read", "required")

    def __init__(self, key: str, kind: Kind[T], *, required: bool = True) -> None:
        self.key: str = key
        self.kind: Kind[T] = kind
        self.required: bool = required
        self.read: Callable[[Any], T] | None = kind.read
        self.attribute: str = key
        self.index: int = -1

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    @overload
    def __get__(self, instance: None, owner: type) -> Wire[T]: ...
    @overload
    def __get__(self, instance: Resource, owner: type) -> T: ...
    def __get__(self, instance: Resource | None, owner: type) -> Wire[T] | T:
        if instance is None:
            return self
        value = instance._record[self.index]
        read = self.read
        return value if read is None else read(value)

    def of(self, record: Record) -> T:
        """Return the attribute's value in a record."""
        value = record[self.index]
        return value if self.read is None else self.read(value)

    def __set__(self, instance: Resource, value: T) -> None:
        raise AttributeError(f"{type(instance).__name__}.{self.attribute} is read-only: TaskRouter sets it")


_READER = """
def read(payload, previous=None):
    try:
        raw = values(payload){optional}
        {names} = raw
        if {tests}:
            known = {known}
            {steps}
            return ({names}{raw})
    except (KeyError, TypeError, IndexError, ValueError):
        pass
    return read_thoroughly(payload, previous)
"""


class Schema:
    """All :class:`Wire` attributes of one class, as a check of payloads."""

    def __init__(self, name: str, fields: list[Wire[Any]]) -> None:
        self.name = name
        # Required ones first, so that one ``itemgetter`` fetches them in the order of the record.
        self.fields = [f for f in fields if f.required] + [f for f in fields if not f.required]
        for index, field in enumerate(self.fields):
            field.index = index
        self.index = {field.attribute: field.index for field in self.fields}
        required = [f.key for f in self.fields if f.required]
        self._required = required
        self._optional = [f.key for f in self.fields if not f.required]
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*required)
        self._has_version = "version" in self.index
        self._lasting = itemgetter(*(f.index for f in self.fields if not f.kind.fleeting))

    @cached_property
    def read(self) -> Callable[..., Record]:
        """Validate a payload.

        One expression tests all values: a loop over the table takes twice as long, for each event. So this function is
        compiled from the table when it is first used; whatever is unusual in a payload is left to the loop.

        Args:
            payload: The payload.
            previous: The known record, from which missing optional values are taken, and parsed ones where the raw ones
                are the same; None leaves the optional ones None.

        Returns:
            The record.

        Raises:
            InvalidMessageError: The payload is invalid; the text has the key and the reason, never a value.
        """
        steps = [step for field in self.fields for step in self._steps(field)]
        source = _READER.format(
            optional=" + tuple(map(payload.get, optional))" if self._optional else "",
            names=", ".join(_name(field) for field in self.fields),
            tests=" and ".join(f"({_test(field)})" for field in self.fields),
            steps="\n            ".join(steps) or "pass",
            known="previous and previous[-1]" if self._has_version else "None",
            raw=", raw" if self._has_version else "",
        )
        names: dict[str, Any] = {f"parse_{_name(f)}": f.kind.parse for f in self.fields}
        names.update(values=self._values, optional=self._optional, read_thoroughly=self._read_thoroughly)
        exec(compile(source, f"<reader of {self.name}>", "exec"), names)
        return cast("Callable[..., Record]", names["read"])

    def _steps(self, field: Wire[Any]) -> Iterator[str]:
        """Yield the statements that make the record's value from the raw one."""
        name, kind = _name(field), field.kind
        if kind.parse is not None and not kind.ranged:
            if kind.plain is not None:
                same, value = f"type({name}) is {kind.plain.__name__}", name
            else:
                # Attributes, which most events of a task leave as they were.
                same, value = f"known and {name} == known[{field.index}]", f"previous[{field.index}]"
            yield f"{name} = {value} if {same} else parse_{name}({name})"
        if not field.required:
            yield f"{name} = previous[{field.index}] if previous and {name} is None else {name}"

    def _read_thoroughly(self, payload: Any, previous: Record | None) -> Record:
        try:
            raw = self._values(payload)
            raw += tuple(map(payload.get, self._optional))
        # Lists, strings and numbers fail with one of these too.
        except (KeyError, TypeError, IndexError):
            raise self._missing(payload) from None
        self._check(raw)
        values = list(raw)
        for field in self.fields:
            if field.kind.parse is not None:
                try:
                    values[field.index] = field.kind.parse(raw[field.index])
                except ValueError as error:
                    raise self._refused(field, self._reason(error)) from None
            if previous is not None and not field.required and values[field.index] is None:
                values[field.index] = previous[field.index]
        return (*values, raw) if self._has_version else tuple(values)

    def content(self, record: Record) -> object:
        """Return all that makes two payloads of one version the same.

        Args:
            record: A record of this schema, which has a version.

        Returns:
            A value that is equal for the same content.
        """
        return self._lasting(record[-1])

    def _check(self, values: tuple[Any, ...]) -> None:
        for field, value in zip(self.fields, values, strict=True):
            # Exact types: a bool would pass as an int.
            if type(value) not in field.kind.types and not (value is None and not field.required):
                raise self._refused(field, f"it is {_json_type(value)}")

    def _missing(self, payload: Any) -> InvalidMessageError:
        if not isinstance(payload, dict):
            return InvalidMessageError(f"{self.name}: expected an object, found {_json_type(payload)}")
        keys = ", ".join(key for key in self._required if key not in payload)
        return InvalidMessageError(f"{self.name}: the payload lacks {keys}")

    def _refused(self, field: Wire[Any], why: str) -> InvalidMessageError:
        return InvalidMessageError(f"{self.name}: {field.key!r} must be {field.kind.name}; {why}")

    @staticmethod
    def _reason(error: ValueError) -> str:
        """Our own sentences, but never a parser's: those can quote the text, which is a customer's."""
        return str(error) if type(error) is ValueError else "its text is not JSON"


def _name(field: Wire[Any]) -> str:
    return f"v{field.index}"


def _test(field: Wire[Any]) -> str:
    """The expression that is true for all ordinary values of a field."""
    name, kind = _name(field), field.kind
    if kind.ranged:
        return f"{name} is None or type({name}) is int and {_FIRST_SECOND} <= {name} <= {_LAST_SECOND}"
    # Exact types: a bool would pass as an int.
    tests = [f"type({name}) is {each.__name__}" for each in kind.types - {_none}]
    if _none in kind.types or not field.required:
        tests.append(f"{name} is None")
    return " or ".join(tests)


def _json_type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


class Resource:
    """An object whose attributes come from payloads.

    Equality and hash go by ``sid``. Attributes are read-only and may be read on any thread.
    """

    __slots__ = ("__weakref__", "_record")
    _schema: ClassVar[Schema]
    _columns: ClassVar[tuple[str, ...]] = ("sid",)
    """The attributes that a table of several shows."""
    _record: Record

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields = [value for value in vars(cls).values() if isinstance(value, Wire)]
        if fields:
            cls._schema = Schema(cls.__name__.removesuffix("Fields"), fields)

    def __init__(self, record: Record) -> None:
        self._record = record

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self._sid() == other._sid())

    def __hash__(self) -> int:
        return hash(self._sid())

    def _sid(self) -> Any:
        return self._record[self._schema.index["sid"]]

    def _own(self, record: Record) -> Record:
        """Return the record if it belongs to this object.

        Raises:
            InvalidMessageError: It belongs to another one.
        """
        sid = self._schema.index["sid"]
        if record[sid] != self._record[sid]:
            raise InvalidMessageError(f"{self._schema.name}: the payload is about another one, with another sid")
        return record

    def __repr__(self) -> str:
        try:
            shown = self._shown()
        except ForkedProcessError:
            shown = f"{self._sid()} of another process"
        return f"<{type(self).__name__} {shown}>"

    def _shown(self) -> str:
        """Return the description in ``repr``."""
        status = getattr(self, "status", None)
        return f"{self._sid()}{'' if status is None else ' ' + status}"

    def show(self, *, attributes: bool = False) -> Description:
        """Describe the object as it is now: a table in a notebook, aligned text with ``print()``.

        Does not block, and sends no request.

        Args:
            attributes: Whether to include JSON attributes, which are the customers' data. A notebook that is saved
                keeps its output.

        Returns:
            The description.

        Raises:
            NotReadyError: The worker has not been ready yet.
            ForkedProcessError: The worker was connected in the parent process.
        """
        # Read once, here and below: another thread may replace it, and the values belong together.
        record = self._record
        rows = [
            (field.attribute, field.of(record))
            for field in self._schema.fields
            if attributes or field.kind is not OBJECT_TEXT
        ]
        return Description((Table(f"{type(self).__name__} {self._shown()}", (), rows),))

    def _repr_html_(self) -> str | None:
        try:
            return self.show()._repr_html_()
        except (ForkedProcessError, NotReadyError):
            return None  # the notebook shows the repr

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied, as the copy would be out of date; use to_dict() for "
            "a snapshot"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a snapshot of all attributes as plain data: safe for JSON and pickle, dates as ISO 8601 in UTC.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        record = self._record
        return {field.attribute: _plain(field.of(record)) for field in self._schema.fields}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
