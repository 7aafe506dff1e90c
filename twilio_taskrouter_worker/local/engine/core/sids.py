"""Sids: two letters and 32 hexadecimal digits, from injected random numbers."""

from __future__ import annotations

import re
from random import Random
from typing import Any, Final

_FORM: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}\Z")


class SidSource:
    """Makes sids; the same seed makes the same ones in the same order."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.made = 0
        """How many sids were made."""

    def state(self) -> list[Any]:
        """Return what :meth:`restore` needs to go on with the same sids, as plain data."""
        version, numbers, gauss = self._random.getstate()
        return [self.made, version, list(numbers), gauss]

    def restore(self, state: list[Any]) -> None:
        """Go on where another source was."""
        self.made, version, numbers, gauss = state
        self._random.setstate((version, tuple(numbers), gauss))

    def make(self, prefix: str) -> str:
        """Return a new sid."""
        self.made += 1
        return f"{prefix}{self._random.getrandbits(128):032x}"


def well_formed(sid: str, *prefixes: str) -> bool:
    """Whether a text is a sid of one of the given kinds."""
    return sid[:2] in prefixes and _FORM.match(sid) is not None


def canonical(sid: str) -> str:
    """Return a sid with its digits in lower case, as they are kept."""
    return sid[:2] + sid[2:].lower()
