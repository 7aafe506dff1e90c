"""Answers to requests that could not be handled."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

import pytest
from aiohttp import web

from twilio_taskrouter_worker.local.server.http.connections import HttpServer


async def nothing(request: web.BaseRequest) -> web.StreamResponse:
    """Handle no request."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("status", "error", "answered", "logged"),
    [
        (500, ConnectionResetError(), 500, False),
        (500, RuntimeError("broken"), 500, True),
        (400, None, 400, False),
    ],
)
def test_a_request_that_failed(
    status: int, error: Exception | None, answered: int, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an error of the service is logged as one; each answer is JSON, and the last one of its connection."""

    async def run() -> web.Response:
        connection: Any = HttpServer(cast(Any, nothing), asyncio.get_running_loop())()
        return cast(web.Response, connection.handle_error(cast(Any, None), status, error))

    response = asyncio.run(run())
    assert response.status == answered and response.keep_alive is False
    assert json.loads(cast(bytes, response.body))["status"] == answered
    assert any(record.levelno >= logging.ERROR for record in caplog.records) is logged
