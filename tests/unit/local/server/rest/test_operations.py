"""The table of REST operations against Twilio's own description."""

from __future__ import annotations

import pytest

from tests.tools import openapi
from twilio_taskrouter_worker.local.server.rest.operations import NOT_HERE, OPERATIONS, TABLE


def test_every_operation_is_known() -> None:
    """Name, method and path of each operation are those of the description; none is missing and none is made up."""

    def form(path: str) -> str:
        return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))

    described = {name: (method, form(path)) for name, (method, path) in openapi.operations().items()}
    ours = {each.name: (each.method, form(f"/v1/{each.path}")) for each in OPERATIONS}
    assert ours == described


def test_paths_lead_to_their_operations() -> None:
    """Each operation is found by its own path."""
    for operation in OPERATIONS:
        found = TABLE.find(operation.method, operation.path.replace("{", "").replace("}", ""))
        assert found is not None
        assert found[0] is operation


def test_the_judge_of_answers_judges() -> None:
    """The check of answers refuses what lacks a documented key, has another, or is of another type."""
    path = "/v1/Workspaces/WS1/Activities/WA1"
    good = {
        "account_sid": "AC" + "0" * 32,
        "workspace_sid": "WS" + "0" * 32,
        "sid": "WA" + "0" * 32,
        "friendly_name": "Break",
        "available": False,
        "date_created": "2024-01-01T00:00:00Z",
        "date_updated": None,
        "url": "http://127.0.0.1/x",
        "links": {"workspace": "http://127.0.0.1/w"},
    }
    assert openapi.check_answer("GET", path, 200, good) == "FetchActivity"
    for change in (
        {"available": "no"},
        {"extra": 1},
        {"sid": "WK" + "0" * 32},
        {"date_created": "Mon, 01 Jan 2024 00:00:00 +0000"},
        {"links": {"workspace": 5}},
    ):
        with pytest.raises(Exception, match=r".+"):
            openapi.check_answer("GET", path, 200, {**good, **change})
    with pytest.raises(Exception, match="account_sid"):
        openapi.check_answer("GET", path, 200, {k: v for k, v in good.items() if k != "account_sid"})
    with pytest.raises(AssertionError):
        openapi.check_answer("GET", "/v1/Nothing", 200, good)
    assert all(each.handle is None for each in NOT_HERE)
