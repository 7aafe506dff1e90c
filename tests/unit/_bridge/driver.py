"""A session machine with a clock in hand: short names for what its tests do all the time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from twilio_taskrouter_worker._bridge.actions import Action, Connect, Notify, ReadLists
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.session import Session, SessionOptions
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.timings import Timings

A = TypeVar("A")

THE_TOKENS = object()
"""The lifetime that the token itself claims, or an hour."""

INIT_PAYLOAD = {"channel_id": "WK1", "account_sid": "AC1", "workspace_sid": "WS1"}


def init_frame(lifetime_ms: object = 3_600_000) -> str:
    """The first message of a connection."""
    return json.dumps({"event_type": "init", "payload": {**INIT_PAYLOAD, "token_lifetime": lifetime_ms}})


def event_frame(number: int) -> str:
    """Some event, told apart by its number."""
    return json.dumps({"event_type": "reservation.failed", "payload": {"number": number}})


class Driver:
    """One session; time stands still unless it is told to move. Each step returns the actions it led to."""

    def __init__(self, random: Callable[[], float] = lambda: 0.0, **options: Any) -> None:
        self.session = Session(SessionOptions(client_version="9.9", **options), Timings(random=random))
        self.now = 1000.0
        self.tokens: dict[str, float | None] = {}
        """The end of each token, for what init says of it."""

    @property
    def state(self) -> State:
        return self.session.state

    def start(self, token: str = "first", lasts: float | None = None) -> list[Action]:
        self.tokens[token] = None if lasts is None else self.now + lasts
        return self.session.start(token, self.tokens[token], self.now)

    def opened(self) -> list[Action]:
        return self.session.opened(self.now)

    def frame(self, frame: str | bytes) -> list[Action]:
        return self.session.frames((frame,), self.now)

    def beat(self, at: float) -> None:
        """The peer shows that it lives."""
        self.session.frames((), at)

    def lists_read(self) -> list[Action]:
        """Read the lists: a snapshot with nothing in it."""
        return self.session.lists_read(self.session.generation, Snapshot({}, [], [], []))

    def buffered(self) -> tuple[str | bytes, ...] | None:
        """What waits for the lists."""
        return self.session.buffered(self.session.generation)

    def loaded(self) -> list[Action]:
        return self.session.loaded(self.session.generation)

    def load_failed(self, error: Any, *, final: bool = False) -> list[Action]:
        return self.session.load_failed(self.session.generation, error, final, self.now)

    def connect_failed(self, error: Any) -> list[Action]:
        return self.session.connect_failed(error, self.now)

    def closed(self, code: int | None = None, reason: str = "") -> list[Action]:
        return self.session.closed(code, reason, self.now)

    def token(self, token: str = "second", lasts: float | None = None) -> list[Action]:
        self.tokens[token] = None if lasts is None else self.now + lasts
        return self.session.token_changed(token, self.tokens[token], self.now)

    def tick(self, seconds: float = 0.0) -> list[Action]:
        """Let so much time pass, then tick once."""
        self.now += seconds
        return self.session.tick(self.now)

    def live(self, seconds: float) -> list[Action]:
        """Let so much time pass with signs of life from the peer, then tick once."""
        self.session.frames((), self.now + seconds)
        return self.tick(seconds)

    def tick_at_deadline(self) -> list[Action]:
        """Let the time pass that the machine asked for, then tick."""
        assert self.session.deadline is not None
        self.now = max(self.now, self.session.deadline)
        return self.session.tick(self.now)

    def greet(self, lifetime_ms: object = THE_TOKENS) -> list[Action]:
        """Open the socket and say init; unless told otherwise, its clock and ours agree."""
        self.opened()
        if lifetime_ms is THE_TOKENS:
            ends = self.tokens.get(self.session._tokens.tried)
            lifetime_ms = 3_600_000 if ends is None else max(0.0, (ends - self.now) * 1000)
        return self.frame(init_frame(lifetime_ms))

    def make_ready(self, lifetime_ms: object = THE_TOKENS) -> Driver:
        """From a connection under way to READY."""
        self.greet(lifetime_ms)
        self.loaded()
        assert self.state is State.READY
        return self


def only(kind: type[A], actions: list[Action]) -> A:
    """The one action of this kind."""
    (found,) = (action for action in actions if isinstance(action, kind))
    return found


def events(actions: list[Action]) -> list[str]:
    """Names of the public events among the actions."""
    return [action.event for action in actions if isinstance(action, Notify)]


def query(actions: list[Action]) -> dict[str, str]:
    """The query of the connection that is to be made."""
    return dict(only(Connect, actions).query)


def generation(actions: list[Action]) -> int:
    """The number of the connection whose lists are to be read."""
    return only(ReadLists, actions).generation
