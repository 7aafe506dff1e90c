"""Paths as tables."""

from __future__ import annotations

import pytest

from twilio_taskrouter_worker.local.server.http.paths import MethodNotAllowed, PathTable


@pytest.fixture
def table() -> PathTable[str]:
    table: PathTable[str] = PathTable()
    table.add("GET", "W/{WorkspaceSid}", "one")
    table.add("POST", "W/{WorkspaceSid}", "change")
    table.add("GET", "W/{WorkspaceSid}/Workers/{Sid}", "worker")
    table.add("GET", "W/{WorkspaceSid}/Workers/Statistics", "statistics")
    table.add("GET", "W/{WorkspaceSid}/Workers/{WorkerSid}/Channels", "channels")
    return table


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("W/1", ("one", {"WorkspaceSid": "1"})),
        ("W/1/Workers/2", ("worker", {"WorkspaceSid": "1", "Sid": "2"})),
        ("W/1/Workers/Statistics", ("statistics", {"WorkspaceSid": "1"})),
        ("W/1/Workers/2/Channels", ("channels", {"WorkspaceSid": "1", "WorkerSid": "2"})),
        ("W/a%20b", ("one", {"WorkspaceSid": "a b"})),
        ("W/a%2Fb", ("one", {"WorkspaceSid": "a/b"})),
        ("W", None),
        ("W/", None),
        ("", None),
        ("w/1", None),
        ("W/1/", None),
        ("W//Workers/2", None),
        ("W/../1", None),
        ("W/.", None),
        ("W/%2e%2e", None),
        ("W/%ff", None),
        ("W/1/Workers/2/Channels/3", None),
        ("/".join("a" * 100), None),
    ],
)
def test_find(table: PathTable[str], path: str, found: tuple[str, dict[str, str]] | None) -> None:
    """A path leads to its target with its variables, or nowhere; nothing in it is resolved or tidied up."""
    assert table.find("GET", path) == found


def test_other_method(table: PathTable[str]) -> None:
    """A known path with another method says which ones there are."""
    with pytest.raises(MethodNotAllowed) as error:
        table.find("PUT", "W/1")
    assert error.value.allowed == ["GET", "POST"]


def test_the_same_twice(table: PathTable[str]) -> None:
    """A method of a path has one target."""
    with pytest.raises(AssertionError):
        table.add("GET", "W/{Other}", "again")
