"""A workflow is tried out before it is saved: its first error at its place, or where the waiting tasks would go."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.integration.local.console.console_client import Browser
from tests.tools.seams import service_of


def check(browser: Browser, configuration: str, sid: str | None = None) -> Any:
    """Ask the console about a configuration."""
    return browser.api("POST", "api/workflow", {"sid": sid, "configuration": configuration})


def configuration(queue: str, expression: str = "1==1", *, target: str | None = None) -> str:
    """A configuration with one filter, on several lines, as people write it."""
    targets: dict[str, Any] = {"queue": queue}
    if target is not None:
        targets["expression"] = target
    filters = [{"filter_friendly_name": "First", "expression": expression, "targets": [targets]}]
    return json.dumps({"task_routing": {"filters": filters, "default_filter": {"queue": queue}}}, indent=2)


def marked(text: str, error: Any) -> str:
    """The text at the place of an error, and a check that line and column lead to the same place."""
    lines = text.split("\n")
    offset = sum(len(line) + 1 for line in lines[: error["line"] - 1]) + error["column"] - 1
    assert offset == error["offset"]
    return text[offset : offset + error["length"]]


@pytest.mark.parametrize(
    "expression",
    [
        "kind 'a'",
        "kind == 'a' AND",
        "näme == 1",
        "a == 'O\\\\' AND b ) 1",
        "a == '\U0001f600' AND ] 1",
        'a == "é" AND > 1',
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_error_in_an_expression(browser: Browser, expression: str, ascii_only: bool) -> None:
    """It is marked in the text of the configuration, whatever is written as an escape before it."""
    document = json.loads(configuration(browser.router.task_queue_sid))
    document["task_routing"]["filters"][0]["expression"] = expression
    text = json.dumps(document, indent=1, ensure_ascii=ascii_only)
    answer = check(browser, text)
    assert not answer["ok"] and answer["error"]["where"] == "filter 1, expression"
    # The message has the place in the expression.
    message = answer["error"]["message"]
    found = re.search(r"input '(.+)' expecting .* at line 1, column (\d+)", message)
    assert found is not None, message
    place = marked(text, answer["error"])
    if found[1] == "<EOF>":
        assert place == '"'
    else:
        assert place == json.dumps(found[1], ensure_ascii=ascii_only)[1:-1]
        assert expression[int(found[2]) - 1 :].startswith(found[1])


def test_ignored_parts_of_an_expression(browser: Browser) -> None:
    """TaskRouter ignores some characters; that is a warning at the place of the expression."""
    text = configuration(browser.router.task_queue_sid, "kind = = 'a'")
    answer = check(browser, text, browser.router.workflow_sid)
    assert answer["ok"] and answer["warnings"]
    assert marked(text, answer["warnings"][0]) == "\"kind = = 'a'\""


def test_an_error_in_a_target(browser: Browser) -> None:
    """Its expression, and a queue that does not exist."""
    text = configuration(browser.router.task_queue_sid, target="worker.level > > 1")
    error = check(browser, text)["error"]
    assert error["where"] == "filter 1, target 1, expression" and marked(text, error) == ">"
    text = configuration("WQ" + "0" * 32)
    error = check(browser, text)["error"]
    assert error["where"] == "filter 1, target 1" and marked(text, error) == '"WQ' + "0" * 32 + '"'
    text = '{"task_routing": {"default_filter": {"queue": "WQ1", "priority": "high"}}}'
    assert check(browser, text)["error"]["where"] == "default_filter"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", 1),
        ('{\n "task_routing": ]', 19),
        ("", 0),
        ("[]", 0),
        ('{"a": 1}', 0),
        ('{"task_routing": 5}', 17),
        ("nonsense", 0),
        pytest.param("[" * 50_000, 0, id="too deep"),
    ],
)
def test_an_error_in_the_json(browser: Browser, text: str, place: int) -> None:
    """Where the text is no JSON, or not a configuration."""
    answer = check(browser, text)
    assert not answer["ok"] and answer["error"]["message"]
    assert answer["error"]["offset"] == place
    marked(text, answer["error"])


def test_where_the_waiting_tasks_would_go(browser: Browser) -> None:
    """Nothing is changed by asking; saving with re-evaluation does what was announced."""
    router = browser.router
    special = router.add_queue("Special", target_workers="level > 1")
    kinds = {router.create_task({"kind": kind}): kind for kind in ("a", "b", "a")}
    text = json.dumps(
        {
            "task_routing": {
                "filters": [{"expression": "kind == 'a'", "targets": [{"queue": special, "priority": 7}]}],
                "default_filter": {"queue": router.task_queue_sid},
            }
        }
    )
    before = service_of(router).engine.state_digest()
    answer = check(browser, text, router.workflow_sid)
    assert answer["ok"] and answer["waiting"] == 3
    assert {move["task_sid"]: move["changed"] for move in answer["moves"]} == {
        sid: kind == "a" for sid, kind in kinds.items()
    }
    here = {"queue_sid": router.task_queue_sid, "filter": "default_filter", "target": 0, "priority": 0}
    there = {"queue_sid": special, "filter": "filter 1", "target": 0, "priority": 7}
    for move in answer["moves"]:
        assert move["from"] == here and move["to"] == (there if move["changed"] else here)
    assert service_of(router).engine.state_digest() == before
    browser.rest(f"Workflows/{router.workflow_sid}", Configuration=text, ReEvaluateTasks="true")
    for move in answer["moves"]:
        task = router.task(move["task_sid"])
        assert (task.task_queue_sid, task.priority) == (move["to"]["queue_sid"], move["to"]["priority"])


def test_a_task_for_which_nothing_is_left_would_be_canceled(browser: Browser) -> None:
    """The page can warn about it."""
    router = browser.router
    task = router.create_task({"kind": "b"})
    filters = [{"expression": "kind == 'a'", "targets": [{"queue": router.task_queue_sid}]}]
    answer = check(browser, json.dumps({"task_routing": {"filters": filters}}), router.workflow_sid)
    assert [(move["task_sid"], move["to"], move["changed"]) for move in answer["moves"]] == [(task, None, True)]
    assert router.task(task).assignment_status == "pending"


def test_a_new_workflow_and_one_that_does_not_exist(browser: Browser) -> None:
    """For a new one nothing waits; an unknown one, and a body that makes no sense, are refused."""
    good = configuration(browser.router.task_queue_sid)
    assert check(browser, good) == {"ok": True, "warnings": [], "waiting": 0, "moves": []}
    bad = {"sid": "WW" + "0" * 32, "configuration": good}
    assert browser.request("POST", "api/workflow", json=bad).status_code == 404
    bodies: tuple[Any, ...] = ({}, {"configuration": 5}, {"configuration": "{}", "sid": 5}, [])
    for body in bodies:
        assert browser.request("POST", "api/workflow", json=body).status_code == 400
