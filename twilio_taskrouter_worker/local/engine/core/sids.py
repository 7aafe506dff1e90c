"""Sids: two letters and 32 hexadecimal digits, from injected random numbers."""

from __future__ import annotations

import re
from random import Random
from typing import Any

# \Z and not $, which also matches before a line feed at the end.
_FORM = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}\Z")


class SidSource:
    """Makes sids; the same seed makes the same ones in the same order."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.made: int = 0
        """How many sids were made."""

    def state(self) -> list[Any]:
        """Return the state of the generator as plain data, for :meth:`restore`."""
        # The format of random.Random.getstate(), which Python keeps stable by its version number.
        version, numbers, gauss = self._random.getstate()
        return [self.made, version, list(numbers), gauss]

    def restore(self, state: list[Any]) -> None:
        """Continue with the sids that another source would make next.

        Args:
            state: From :meth:`state`; lists in place of tuples, since it may have passed through JSON.
        """
        self.made, version, numbers, gauss = state
        # JSON has no tuples, but the generator insists on one.
        self._random.setstate((version, tuple(numbers), gauss))

    def make(self, prefix: str) -> str:
        """Return a new sid.

        Args:
            prefix: The two letters of the kind, such as ``WT``.
        """
        # The count is part of the digest: two engines that have made different numbers of sids differ from then on.
        self.made += 1
        # 128 random bits: no check for duplicates is needed.
        return f"{prefix}{self._random.getrandbits(128):032x}"


def well_formed(sid: str, *prefixes: str) -> bool:
    """Return whether a text has the form of a sid of one of the given kinds.

    Args:
        sid: Any text; hexadecimal digits may be in either case.
        prefixes: The kinds that are valid, such as ``WW``.
    """
    return sid[:2] in prefixes and _FORM.match(sid) is not None


def canonical(sid: str) -> str:
    """Return a sid with its digits in lower case, the form in which sids are stored.

    Args:
        sid: Any text; one that is not a sid is returned with its rest in lower case and matches nothing.
    """
    return sid[:2] + sid[2:].lower()
