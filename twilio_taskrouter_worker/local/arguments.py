"""Checks of the arguments of a LocalTaskRouter: each function returns its argument as the service takes it.

All raise ValueError for an invalid argument; the message names a valid one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

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
        ValueError: it is invalid.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port must be an integer from 0 to 65535, not {port!r}.")
    return port


def hosts_of(names: Sequence[str]) -> list[str]:
    """Return host names in lower case.

    Args:
        names: host names without scheme and port, or ``*``.

    Raises:
        ValueError: one is invalid.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"allowed_hosts must be a list of host names, not {names!r}.")
    for name in names:
        if name != EVERY_HOST and (host_name(name) != name.lower() or not name):
            raise ValueError(
                f"allowed_hosts takes host names without scheme and port, such as 'taskrouter', not {name!r}."
            )
    return [name.lower() for name in names]


def seed_of(seed: int | None) -> int | None:
    """Return the seed of sids and secrets.

    Args:
        seed: the seed; None makes them random.

    Raises:
        ValueError: it is not an integer.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ValueError(f"seed must be an integer or None, not {seed!r}.")
    return seed


def rules_of(rules: Rules | EngineRules | None) -> Rules | None:
    """Return the switches.

    Args:
        rules: the switches of the router or of its engine only; None: those of the file, else the defaults.

    Raises:
        ValueError: it is something else.
    """
    if rules is None or isinstance(rules, Rules):
        return rules
    if isinstance(rules, EngineRules):
        return Rules.join(rules, DEFAULT_SERVICE_RULES)
    raise ValueError(f"rules must be Rules or None, not {type(rules).__name__}.")


def clock_of(clock: Clock | Literal["real", "virtual"]) -> Clock:
    """Return the clock.

    Args:
        clock: a clock, or the kind of a new one.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(clock, Clock):
        return clock
    if clock == "real":
        return Clock()
    if clock == "virtual":
        return Clock.virtual()
    raise ValueError(f"clock must be 'real', 'virtual' or a Clock, not {clock!r}.")


def event_delay_of(seconds: float) -> float:
    """Return the delay between the answer to a request and its events.

    Args:
        seconds: 0 to 1.

    Raises:
        ValueError: it is out of range.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 1:
        raise ValueError(f"event_delay must be a number of seconds from 0 to 1, not {seconds!r}.")
    return float(seconds)


def file_of(db: str | os.PathLike[str] | None) -> str | None:
    """Return the name of the database file.

    Args:
        db: the file; None keeps everything in memory. SQLite's special names are invalid.

    Raises:
        ValueError: it is not a file name.
    """
    if db is None:
        return None
    name = os.fspath(db) if isinstance(db, (str, os.PathLike)) else None
    if not isinstance(name, str) or not name or name.startswith((":memory:", "file:")) or "\0" in name:
        raise ValueError(f"db must be the name of a file, or None to keep everything in memory, not {db!r}.")
    return name


def attributes_of(attributes: Mapping[str, Any] | None) -> str:
    """Return the attributes of a worker or task as JSON text.

    Args:
        attributes: a mapping; None: no attributes.

    Raises:
        ValueError: they are not JSON. The message does not quote them: they may be confidential.
    """
    if attributes is None:
        return "{}"
    if not isinstance(attributes, Mapping):
        raise ValueError(f"attributes must be a mapping, not {type(attributes).__name__}.")
    try:
        return json.dumps(dict(attributes), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The attributes are not JSON: {error}.") from None
    except RecursionError:
        raise ValueError("The attributes are nested too deeply.") from None


def start_time_of(start: datetime | None) -> float | None:
    """Return a virtual start time in unix seconds.

    Args:
        start: an aware datetime; None: now.

    Raises:
        ValueError: it has no time zone.
    """
    if start is None:
        return None
    if start.tzinfo is None:
        raise ValueError("virtual_start_time must be an aware datetime, such as datetime.now(timezone.utc).")
    return start.timestamp()


def reason_code_of(code: int) -> int:
    """Return the reason code of a failed call.

    Args:
        code: any integer but 0.

    Raises:
        ValueError: it is invalid.
    """
    if isinstance(code, bool) or not isinstance(code, int) or not code:
        raise ValueError(f"canceled_reason_code must be an integer other than 0, such as 13223, not {code!r}.")
    return code
