"""The states of a connection, and the table by which it moves from one to another. Pure.

The session runs from this table: a step that a state does not list changes nothing there.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

__all__ = ["CONNECTED", "IDENTIFIED", "TRANSITIONS", "State", "Step"]


class State(enum.Enum):
    """The state of the connection."""

    IDLE = "idle"
    CONNECTING = "connecting"
    GREETING = "waiting for init"
    LOADING = "reading the worker's lists"
    READY = "ready"
    BACKING_OFF = "waiting to reconnect"
    PAUSED = "waiting for a new token"
    CLOSED = "closed"


class Step(enum.Enum):
    """An event that changes the state."""

    CONNECT = "a websocket is to be opened"
    OPEN = "the websocket is open"
    GREET = "init came"
    LOAD = "the lists are taken over"
    LOSE = "the websocket was lost, or could not be opened"
    REFUSE = "there is no token, or the service refused it"
    END = "stopped, or beyond help"


TRANSITIONS: Mapping[State, Mapping[Step, State]] = {
    State.IDLE: {Step.CONNECT: State.CONNECTING, Step.REFUSE: State.PAUSED, Step.END: State.CLOSED},
    State.CONNECTING: {
        Step.OPEN: State.GREETING,
        Step.LOSE: State.BACKING_OFF,
        Step.REFUSE: State.PAUSED,
        # The token was refused, and another one came while the refusal was on its way.
        Step.CONNECT: State.CONNECTING,
        Step.END: State.CLOSED,
    },
    State.GREETING: {Step.GREET: State.LOADING, Step.LOSE: State.BACKING_OFF, Step.END: State.CLOSED},
    State.LOADING: {
        Step.LOAD: State.READY,
        Step.LOSE: State.BACKING_OFF,
        # The requests for the lists were refused for the token; as while connecting.
        Step.REFUSE: State.PAUSED,
        Step.CONNECT: State.CONNECTING,
        Step.END: State.CLOSED,
    },
    # No REFUSE: an open websocket keeps the token that it was opened with until the service closes it.
    State.READY: {Step.LOSE: State.BACKING_OFF, Step.END: State.CLOSED},
    State.BACKING_OFF: {Step.CONNECT: State.CONNECTING, Step.END: State.CLOSED},
    # No delay leads out of here, only another token.
    State.PAUSED: {Step.CONNECT: State.CONNECTING, Step.END: State.CLOSED},
    State.CLOSED: {},
}
"""All transitions of a connection: by state and step, the next state."""

CONNECTED = frozenset({State.GREETING, State.LOADING, State.READY})
IDENTIFIED = frozenset({State.LOADING, State.READY})
