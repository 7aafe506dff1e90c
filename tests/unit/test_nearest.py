"""The name that was probably meant."""

from __future__ import annotations

import pytest

from twilio_taskrouter_worker._nearest import choice, nearest


@pytest.mark.parametrize(
    ("name", "names", "meant"),
    [
        ("Availble", ["Offline", "Available", "Unavailable"], "Available"),
        # The case of letters does not count, or Unavailable would be the nearest.
        ("available", ["Offline", "Available", "Unavailable"], "Available"),
        ("OFFLINE", ["Offline", "offline"], "Offline"),
        ("zzz", ["Offline"], None),
        ("", ["Offline"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_name(name: str, names: list[str], meant: str | None) -> None:
    """The closest name, or none."""
    assert nearest(name, names) == meant


def test_the_choice() -> None:
    """The nearest name stands before all that there are; what is not a name has none that is near."""
    assert choice("idl", ["Idle", "Busy"]) == "did you mean 'Idle'? there are 'Idle', 'Busy'"
    assert choice(None, ["Idle"]) == "there are 'Idle'"
    assert choice("Idle", []) == "there are none"
