"""The decisions that a handler of ``serve`` can return about its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from . import _checks
from .activity import Activity, check_activity

__all__ = ["Complete", "Decided", "Decision", "Reject", "Transfer", "WrapUp", "decided_by", "decision"]


@attrs.frozen
class Complete:
    """A handler's value: complete the task, as do ``None`` and a string."""

    reason: str | None = attrs.field(default=None, validator=_checks.validator(_checks.optional(_checks.string)))
    """Reason for the task. None completes the reservation alone, and with the task's last reservation the task."""


@attrs.frozen
class Reject:
    """A handler's value: give the task back, for another worker.

    An accepted reservation cannot be rejected any more, so the task is transferred to its own queue (mode ``COLD``) and
    the reservation is completed. The queue may choose this worker again, unless its activity is an unavailable one.
    """

    activity: str | Activity | None = attrs.field(
        default=None, validator=_checks.validator(_checks.optional(check_activity))
    )
    """Activity (name, sid or Activity) to take before; None: stay in the present one."""


@attrs.frozen
class WrapUp:
    """A handler's value: start wrapping up, and leave the completion of the task to another program.

    A reservation that is wrapping when a worker starts to ``serve`` is completed.
    """

    reason: str | None = attrs.field(default=None, validator=_checks.validator(_checks.optional(_checks.string)))
    """Reason for the task. None wraps the reservation up without one."""


@attrs.frozen
class Transfer:
    """A handler's value: transfer the task, and complete the reservation once the task has gone.

    To a queue in mode ``COLD`` that is at once; otherwise when the transfer completes. Where the transfer fails, the
    reservation is left as it is then: accepted (``WARM``), or wrapping (``COLD``).
    """

    to: str = attrs.field(validator=_checks.validator(_checks.non_empty))
    """Sid of the worker or queue."""
    mode: Literal["WARM", "COLD"] = attrs.field(  # pyright: ignore[reportAssignmentType] - it infers str
        default="COLD", kw_only=True, validator=_checks.validator(_checks.one_of("WARM", "COLD"))
    )
    """``WARM``: this worker stays on the task until the other side has taken it; ``COLD``: it wraps up at once."""
    priority: int | None = attrs.field(
        default=None, kw_only=True, validator=_checks.validator(_checks.optional(_checks.non_negative))
    )
    """Replaces the task's; None leaves it."""
    attributes: Mapping[str, Any] | None = attrs.field(
        default=None, kw_only=True, validator=_checks.validator(_checks.optional(_checks.json_object))
    )
    """Replace the task's; None leaves them."""


Decision = str | Complete | Reject | WrapUp | Transfer | None
"""The values that a handler may return."""

Decided = Complete | Reject | WrapUp | Transfer
"""The decisions that they are converted to."""


def decision(value: object) -> Decided:
    """Convert the return value of a handler into a decision.

    Args:
        value: The return value.

    Returns:
        The decision.

    Raises:
        TypeError: The value has another type.
    """
    if value is None or isinstance(value, str):
        return Complete(value)
    if isinstance(value, (Complete, Reject, WrapUp, Transfer)):
        return value
    raise TypeError(
        f"A handler must return None, a string, Complete, Reject, WrapUp or Transfer, not {type(value).__name__}"
    )


def decided_by(value: object, *, strict: bool) -> Decided | None:
    """Convert the return value of a callback on an executor into a decision.

    Args:
        value: The return value.
        strict: Whether a value of another type is invalid. Callbacks in this process may return the value of the call
            with which they end, such as a Future.

    Returns:
        The decision; None if the callback made none.

    Raises:
        TypeError: The value has another type.
    """
    if value is None or not (strict or isinstance(value, (str, Complete, Reject, WrapUp, Transfer))):
        return None
    return decision(value)
