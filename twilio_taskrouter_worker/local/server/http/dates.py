"""Dates in REST: ISO 8601 in UTC, without a fraction."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_WITHOUT_ZONE = datetime(1970, 1, 1)  # noqa: DTZ001 - its text is wanted without "+00:00"
# datetime.fromisoformat() takes "Z" and fractions of any length only from Python 3.11 on, so they are parsed here.
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def iso(moment: float | None) -> str | None:
    """Return a moment as text; None stays None.

    Args:
        moment: Unix seconds.
    """
    if moment is None:
        return None
    # Not utcfromtimestamp: it cannot go before 1970 everywhere, and virtual start times may.
    return (_EPOCH_WITHOUT_ZONE + timedelta(seconds=int(moment // 1))).isoformat() + "Z"


def from_iso(text: str) -> float:
    """Return the unix seconds of an ISO 8601 text; a date without time is its first moment, without zone it is UTC.

    Args:
        text: The text.

    Raises:
        ValueError: The text is something else.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError("not an ISO 8601 date")
    day, clock, fraction, zone = match.groups()
    clock = clock or "00:00"
    zone = "+00:00" if zone in (None, "Z") else zone
    if ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    moment = datetime.fromisoformat(f"{day}T{clock}{zone}")
    return (moment - _EPOCH).total_seconds() + (float(fraction) if fraction else 0.0)
