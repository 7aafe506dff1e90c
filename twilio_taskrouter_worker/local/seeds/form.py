"""The form of a seed document: its keys, and the types of their values.

The engine checks the meaning of values (expressions, limits); the checks here need no engine. They are written by hand,
because their messages name the path, the value and the valid alternative, and because they add no dependency.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..._nearest import nearest
from ...errors import SeedError

FORMAT = 1
"""Increased when an older version would misread a document of the new form."""

Check = Callable[[Any, str], None]
"""Checks a value at a path."""


def check(document: Any) -> dict[str, Any]:
    """Return a document if it has the form of a seed document, or is the configuration of a workflow.

    Args:
        document: Parsed JSON or YAML.

    Raises:
        SeedError: It has another form; the message has the path, the value and the valid alternative.
    """
    if not isinstance(document, Mapping):
        raise SeedError(f"the document must be a mapping with the key 'workspaces', not {shown(document)}")
    # A configuration exported from a live account is accepted in place of a seed document.
    if "task_routing" in document:
        _json_object(document, "")
        return dict(document)
    _DOCUMENT(document, "")
    given = document.get("format", FORMAT)
    if given != FORMAT:
        raise SeedError(f"format: this version reads format {FORMAT}, not {shown(given)}")
    return dict(document)


def shown(value: Any) -> str:
    """Return a value as a message shows it: scalars as they are, others by their kind.

    Args:
        value: Any value of a parsed document; long strings are cut off.
    """
    if value is None:
        return "null"
    # As in JSON and YAML, not as in Python.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:60]}...")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a {type(value).__name__}"


def among(value: Any, known: Iterable[Any]) -> str:
    """Return the end of a message about an unknown name: the closest valid name, and the valid names.

    Args:
        value: The unknown name.
        known: The valid names; at most 20 are listed.
    """
    names = [str(name) for name in known]
    # Only the closest name: more would hide it.
    close = nearest(str(value), names)
    listed = f"here are {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}" if names else "here are none"
    return f"did you mean {close!r}? T{listed}" if close else f"t{listed}"


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise SeedError(f"{path}: must be a string, not {shown(value)}{_quoting(value)}")


def _quoting(value: Any) -> str:
    plain = value is None or isinstance(value, (Mapping, list))
    return "" if plain else " (in YAML, put it in quotes)"


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise SeedError(f"{path}: must be true or false, not {shown(value)}")


def _integer(value: Any, path: str) -> None:
    # A boolean is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int):
        raise SeedError(f"{path}: must be a whole number, not {shown(value)}")


def _json(value: Any, path: str) -> None:
    """Check that a value is valid JSON; YAML has types, such as dates, that are not."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise SeedError(f"{path}: the key {shown(key)} must be a string (in YAML, put it in quotes)")
            _json(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _json(inner, f"{path}[{index}]")
    # YAML has .nan and .inf.
    elif isinstance(value, float) and not math.isfinite(value):
        raise SeedError(f"{path}: must be a JSON value, which {value!r} is not")
    elif value is not None and not isinstance(value, (str, int, float)):
        raise SeedError(f"{path}: must be a JSON value, not {shown(value)} (in YAML, put it in quotes)")


def _json_object(value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise SeedError(f"{path}: must be a mapping, not {shown(value)}")
    try:
        _json(value, path)
    # Neither parser limits the depth of a document.
    except RecursionError:
        raise SeedError(f"{path}: is nested too deeply") from None


def _configuration(value: Any, path: str) -> None:
    """Check a configuration: a mapping, or the JSON text of one, as in REST."""
    if not isinstance(value, str):
        _json_object(value, path)


def _optional(inner: Check) -> Check:
    def check_it(value: Any, path: str) -> None:
        # null counts as absent.
        if value is not None:
            inner(value, path)

    return check_it


def _list(inner: Check) -> Check:
    def check_it(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise SeedError(f"{path}: must be a list, not {shown(value)}")
        for index, each in enumerate(value):
            inner(each, f"{path}[{index}]")

    return check_it


def _by_name(inner: Check) -> Check:
    def check_it(value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise SeedError(f"{path}: must be a mapping from names, not {shown(value)}")
        for name, each in value.items():
            # YAML reads an unquoted 1 or yes as something other than text.
            _text(name, f"{path}, key {shown(name)}")
            inner(each, f"{path}.{name}")

    return check_it


def _object(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    def check_it(value: Any, path: str) -> None:
        # The path of the document itself is empty.
        place = f"{path}: " if path else ""
        if not isinstance(value, Mapping):
            raise SeedError(f"{place}must be a mapping, not {shown(value)}")
        for key, each in value.items():
            if key not in fields:
                raise SeedError(f"{place}unknown key {shown(key)}; {among(key, fields)}")
            fields[key](each, f"{path}.{key}" if path else str(key))
        for key in required:
            if key not in value:
                raise SeedError(f"{place}the key {key!r} is missing")

    return check_it


def _one_of(fields: Mapping[str, Check]) -> Check:
    check_object = _object(fields)

    def check_it(value: Any, path: str) -> None:
        check_object(value, path)
        # The keys themselves were checked above.
        if len(value) != 1:
            raise SeedError(f"{path}: must have exactly one of the keys {', '.join(fields)}, not {len(value)}")

    return check_it


# The form, from the inside out: an object is defined before the one that contains it.
_ACTIVITY = _object({"friendly_name": _text, "available": _boolean}, ("friendly_name",))
_TASK_CHANNEL = _object(
    {"unique_name": _text, "friendly_name": _text, "channel_optimized_routing": _boolean}, ("unique_name",)
)
_TASK_QUEUE = _object(
    {
        "friendly_name": _text,
        "sid": _text,
        "target_workers": _optional(_text),
        "max_reserved_workers": _integer,
        "task_order": _text,
        "reservation_activity": _optional(_text),
        "assignment_activity": _optional(_text),
    },
    ("friendly_name",),
)
_WORKFLOW = _object(
    {
        "friendly_name": _text,
        "configuration": _configuration,
        "assignment_callback_url": _optional(_text),
        "fallback_assignment_callback_url": _optional(_text),
        "task_reservation_timeout": _integer,
    },
    ("friendly_name", "configuration"),
)
_WORKER = _object(
    {
        "friendly_name": _text,
        "activity": _text,
        "attributes": _json_object,
        "channels": _by_name(_object({"capacity": _integer, "available": _boolean})),
    },
    ("friendly_name",),
)
_TASK = _object(
    {
        "attributes": _json_object,
        "workflow": _optional(_text),
        "task_channel": _text,
        "priority": _integer,
        "timeout": _integer,
        "routing_target": _optional(_one_of({"worker": _text, "task_queue": _text, "workflow": _text})),
        "ignore_capacity": _optional(_boolean),
        "task_queue": _optional(_text),
        "virtual_start_time": _text,
    }
)
_WORKSPACE = _object(
    {
        "friendly_name": _text,
        "event_callback_url": _optional(_text),
        "events_filter": _optional(_text),
        "multi_task_enabled": _boolean,
        "prioritize_queue_order": _text,
        "default_activity": _text,
        "timeout_activity": _text,
        "activities": _list(_ACTIVITY),
        "task_channels": _list(_TASK_CHANNEL),
        "task_queues": _list(_TASK_QUEUE),
        "workflows": _list(_WORKFLOW),
        "workers": _list(_WORKER),
        "tasks": _list(_TASK),
    },
    ("friendly_name",),
)
_DOCUMENT = _object({"format": _integer, "workspaces": _list(_WORKSPACE)}, ("workspaces",))
