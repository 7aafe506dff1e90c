"""Name resolution, each on a thread of its own: a resolver can block for long and cannot be interrupted."""

from __future__ import annotations

import ipaddress
import math
import os
import socket
import threading
import time
from concurrent.futures import Future
from typing import Any

__all__ = ["Addresses", "look_up"]

Addresses = list[tuple[Any, ...]]
"""As ``socket.getaddrinfo`` returns them."""

KEPT_SECONDS = 1.0
"""Seconds for which an answer is reused: a start makes one connection for the websocket and four for calls."""

_Name = tuple[str, int]

# Guards the answers: those on their way, and those that came, with the time at which they are to be forgotten.
_lock = threading.Lock()
_answers: dict[_Name, tuple[float, Future[Addresses]]] = {}


def look_up(host: str, port: int) -> Future[Addresses]:
    """Resolve a host name; callers for the same name share the Future for a while, so none of them may settle it.

    Does not block; callbacks of the Future run on the resolving thread.

    Args:
        host: Name or address.
        port: Port.

    Returns:
        A Future that resolves to the addresses, and fails with OSError or UnicodeError. It is done already for an
        address, and for a name that was resolved a moment ago.
    """
    found: Future[Addresses] = Future()
    if _is_address(host):
        _look_up(host, port, found)
        return found
    name = host, port
    with _lock:
        kept_until, shared = _answers.get(name, (0.0, found))
        if time.monotonic() >= kept_until:
            # Shared without a time limit until the look-up ends.
            shared = found
            _answers[name] = math.inf, found
    if shared is found:
        thread = threading.Thread(target=_look_up, args=(host, port, found), name="taskrouter-names", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system has no thread to give: this attempt fails, the next one tries again.
            _forget_answer(name)
            found.set_exception(OSError("no thread can be started to look up the host's name"))
    return shared


def _is_address(host: str) -> bool:
    """Whether this is a number, which the resolver answers at once."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int, found: Future[Addresses]) -> None:
    try:
        addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except Exception as error:
        # Before the Future is settled: a failure is shared only while it is on its way.
        _forget_answer((host, port))
        found.set_exception(error)
    else:
        _keep_answer((host, port), found)
        found.set_result(addresses)


def _keep_answer(name: _Name, found: Future[Addresses]) -> None:
    now = time.monotonic()
    with _lock:
        for each in [each for each, (kept_until, _) in _answers.items() if now >= kept_until]:
            del _answers[each]
        if name in _answers:
            _answers[name] = now + KEPT_SECONDS, found


def _forget_answer(name: _Name) -> None:
    with _lock:
        _answers.pop(name, None)


def _forget() -> None:
    """In a forked child: the threads do not exist."""
    global _lock
    _lock = threading.Lock()
    _answers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
