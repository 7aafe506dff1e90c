"""The name that was probably meant, for the texts of errors."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["choice", "nearest"]


def nearest(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Find the valid name that is closest to an unknown one.

    Args:
        name: The unknown name.
        names: The valid names.
        cutoff: The similarity that is needed, from 0 to 1.

    Returns:
        The name; None if none is close. One that differs in upper and lower case only is the closest.
    """
    # Here, as a program with the right names never needs it.
    import difflib

    # Of several that are equal without their case, the first one.
    by_folded = {each.casefold(): each for each in reversed(list(names))}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def choice(name: object, names: list[str]) -> str:
    """Describe what could be given instead of an unknown name, for the end of an error text.

    Args:
        name: The unknown name.
        names: The valid names.
    """
    close = nearest(name, names) if isinstance(name, str) else None
    listed = f"there are {', '.join(map(repr, names)) or 'none'}"
    return f"did you mean {close!r}? {listed}" if close else listed
