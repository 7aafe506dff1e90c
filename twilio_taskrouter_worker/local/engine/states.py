"""The states of reservations and tasks: which may follow which, and why.

The engine works from these tables: a request for a status that may not follow is refused, and ``transitions`` asserts
every change against them. The documentation renders its pages from them as well.

The invariant between the two: a task's status is derived from its open reservations and its transfer
(``transitions.derived_status``). So most changes of a task are not requested but follow from a change of a reservation.
"""

from __future__ import annotations

from collections.abc import Mapping

from .model import (
    ACCEPTED,
    ASSIGNED,
    CANCELED,
    COMPLETED,
    PENDING,
    REJECTED,
    RESCINDED,
    RESERVED,
    TIMEOUT,
    WRAPPING,
)

Table = Mapping[str, Mapping[str, str]]
"""From each status to the statuses that may follow, each with its causes."""

RESERVATION: Table = {
    PENDING: {
        ACCEPTED: "the worker accepts, or its call is connected",
        REJECTED: "the worker rejects, or becomes unavailable and rejects what is pending",
        TIMEOUT: "nobody has answered in time",
        CANCELED: "the task or its transfer is canceled or ends, or the call cannot be connected",
        RESCINDED: "another worker has accepted the task",
    },
    ACCEPTED: {
        WRAPPING: "the worker or the task wraps up, or the task is transferred COLD",
        COMPLETED: "the worker or the task completes",
    },
    WRAPPING: {COMPLETED: "the worker or the task completes"},
    REJECTED: {},
    TIMEOUT: {},
    CANCELED: {},
    RESCINDED: {},
    COMPLETED: {},
}

TASK: Table = {
    PENDING: {
        RESERVED: "a worker is found",
        # The next three: a task that is transferred to a queue where nobody is free counts as pending, although the
        # transferor still has it.
        ASSIGNED: "a transfer is canceled while the transferor has the task",
        WRAPPING: "a transfer is canceled while the transferor is wrapping up",
        COMPLETED: "a transfer ends and the transferor has completed, or the task is deleted",
        CANCELED: "its time or its workflow ends, it is canceled or deleted",
    },
    RESERVED: {
        PENDING: "no reservation is pending any more and nobody has accepted",
        ASSIGNED: "a worker accepts; or a transfer ends and the transferor has the task",
        # In the same way it counts as reserved while the transfer is offered to somebody.
        WRAPPING: "a transfer ends and the transferor is wrapping up",
        COMPLETED: "a transfer ends and the transferor has completed, or the task is deleted",
        CANCELED: "its time ends, its routing target does not take it, it is canceled or deleted",
    },
    ASSIGNED: {
        PENDING: "it is transferred to a queue where nobody is free",
        RESERVED: "it is transferred",
        WRAPPING: "the last worker who has it wraps up",
        COMPLETED: "the last worker who has it completes, or it is completed or deleted",
        CANCELED: "it is deleted",
    },
    WRAPPING: {
        COMPLETED: "the last worker completes, or it is completed or deleted",
        CANCELED: "it is deleted",
    },
    COMPLETED: {},
    CANCELED: {},
}

# During a transfer the task is reserved or pending, so that it can be canceled, but not wrapped up or completed.
TASK_REQUESTS: Mapping[str, tuple[str, ...]] = {
    CANCELED: (PENDING, RESERVED),
    WRAPPING: (ASSIGNED,),
    COMPLETED: (ASSIGNED, WRAPPING),
}
"""For each status that a request may ask for: the statuses from which it is allowed."""


def leading_to(table: Table, status: str) -> tuple[str, ...]:
    """Return the statuses from which another one may be reached in one step, in the order of the table.

    Args:
        table: :data:`RESERVATION` or :data:`TASK`.
        status: The status to reach.
    """
    return tuple(before for before, following in table.items() if status in following)
