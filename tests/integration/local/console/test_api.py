"""The console's own address refuses what it cannot answer, in JSON."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.local.console.console_client import Browser


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("DELETE", "api/workflow", None, 405, "DELETE"),
        ("GET", "api/nothing", None, 404, "api/nothing"),
        ("POST", "api/workflow", b"{", 400, "not JSON"),
        ("POST", "api/workflow", b'{"configuration": "{}", "workspace_sid": 1}', 400, "workspace_sid"),
        ("POST", "api/workflow", b'{"configuration": 1}', 400, '"configuration": TEXT'),
        ("GET", "api/wire/999", None, 404, "does not have this entry"),
        ("DELETE", "api/forks/999", None, 404, "no such fork"),
        ("GET", "live", None, 400, "takes a websocket handshake"),
    ],
)
def test_requests_that_are_refused(
    browser: Browser, method: str, path: str, body: Any, status: int, words: str
) -> None:
    """Each with its status and its reason."""
    answer = browser.request(method, path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert words in answer.json()["message"]
