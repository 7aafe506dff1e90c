"""Which events of an object have been announced, so that each is announced once. Pure.

Versions decide what is new. They are trusted as long as the service counts as documented: a pending reservation has
version 0, and a version stands for one content. A service that is seen to count otherwise is taken by the order of
arrival instead, as the JS SDK takes every service.
"""

from __future__ import annotations

__all__ = ["LISTED", "NOTHING_ANNOUNCED", "Announced", "Trust", "admit", "listed"]

Announced = tuple[int, dict[str, int]]
"""The latest version announced, and the events announced at it with the fingerprint of what they said."""

NOTHING_ANNOUNCED: Announced = (-1, {})

LISTED = "list"
"""Stands for all events up to a version that is known from a list."""

ODD_RESERVATIONS = 3
"""So many pending reservations with a version other than 0 show that the service counts otherwise."""


class Trust:
    """Whether the service's versions can be relied on."""

    def __init__(self) -> None:
        self.in_versions = True
        self._odd = 0

    def saw_pending(self, version: int) -> None:
        """A pending reservation came with this version."""
        if version != 0:
            self._odd += 1
            if self._odd >= ODD_RESERVATIONS:
                self.in_versions = False

    def saw_contradiction(self) -> None:
        """One version came with two contents."""
        self.in_versions = False


def listed(version: int, fingerprint: int) -> Announced:
    """What is announced of an object that was read from a list."""
    return version, {LISTED: fingerprint}


def admit(
    announced: Announced, event_type: str, version: int, fingerprint: int, trust: Trust, *, ending: bool = False
) -> Announced | None:
    """What is announced after this event; None where it is a repetition, or older than what was announced.

    An ``ending`` is never older: nothing comes after it.
    """
    latest, events = announced
    if version == latest:
        if fingerprint in (events.get(event_type), events.get(LISTED)):
            return None
        if event_type in events or LISTED in events:
            trust.saw_contradiction()
        return latest, {**events, event_type: fingerprint}
    if version < latest and trust.in_versions and not ending:
        return None
    return version, {event_type: fingerprint}
