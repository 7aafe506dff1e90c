"""Places of values in a JSON text, and origins: what the console's checks rest on."""

from __future__ import annotations

from twilio_taskrouter_worker.local.server.console import access
from twilio_taskrouter_worker.local.server.console.places import places


def test_places_of_elements() -> None:
    """Each element and member has its own place, whatever space is between them."""
    text = '{"a" : [1, 22 ,{"b":null}], "c": "x"}'
    found = {path: text[place.start : place.end] for path, place in places(text).items()}
    assert found[("a", 1)] == "22" and found[("a", 2, "b")] == "null"
    assert found[("a",)] == '[1, 22 ,{"b":null}]' and found[("c",)] == '"x"'


def test_origins() -> None:
    """The service's own, by host and port; one that is no URL is not."""
    assert access._own("http://127.0.0.1:4100", "127.0.0.1:4100")
    assert not access._own("http://127.0.0.1:4101", "127.0.0.1:4100")
    assert not access._own("http://[", "127.0.0.1:4100")
