"""Arbitrary requests to every operation of Twilio's OpenAPI description, made up by Schemathesis.

More of them: ``SCHEMATHESIS_EXAMPLES=200 pytest tests/interop/test_schemathesis.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.tools import openapi
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules

schemathesis = pytest.importorskip("schemathesis", reason="needs the package schemathesis")

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "5"))
SCHEMA = schemathesis.openapi.from_dict(openapi.description())
_NEVER_DELETED = "DeleteWorkspace"


class Target:
    """A router with one of everything, and the sid of each by the part of the path that its list has."""

    def __init__(self, router: LocalTaskRouter) -> None:
        self.router = router
        self.worker = router.add_worker("Alice", activity="Available", attributes={"contact_uri": "client:alice"})

    def path_parameters(self, path: str) -> dict[str, str]:
        """The sids of a path, of things that are there."""
        router = self.router
        if self.worker not in {each.sid for each in router.workers()}:
            self.worker = router.add_worker("Alice", activity=next(iter(router.activities)))
        if not router.tasks():
            router.create_task(routing_target=self.worker)
        task = router.tasks()[-1].sid
        reservations = router.reservations(task_sid=task)
        sids = {
            "Workspaces": router.workspace_sid,
            "Activities": list(router.activities.values())[-1],
            "TaskChannels": "voice",
            "TaskQueues": router.task_queue_sid,
            "Workflows": router.workflow_sid,
            "Workers": self.worker,
            "Channels": "default",
            "Tasks": task,
            "Reservations": reservations[-1].sid if reservations else "WR" + "0" * 32,
            "Events": "EV" + "0" * 31 + "1",
        }
        return {name: sids[part] for part, name in re.findall(r"(\w+)/\{(\w+)\}", path)}


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Where all requests of this module go."""
    with LocalTaskRouter(rules=Rules(voice_answer_delay=None)) as router:
        yield Target(router)


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))  # pyright: ignore[reportArgumentType]
def test_any_request_is_answered_as_described(case: Any, target: Target) -> None:
    """No request breaks the service; what it answers is as described, and a refusal is complete."""
    if case.operation.definition.raw["operationId"] == _NEVER_DELETED:
        return  # the others need it
    case.path_parameters = {**(case.path_parameters or {}), **target.path_parameters(case.operation.path)}
    answer = case.call(base_url=target.router.url, auth=(target.router.account_sid, target.router.auth_token))
    path = case.formatted_path
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert {"code", "message", "more_info", "status"} <= answer.json().keys()
    elif case.method.upper() == case.operation.method.upper():
        body = answer.json() if answer.content else None
        openapi.check_answer(case.method.upper(), path.partition("?")[0], answer.status_code, body)
