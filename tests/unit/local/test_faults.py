"""The page about faults is complete, and its routes lead somewhere."""

from __future__ import annotations

import inspect
import re

import pytest

from tests.tools.rst import DOCS, literals, tables
from twilio_taskrouter_worker.local import Faults
from twilio_taskrouter_worker.local.server.faults.active import REST, TUNNEL, Arrival
from twilio_taskrouter_worker.local.server.faults.requests import Route

PAGE = DOCS / "faults.rst"


def test_every_fault_has_a_row() -> None:
    """The table has each fault once, with the name of its first argument, if it needs one or is done once."""
    [table] = [each for each in tables(PAGE) if each.name == "faults"]
    shown = [re.fullmatch(r"(\w+)\((\w*)\)", literals(row[0])[0]) for row in table.rows]
    methods = {
        name: list(inspect.signature(member).parameters)[1:]
        for name, member in vars(Faults).items()
        if inspect.isfunction(member) and not name.startswith("_") and name != "clear"
    }
    assert [found.group(1) for found in shown if found] == list(methods)
    assert all(not found.group(2) or found.group(2) in methods[found.group(1)] for found in shown if found)


def test_routes_of_the_page_are_routes() -> None:
    """Each example of a route is one that requests have."""
    [table] = [each for each in tables(PAGE) if each.name == "routes"]
    assert len([Route(literals(row[0])[0]) for row in table.rows]) > 3


@pytest.mark.parametrize(
    ("route", "method", "path", "matches"),
    [
        (None, "DELETE", "anything/at/all", True),
        ("Tasks", "POST", "Workspaces/WS1/Tasks", True),
        ("tasks", "POST", "Workspaces/WS1/Tasks", None),
        ("Tasks", "POST", "Workspaces/WS1/Tasks/WT1", False),
        ("POST Tasks/*", "POST", "Workspaces/WS1/Tasks/WT1", True),
        ("post /Tasks/*/", "POST", "Workspaces/WS1/Tasks/WT1", True),
        ("POST Tasks/*", "GET", "Workspaces/WS1/Tasks/WT1", False),
        ("Tasks/WT1", "GET", "Workspaces/WS1/Tasks/WT1", True),
        ("Tasks/WT1", "GET", "Workspaces/WS1/Tasks/WT2", False),
        ("Workers/*/Reservations", "GET", "Workspaces/WS1/Workers/WK1/Reservations", True),
        ("Workers/*/Reservations", "GET", "Workspaces/WS1/Tasks/WT1/Reservations", False),
        ("Workspaces/*/Tasks", "GET", "Tasks", False),
        ("GET *", "GET", "Workspaces", True),
        ("WT1", "GET", "Workspaces/WS1/Tasks/WT1", None),
        ("Tusks/*", "GET", "", None),
    ],
)
def test_routes(route: str | None, method: str, path: str, matches: bool | None) -> None:
    """A route is the end of a path, and no word that could only be a sid."""
    if matches is None:
        with pytest.raises(ValueError, match="No request has the route"):
            Route(route)
    else:
        assert Route(route).matches(Arrival(TUNNEL, method, path)) is matches


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.eyJncmFudHMiOjF9.x"])
def test_worker_of_a_bad_token(token: str | None) -> None:
    """Whatever is sent as a token, it is some worker's or nobody's, and no error."""
    assert Arrival(REST, "GET", "", token).worker_sid is None
