"""Updates of reservations: a status or an instruction, from REST's two forms and from the bridge."""

from __future__ import annotations

from typing import Any

from ...engine import commands
from . import parameters
from .forms import Given, read


def reservation_command(given: Given, **where: Any) -> commands.UpdateReservation | commands.InstructReservation:
    """Return the command that an update's parameters ask for; ``where`` has the sids and the version.

    Raises:
        Rejected: they ask for nothing (400).
    """
    if "Instruction" not in given:
        return commands.UpdateReservation(**where, **read(parameters.UPDATE_RESERVATION, given))
    fields = read(parameters.INSTRUCT_RESERVATION, given)
    return commands.InstructReservation(params=dict(given), **where, **fields)
