"""What the library takes from the machine it runs on, replaced for the length of one simulation.

The library's modules name their clock, their threads and their sources of randomness as globals; here each gets the
world's. Nothing else of them is changed: the code under test is the code that is shipped.
"""

from __future__ import annotations

import datetime
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from jwt import api_jwt

from twilio_taskrouter_worker import tokens
from twilio_taskrouter_worker._bridge import calls, connection, connections, futures, threads
from twilio_taskrouter_worker.local import opening, pacing, snapshots

__all__ = ["ClockOf", "replaced"]

PACKAGE = "twilio_taskrouter_worker"
SNAPSHOT_DISTANCE = 150
"""Journal entries between two snapshots: few, so that short simulations restore them too."""


class ClockOf:
    """Stands for the module ``time`` on one machine.

    Args:
        monotonic: Returns the monotonic time.
        wall: Returns the time of day, which may jump.
    """

    CLOCK_MONOTONIC = time.CLOCK_MONOTONIC

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self.monotonic = self.perf_counter = monotonic
        self.time = wall

    def clock_gettime(self, clock: int) -> float:
        return self.monotonic()

    def thread_time(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing may block in a simulation")


def _places(original: object) -> list[tuple[Any, str]]:
    """Every module of the package that has this object as a global, and its name there."""
    return [
        (module, name)
        for module_name, module in sorted(sys.modules.items())
        if module_name.startswith(PACKAGE) and module is not threads
        for name, value in list(vars(module).items())
        if value is original
    ]


_of_package: dict[int, list[tuple[Any, str]]] = {}


def _everywhere(original: object) -> list[tuple[Any, str]]:
    found = _of_package.get(id(original))
    if found is None:
        found = _of_package[id(original)] = _places(original)
    return found


_decoded = lru_cache(maxsize=64)(tokens.decode_unverified)


def _claims_of(token: str) -> dict[str, Any]:
    """As the library's, which decodes a token each time it looks at it: a sixth of the time of a simulation."""
    return dict(_decoded(token))


@contextmanager
def replaced(
    *,
    client: ClockOf,
    service: ClockOf,
    pool: object,
    timers: object,
    source: random.Random,
    dispatcher: object,
    receiver: object,
    call: object,
    exchange: object,
    store: object,
) -> Iterator[None]:
    """Replace what the library takes from its machine, for the length of a ``with`` block.

    Args:
        client: The clock of the machine that the clients run on.
        service: The clock of the service's machine.
        pool: Runs the jobs of the clients' pool threads.
        timers: Runs the clients' timers.
        source: The one source of randomness.
        dispatcher: The class of dispatch threads.
        receiver: The class of receive threads.
        call: The class of calls.
        exchange: The class of HTTP exchanges.
        store: Opens the service's file.
    """

    class Datetime(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Datetime:
            return cls.fromtimestamp(service.time(), tz)

    # In each module that imported a name: replacing it at its origin alone would miss those that have their own
    # reference.
    wanted: list[tuple[Any, str, object]] = [
        *(
            (module, name, service if f"{PACKAGE}.local" in module.__name__ else client)
            for module, name in _everywhere(time)
        ),
        *((*place, pool) for place in _everywhere(threads.POOL)),
        *((*place, timers) for place in _everywhere(threads.TIMERS)),
        *((*place, lambda *_: None) for place in _everywhere(threads.drain_all)),
        *((*place, lambda: None) for place in _everywhere(connections.distrust_idle)),
        *((*place, _claims_of) for place in _everywhere(tokens.decode_unverified)),
        (calls, "random", source),
        # The proxies and CA files of this machine mean nothing on a simulated network.
        (calls, "settings_for", lambda url: None),
        (calls, "_Call", call),
        (calls, "Exchange", exchange),
        (connection, "Dispatcher", dispatcher),
        (connection, "Receiver", receiver),
        (futures, "CALLBACKS_AT_MOST", 1.0),
        (opening, "Store", store),
        (pacing, "DISTANCE", SNAPSHOT_DISTANCE),
        (snapshots, "KEPT_EVENTS", SNAPSHOT_DISTANCE),
        (snapshots, "KEPT_FACTS", 0),
        # PyJWT reads the time of day from datetime, and not from time as this package does.
        (api_jwt, "datetime", Datetime),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    for module, name, value in wanted:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in originals:
            setattr(module, name, value)
