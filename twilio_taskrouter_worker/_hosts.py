"""Names and addresses of this machine, which no other machine can have."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether a host always means this machine.

    Names below ``localhost`` count as well: no resolver sends them elsewhere (RFC 6761).

    Args:
        host: Name or address; IPv6 addresses without brackets.

    Returns:
        Whether it is a loopback host.
    """
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # ``::ffff:127.0.0.1``, whose own ``is_loopback`` is False in older versions of Python.
    mapped = getattr(address, "ipv4_mapped", None)
    return (address if mapped is None else mapped).is_loopback
