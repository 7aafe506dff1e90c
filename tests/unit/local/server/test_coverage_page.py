"""The page on what the local TaskRouter covers: it says what the tables say, and what the operations do."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import requests

from tests.tools import openapi
from tests.tools.rst import DOCS
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules
from twilio_taskrouter_worker.local.server.http import forms, parameters, refusals
from twilio_taskrouter_worker.local.server.rest.operations import OPERATIONS


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """What writes the page."""
    spec = importlib.util.spec_from_file_location("coverage_page", DOCS / "_ext" / "coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_operation_is_on_the_page(generator: ModuleType) -> None:
    """Each operation of Twilio's description has its row, and the count is right."""
    rows = dict(re.findall(r"^   ``(\w+)`` \| ``[^`]+`` \| (\w+)$", "\n".join(generator.operations()), re.MULTILINE))
    assert set(rows) == set(openapi.operations())
    assert set(rows.values()) <= {"implemented", "501"}
    here = sum(state == "implemented" for state in rows.values())
    numbers = list(generator.numbers())
    assert {f".. |implemented| replace:: {here}", f".. |described| replace:: {len(rows)}"} <= set(numbers)


def test_every_number_is_used(generator: ModuleType) -> None:
    """The page has no number of its own where the code has one."""
    text = (DOCS / "coverage.rst").read_text(encoding="utf-8")
    names = re.findall(r"\|(\w+)\|", "\n".join(generator.numbers()))
    assert set(names) == set(re.findall(r"\|(\w+)\|", text))


def test_the_answer_501_names_this_page() -> None:
    """Whoever gets a 501 can find the page by its title."""
    title = (DOCS / "coverage.rst").read_text(encoding="utf-8").partition("\n")[0]
    assert f'"{title}"' in refusals.not_implemented("FetchNothing").message


# -- parameters ----------------------------------------------------------------------------------------------------


class Noticed(dict[str, Any]):
    """Parameters that notice which of them anybody looks at, there or not."""

    names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Look at one."""
        self.names.add(name)
        return super().get(name, default)


NEEDED = {
    "FriendlyName": "Another",
    "UniqueName": "another",
    "Configuration": '{"task_routing": {"filters": []}}',
}
"""Values without which a request would be refused before all of its parameters are looked at."""

VOICE = {"CallFrom": "x", "CallUrl": "http://x", "RedirectCallSid": "x", "RedirectUrl": "http://x"}
RESERVATION_UPDATES: list[list[dict[str, str]]] = [
    [
        {"Instruction": "call", **VOICE},
        {"Instruction": "redirect", **VOICE},
        {"Instruction": "dequeue", "DequeueTo": "x"},
    ],
    [{"Instruction": "conference"}],
    [{"ReservationStatus": "accepted"}, {"Instruction": "supervise", "Supervisor": "{worker}"}],
]
"""Each list is for a reservation of its own."""


def described(name: str) -> set[str]:
    """The parameters of an operation, those of its path and its headers apart."""
    method, path = openapi.operations()[name]
    item = openapi.description()["paths"][path]
    operation = item[method.lower()]
    found = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        found |= set(content["schema"].get("properties", ()))
    return found


@contextmanager
def busy() -> Iterator[tuple[LocalTaskRouter, dict[str, str]]]:
    """A router with one of everything, and the sid of each by the part of the path that its list has."""
    with LocalTaskRouter(rules=Rules(voice_answer_delay=None)) as router:
        worker = router.add_worker("Alice", activity="Available")
        task = router.create_task()
        (reservation,) = router.reservations()
        sids = {
            "Workspaces": router.workspace_sid,
            "Activities": router.activities["Unavailable"],
            "TaskChannels": "voice",
            "TaskQueues": router.task_queue_sid,
            "Workflows": router.workflow_sid,
            "Workers": worker,
            "Channels": "default",
            "Tasks": task,
            "Reservations": reservation.sid,
            "Events": "EV" + "0" * 32,
        }
        yield router, sids


@pytest.fixture
def noticed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the parameters that the service looks at."""
    original = forms.parse_form
    monkeypatch.setattr(forms, "parse_form", lambda body: Noticed(original(body)))
    # The parameters of an instruction are handed to the engine as a copy.
    monkeypatch.setattr(parameters, "dict", lambda given: given, raising=False)
    Noticed.names = set()
    return Noticed.names


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if described(each.name)], ids=lambda each: each.name)
def test_every_documented_parameter_is_looked_at(noticed: set[str], generator: ModuleType, operation: Any) -> None:
    """No parameter is passed over but those that the page names for this operation, and those really are."""
    lives = [[{"Nothing": "at all", **{name: NEEDED[name] for name in described(operation.name) & set(NEEDED)}}]]
    if operation.name in ("UpdateTaskReservation", "UpdateWorkerReservation"):
        lives = RESERVATION_UPDATES
    for life in lives:
        with busy() as (router, sids):
            path = re.sub(r"(\w+)/\{\w+\}", lambda found: f"{found[1]}/{sids[found[1]]}", operation.path)
            for form in life:
                sent = {name: value.replace("{worker}", sids["Workers"]) for name, value in form.items()}
                where: dict[str, Any] = {"data" if operation.method == "POST" else "params": sent}
                url, auth = f"{router.url}/v1/{path}", (router.account_sid, router.auth_token)
                answer = requests.request(operation.method, url, auth=auth, timeout=30, **where)
                assert answer.status_code in (200, 201, 400), answer.text
    without_effect = set(generator.NO_EFFECT.get(operation.name, ())) & described(operation.name)
    assert described(operation.name) - noticed == without_effect
