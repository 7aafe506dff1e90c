"""Name resolution, each on a thread of its own: a resolver can block for long and cannot be interrupted."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from concurrent.futures import Future
from typing import Any

__all__ = ["Addresses", "look_up"]

Addresses = list[tuple[Any, ...]]
"""As ``socket.getaddrinfo`` gives them."""

# Guards the look-ups under way.
_lock = threading.Lock()
_under_way: dict[tuple[str, int], Future[Addresses]] = {}


def look_up(host: str, port: int) -> Future[Addresses]:
    """Resolve a host name; concurrent callers for the same name share the Future, so none of them may settle it.

    Does not block; callbacks of the Future run on the resolving thread.

    Args:
        host: Name or address.
        port: Port.

    Returns:
        A Future that resolves to the addresses, and fails with OSError or UnicodeError. For an address it is done
        already.
    """
    found: Future[Addresses] = Future()
    if _is_address(host):
        _look_up(host, port, found)
        return found
    with _lock:
        shared = _under_way.setdefault((host, port), found)
    if shared is found:
        thread = threading.Thread(target=_look_up, args=(host, port, found), name="taskrouter-names", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system has no thread to give: this attempt fails, the next one tries again.
            with _lock:
                _under_way.pop((host, port), None)
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
        # Before the Future is settled: an answer is shared only while it is on its way, never kept.
        _end(host, port)
        found.set_exception(error)
    else:
        _end(host, port)
        found.set_result(addresses)


def _end(host: str, port: int) -> None:
    with _lock:
        _under_way.pop((host, port), None)


def _forget() -> None:
    """In a forked child: the threads do not exist."""
    global _lock
    _lock = threading.Lock()
    _under_way.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
