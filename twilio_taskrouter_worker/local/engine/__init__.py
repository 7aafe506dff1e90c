"""The routing engine: pure and deterministic, commands in, events out.

    engine = Engine(account_sid="AC...", seed=1)
    outcome = engine.apply(commands.CreateWorkspace(friendly_name="Support", template="FIFO"), now=0.0)
    outcome.result      # the Workspace
    outcome.events      # what happened, in order

It has no clock, no thread and no I/O: each command is applied at a given time, and the caller asks ``next_deadline()``
when to apply ``AdvanceTime``. The same journal, seed and rules give the same state, byte for byte.
"""

from __future__ import annotations

from . import commands, events, model
from .commands import UNSET, Unset
from .core.sids import canonical
from .engine import Engine, Outcome
from .errors import Rejected
from .events import BRIDGE_EVENTS, LOG_EVENTS, Event
from .journal import JournalEntry
from .routing.verdicts import Explanation
from .rules import DEFAULT_RULES, Rules

__all__ = [
    "BRIDGE_EVENTS",
    "DEFAULT_RULES",
    "LOG_EVENTS",
    "UNSET",
    "Engine",
    "Event",
    "Explanation",
    "JournalEntry",
    "Outcome",
    "Rejected",
    "Rules",
    "Unset",
    "canonical",
    "commands",
    "events",
    "model",
]
