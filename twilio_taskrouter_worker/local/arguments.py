"""Checks of the arguments of a LocalTaskRouter: each function returns its argument as the service takes it.

As everywhere, a value of the wrong type raises TypeError, any other invalid value ValueError; the message says what
would be valid.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from .. import _checks
from .clock import Clock
from .engine import Rules as EngineRules
from .rules import Rules
from .server.http.guard import EVERY_HOST, host_name
from .server.rules import DEFAULT_SERVICE_RULES


def port_of(port: int) -> int:
    """Return a port to listen on.

    Args:
        port: 0 to 65535; 0 takes a free one.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is out of range.
    """
    return _checks.between(0, 65535)("port", port)


def hosts_of(names: Sequence[str]) -> list[str]:
    """Return host names in lower case.

    Args:
        names: Host names without scheme and port, or ``*``.

    Raises:
        TypeError: They are not a list of strings.
        ValueError: One is invalid.
    """
    # A string is a sequence of strings too: of its letters.
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise _checks.wrong_type("allowed_hosts", "a list of host names", names)
    names = [_checks.string("A name in allowed_hosts", name) for name in names]
    for name in names:
        if name != EVERY_HOST and (host_name(name) != name.lower() or not name):
            raise ValueError(
                f"allowed_hosts takes host names without scheme and port, such as 'taskrouter', not {name!r}"
            )
    return [name.lower() for name in names]


def console_of(console: bool) -> bool:
    """Return whether there is a console.

    Args:
        console: True or False.

    Raises:
        TypeError: It is neither.
    """
    if not isinstance(console, bool):
        raise TypeError(f"console must be True or False, not {type(console).__name__}")
    return console


def seed_of(seed: int | None) -> int | None:
    """Return the seed of sids and secrets.

    Args:
        seed: The seed; None makes them random.

    Raises:
        TypeError: It is not an integer.
    """
    # Of any size: Random takes every integer.
    return None if seed is None else _checks.integer("seed", seed)


def rules_of(rules: Rules | EngineRules | None) -> Rules | None:
    """Return the switches.

    Args:
        rules: The switches of the router or of its engine only; None: those of the file, else the defaults.

    Raises:
        TypeError: It is something else.
    """
    if rules is None or isinstance(rules, Rules):
        return rules
    if isinstance(rules, EngineRules):
        return Rules.join(rules, DEFAULT_SERVICE_RULES)
    raise _checks.wrong_type("rules", "Rules or None", rules)


def clock_of(clock: Clock | Literal["real", "virtual"]) -> Clock:
    """Return the clock.

    Args:
        clock: A clock, or the kind of a new one.

    Raises:
        TypeError: It is neither a clock nor a string.
        ValueError: There is no such kind.
    """
    if isinstance(clock, Clock):
        return clock
    if not isinstance(clock, str):
        raise _checks.wrong_type("clock", "'real', 'virtual' or a Clock", clock)
    return Clock() if _checks.one_of("real", "virtual")("clock", clock) == "real" else Clock.virtual()


def event_delay_of(seconds: float) -> float:
    """Return the delay between the answer to a request and its events.

    Args:
        seconds: 0 to 1.

    Raises:
        TypeError: It is not a number.
        ValueError: It is out of range.
    """
    return _checks.seconds_between(0, 1)("event_delay", seconds)


def file_of(db: str | os.PathLike[str] | None) -> str | None:
    """Return the name of the database file.

    Args:
        db: The file; None keeps everything in memory. SQLite's special names are invalid.

    Raises:
        TypeError: It is neither a string nor a path.
        ValueError: It is not a file name.
    """
    if db is None:
        return None
    right = "the name of a file, or None to keep everything in memory"
    name = os.fspath(db) if isinstance(db, (str, os.PathLike)) else db
    if not isinstance(name, str):
        raise _checks.wrong_type("db", right, name)
    # SQLite would open a database in memory, or read the rest as options.
    if not name or name.startswith((":memory:", "file:")) or "\0" in name:
        raise ValueError(f"db must be {right}, not {db!r}")
    return name


def attributes_of(attributes: Mapping[str, Any] | None) -> str:
    """Return the attributes of a worker or task as JSON text.

    Args:
        attributes: A mapping; None: no attributes.

    Raises:
        TypeError: They are not a mapping, or contain a type that JSON does not have. The message does not quote them:
            they may be confidential.
        ValueError: They are nested too deeply, or contain a number that JSON does not have.
    """
    if attributes is None:
        return "{}"
    # Checked before: dumps alone would write NaN, and turn keys of other types into text.
    return json.dumps(_checks.json_object("attributes", attributes))


def start_time_of(start: datetime | None) -> float | None:
    """Return a virtual start time in unix seconds.

    Args:
        start: An aware datetime; None: now.

    Raises:
        TypeError: It is not a datetime.
        ValueError: It has no time zone.
    """
    if start is None:
        return None
    if not isinstance(start, datetime):
        raise _checks.wrong_type("virtual_start_time", "an aware datetime or None", start)
    if start.tzinfo is None:
        raise ValueError("virtual_start_time must be an aware datetime, such as datetime.now(timezone.utc)")
    return start.timestamp()


def reason_code_of(code: int) -> int:
    """Return the reason code of a failed call.

    Args:
        code: Any integer but 0.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is 0.
    """
    if not _checks.integer("canceled_reason_code", code):
        raise ValueError("canceled_reason_code must be a whole number other than 0, such as 13223")
    return code
