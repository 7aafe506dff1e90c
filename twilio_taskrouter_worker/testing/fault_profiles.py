"""Faults that programs meet in the field, by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import StateError

if TYPE_CHECKING:
    from ..local import LocalTaskRouter

__all__ = ["FAULT_PROFILES", "fault_profile"]


def _laptop_sleep(router: LocalTaskRouter, stack: ExitStack) -> None:
    # A sleeping machine first receives nothing; its connections are found broken when it wakes up.
    silent = stack.enter_context(router.faults.half_open())

    def wake_up() -> None:
        silent.undo()
        router.faults.drop()

    _later(stack, 1.0, wake_up)


def _train_tunnel(router: LocalTaskRouter, stack: ExitStack) -> None:
    refused = stack.enter_context(router.faults.refuse_connects(tcp=True))
    router.faults.drop()
    _later(stack, 1.0, refused.undo)


def _token_expires_mid_accept(router: LocalTaskRouter, stack: ExitStack) -> None:
    # As Twilio refuses an expired token.
    body = {"code": 20104, "message": "Access Token expired", "status": 401}
    stack.enter_context(router.faults.http_status(401, route="POST Reservations/*", times=1, body=body))


def _rate_limited(router: LocalTaskRouter, stack: ExitStack) -> None:
    stack.enter_context(router.faults.rate_limit(1, times=3))


def _zombie_socket(router: LocalTaskRouter, stack: ExitStack) -> None:
    stack.enter_context(router.faults.half_open())


def _evicted(router: LocalTaskRouter, stack: ExitStack) -> None:
    router.faults.evict()


FAULT_PROFILES: Mapping[str, Callable[[LocalTaskRouter, ExitStack], None]] = {
    "laptop_sleep": _laptop_sleep,
    "train_tunnel": _train_tunnel,
    "token_expires_mid_accept": _token_expires_mid_accept,
    "rate_limited": _rate_limited,
    "zombie_socket": _zombie_socket,
    "evicted": _evicted,
}
"""Faults that programs meet in the field, by name: connections that are silent for a second and then break; a second
without any network; a token refused as expired in the middle of an ``accept()``; three requests answered with 429; open
connections that are silent for good; sessions ended by a newer one."""


@contextmanager
def fault_profile(router: LocalTaskRouter, name: str) -> Iterator[None]:
    """Apply a profile of faults to the clients of a router, until the end of the ``with`` block at the latest.

    Args:
        router: A running LocalTaskRouter.
        name: A key of ``FAULT_PROFILES``.

    Raises:
        ValueError: There is no such profile.
    """
    if name not in FAULT_PROFILES:
        raise ValueError(f"There is no fault profile {name!r}; there are {', '.join(FAULT_PROFILES)}")
    with ExitStack() as stack:
        FAULT_PROFILES[name](router, stack)
        yield


def _later(stack: ExitStack, seconds: float, action: Callable[[], object]) -> None:
    """Run an action after some seconds, unless the profile ends or the router stops before."""

    def act() -> None:
        # Stopped, or just restarting: the action has nothing to act on.
        with suppress(StateError):
            action()

    timer = threading.Timer(seconds, act)
    timer.name, timer.daemon = "taskrouter-fault", True
    timer.start()
    # Callbacks run in reverse order: cancelled first, then joined.
    stack.callback(timer.join)
    stack.callback(timer.cancel)
