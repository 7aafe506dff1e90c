"""The form of a seed document: every fault has its path, its value and what would be right."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from twilio_taskrouter_worker.errors import SeedError
from twilio_taskrouter_worker.local.seeds import check


def workspace(**more: Any) -> dict[str, Any]:
    """A document with one workspace."""
    return {"workspaces": [{"friendly_name": "W", **more}]}


WORKFLOW = {"friendly_name": "F", "configuration": {}}
DEEP: list[Any] = []
DEEP.append(DEEP)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "the document must be a mapping with the key 'workspaces', not null"),
        ([], "the document must be a mapping with the key 'workspaces', not a list"),
        ({}, "the key 'workspaces' is missing"),
        ({"workspace": []}, "unknown key 'workspace'; did you mean 'workspaces'? There are format, workspaces"),
        ({"workspaces": {}}, "workspaces: must be a list, not a mapping"),
        ({"workspaces": [], "format": 2}, "format: this version reads format 1, not 2"),
        ({"workspaces": [], "format": "1"}, "format: must be a whole number, not '1'"),
        ({"workspaces": ["x"]}, "workspaces[0]: must be a mapping, not 'x'"),
        ({"workspaces": [{}]}, "workspaces[0]: the key 'friendly_name' is missing"),
        (
            {"workspaces": [{"friendly_name": False}]},
            "workspaces[0].friendly_name: must be a string, not false (in YAML, put it in quotes)",
        ),
        (workspace(multi_task_enabled="no"), "workspaces[0].multi_task_enabled: must be true or false, not 'no'"),
        (workspace(zzz=1), "workspaces[0]: unknown key 'zzz'; there are friendly_name, event_callback_url,"),
        (
            workspace(workers=[{"name": "A"}]),
            "workspaces[0].workers[0]: unknown key 'name'; there are friendly_name, activity",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "attributes": "{}"}]),
            "workspaces[0].workers[0].attributes: must be a mapping, not '{}'",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "attributes": {"since": [date(2030, 1, 1)]}}]),
            "workspaces[0].workers[0].attributes.since[0]: must be a JSON value, not a date (in YAML, put",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "attributes": {"x": {1: 2}}}]),
            "workspaces[0].workers[0].attributes.x: the key 1 must be a string (in YAML, put it in quotes)",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "attributes": {"x": float("nan")}}]),
            "workspaces[0].workers[0].attributes.x: must be a JSON value, which nan is not",
        ),
        (workspace(tasks=[{"attributes": {"x": DEEP}}]), "workspaces[0].tasks[0].attributes: is nested too deeply"),
        (
            workspace(workers=[{"friendly_name": "A", "channels": ["chat"]}]),
            "workspaces[0].workers[0].channels: must be a mapping from names, not a list",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "channels": {"chat": {"capacity": True}}}]),
            "workspaces[0].workers[0].channels.chat.capacity: must be a whole number, not true",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "channels": {1: {}}}]),
            "workspaces[0].workers[0].channels, key 1: must be a string, not 1",
        ),
        (
            workspace(tasks=[{"routing_target": {"worker": "A", "workflow": "F"}}]),
            "workspaces[0].tasks[0].routing_target: must have exactly one of the keys worker, task_queue, workflow",
        ),
        (workspace(tasks=[{"timeout": 1.5}]), "workspaces[0].tasks[0].timeout: must be a whole number, not 1.5"),
        (
            workspace(workflows=[{**WORKFLOW, "assignment_callback_url": ["x"]}]),
            "workspaces[0].workflows[0].assignment_callback_url: must be a string, not a list",
        ),
        (workspace(events_filter="x" * 100, a="y" * 100), "workspaces[0]: unknown key 'a'"),
    ],
)
def test_faults(document: Any, said: str) -> None:
    """The message begins with where it is."""
    with pytest.raises(SeedError) as refused:
        check(document)
    assert str(refused.value).startswith(said), str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_long_values_are_cut() -> None:
    """A message does not carry a whole attribute."""
    with pytest.raises(SeedError) as refused:
        check(workspace(tasks="x" * 1000))
    assert len(str(refused.value)) < 120


def test_fields_that_may_be_null() -> None:
    """Null says that there is none, where the API knows that."""
    document = workspace(task_queues=[{"friendly_name": "Q", "target_workers": None}], events_filter=None)
    assert check(document) == document
