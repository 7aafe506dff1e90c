"""Ports for servers that end and begin again at the same one."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10_000


def lasting_port() -> int:
    """Return a port of 127.0.0.1 that is free, and stays so while nobody asks for it by its number.

    The system gives other programs ports of a range of its own, for connections and in place of port 0. A port of that
    range may belong to another program as soon as its server has ended; this one is not of it.
    """
    # Linux; elsewhere the range of IANA.
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 49_152
    # Not the generator of the tests, which may begin with the same seed in several processes.
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(_FIRST, max(end, _FIRST + 1))
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
