"""Loading and exporting: a document that was exported makes what exports to it again."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.local.engine.driver import ACCOUNT, EngineDriver
from twilio_taskrouter_worker.errors import SeedError
from twilio_taskrouter_worker.local.engine import DEFAULT_RULES, Engine, Rules, commands
from twilio_taskrouter_worker.local.seeds import check, export, load, rehearse

NOW = 1_700_000_000.25


def made(document: dict[str, Any], rules: Rules = DEFAULT_RULES, now: float = NOW) -> Engine:
    """Return an engine with what a document says."""
    engine = Engine(account_sid=ACCOUNT, seed=3, rules=rules)
    checked = check(document)
    rehearse(checked, engine, now)
    load(checked, engine, lambda command: engine.apply(command, now).result, now)
    return engine


def workspace(**more: Any) -> dict[str, Any]:
    """A document with one workspace."""
    return {"workspaces": [{"friendly_name": "W", **more}]}


FLOW = {"friendly_name": "F", "configuration": {"task_routing": {"default_filter": {"queue": "Q"}}}}
QUEUE = {"friendly_name": "Q"}

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
attributes = st.dictionaries(st.text(max_size=6), json_values, max_size=3)


def unique(elements: st.SearchStrategy[str], low: int, high: int) -> st.SearchStrategy[list[str]]:
    """Lists of names that differ in more than case."""
    return st.lists(elements, min_size=low, max_size=high, unique_by=str.casefold)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Whole documents: anything that can be said, with references that lead somewhere."""
    activities = draw(unique(names | st.sampled_from(["Offline", "Available", "Unavailable", "Idle"]), 1, 5))
    channels = draw(unique(st.from_regex(r"[a-z_$][a-z0-9_]{0,8}", fullmatch=True) | st.just("chat"), 0, 3))
    queues = draw(unique(names, 1, 3))
    workers = draw(unique(names, 0, 3))
    activity, queue = st.sampled_from(activities), st.sampled_from(queues)
    target = st.fixed_dictionaries(
        {"queue": queue}, optional={"timeout": st.integers(1, 500), "priority": st.integers(0, 9)}
    )
    routing = {
        "filters": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "expression": st.sampled_from(["a == 1", "1==1"]),
                        "targets": st.lists(target, min_size=1, max_size=3),
                    }
                ),
                max_size=2,
            )
        ),
        "default_filter": {"queue": draw(queue)},
    }
    channel = st.sampled_from(["default", "voice", *channels])
    task_channels = [
        {"unique_name": name, "friendly_name": draw(names), "channel_optimized_routing": draw(st.booleans())}
        for name in channels
    ]
    tasks = st.fixed_dictionaries(
        {},
        optional={
            "attributes": attributes,
            "priority": st.integers(0, 99),
            "timeout": st.integers(1, 5000),
            "task_channel": channel,
            "routing_target": st.none()
            | st.fixed_dictionaries({"task_queue": queue})
            | (st.fixed_dictionaries({"worker": st.sampled_from(workers)}) if workers else st.none()),
            "virtual_start_time": st.integers(0, 1_600_000_000_000_000).map(
                lambda micros: datetime.fromtimestamp(micros / 1e6, timezone.utc).isoformat()
            ),
        },
    )
    return {
        "workspaces": [
            {
                "friendly_name": draw(names),
                "multi_task_enabled": True,
                "prioritize_queue_order": draw(st.sampled_from(["FIFO", "LIFO"])),
                "default_activity": draw(activity),
                "timeout_activity": draw(activity),
                "activities": [{"friendly_name": name, "available": draw(st.booleans())} for name in activities],
                "task_channels": task_channels,
                "task_queues": [
                    {
                        "friendly_name": name,
                        "target_workers": draw(st.sampled_from(["1==1", None, "a == 1"])),
                        "max_reserved_workers": draw(st.integers(1, 3)),
                        "task_order": draw(st.sampled_from(["FIFO", "LIFO"])),
                        **draw(st.fixed_dictionaries({}, optional={"reservation_activity": activity})),
                    }
                    for name in queues
                ],
                "workflows": [{"friendly_name": draw(names), "configuration": {"task_routing": routing}}],
                "workers": [
                    {
                        "friendly_name": name,
                        "activity": draw(activity),
                        "attributes": draw(attributes),
                        "channels": draw(
                            st.dictionaries(
                                channel,
                                st.fixed_dictionaries(
                                    {}, optional={"capacity": st.integers(0, 5), "available": st.booleans()}
                                ),
                                max_size=2,
                            )
                        ),
                    }
                    for name in workers
                ],
                "tasks": draw(st.lists(tasks, max_size=3)),
            }
        ]
    }


@settings(max_examples=60, deadline=None)
@given(documents())
def test_an_export_exports_again(document: dict[str, Any]) -> None:
    """Whatever a document says: what is made of it exports to a document that makes the same, through JSON as well."""
    first = export(made(document), tasks=True)
    second = export(made(json.loads(json.dumps(first)), now=NOW + 50), tasks=True)
    assert second == first


def test_a_centre_that_has_been_at_work() -> None:
    """After renames, deletions, escalations and half-done work the export still makes the same again."""
    driver = EngineDriver()
    engine = driver.engine
    available = driver.activity("Available")
    driver.do("CreateActivity", friendly_name="Break")
    for name in ("Unavailable", "Offline"):
        driver.do("UpdateActivity", sid=driver.activity(name), friendly_name=f"{name}!")
    driver.do("DeleteActivity", sid=driver.activity("Unavailable!"))
    driver.do("CreateActivity", friendly_name="Offline")
    flow = engine.workflows(driver.ws)[0].sid
    queue = engine.queues(driver.ws)[0].sid
    filters = [{"expression": "x == 1", "targets": [{"queue": queue, "timeout": 10}, {"queue": queue, "priority": 50}]}]
    configuration = {
        "task_routing": {"filters": filters, "default_filter": {"queue": queue.upper()[:2] + queue[2:].upper()}}
    }
    driver.do("UpdateWorkflow", sid=flow, configuration=json.dumps(configuration))
    driver.do("UpdateTaskQueue", sid=queue, friendly_name="Renamed")
    driver.do("CreateTask", attributes='{"x": 1}')
    driver.advance(20)
    worker = driver.do("CreateWorker", friendly_name="Ann", activity_sid=available).sid
    driver.do("CreateTask", attributes='{"x": 2}', routing_target=worker, ignore_capacity=False, task_queue_sid=queue)
    driver.do("CreateTask", attributes='{"x": 3}', routing_target=queue)
    driver.do("CreateTask", attributes='{"x": 4}', routing_target=flow)
    driver.do("UpdateTaskChannel", task_channel="chat", friendly_name="Chats")
    document = export(engine, tasks=True)
    [shown] = document["workspaces"]
    assert [activity["friendly_name"] for activity in shown["activities"]] == [
        "Offline!",
        "Available",
        "Break",
        "Offline",
    ]
    assert shown["workflows"][0]["configuration"]["task_routing"]["default_filter"] == {"queue": "Renamed"}
    assert [task["priority"] for task in shown["tasks"]] == [50, 0, 0, 0]
    assert [task.get("routing_target") for task in shown["tasks"]] == [
        None,
        {"worker": "Ann"},
        {"task_queue": "Renamed"},
        {"workflow": shown["workflows"][0]["friendly_name"]},
    ]
    again = made(document, now=driver.now + 100)
    assert export(again, tasks=True) == document
    assert "tasks" not in export(engine)["workspaces"][0]


def test_born_activities_are_kept_or_make_room() -> None:
    """Those at the head of the list stay what they were; one that comes later, or is left out, gives way."""
    order = ["Available", "Offline", "Lunch"]
    activities = [{"friendly_name": name, "available": name == "Available"} for name in order]
    engine = made(workspace(activities=activities, default_activity="Lunch"))
    [ws] = engine.workspaces()
    assert [activity.friendly_name for activity in engine.activities(ws.sid)] == order
    assert (ws.default_activity_name, ws.timeout_activity_name) == ("Lunch", "Offline")
    [plain] = made(workspace(timeout_activity="Unavailable")).workspaces()
    assert (plain.default_activity_name, plain.timeout_activity_name) == ("Offline", "Unavailable")


def test_single_tasking() -> None:
    """A workspace of the old kind keeps its activities and is exported with them."""
    document = workspace(
        multi_task_enabled=False,
        task_queues=[{"friendly_name": "Q", "reservation_activity": "Reserved", "assignment_activity": "Busy"}],
    )
    first = export(made(document))
    assert first["workspaces"][0]["task_queues"][0]["assignment_activity"] == "Busy"
    assert export(made(first)) == first


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            workspace(workers=[{"friendly_name": "A", "activity": "Availble"}]),
            "workspaces[0].workers[0].activity: there is no activity 'Availble'; did you mean 'Available'?"
            " There are Offline, Available, Unavailable",
        ),
        (
            workspace(default_activity="Away"),
            "workspaces[0].default_activity: there is no activity 'Away'; there are Offline, Available, Unavailable",
        ),
        (
            workspace(activities=[{"friendly_name": "Away"}]),
            "workspaces[0]: the key 'default_activity' is missing, and there is no activity 'Offline' to take instead",
        ),
        (
            workspace(activities=[{"friendly_name": "Away"}, {"friendly_name": "AWAY"}]),
            "workspaces[0].activities[1]: Activity with the same name already exists: 'AWAY'",
        ),
        (
            workspace(task_queues=[{"friendly_name": "Q", "target_workers": "skills HAS"}]),
            "workspaces[0].task_queues[0]: TargetWorkers",
        ),
        (
            workspace(task_queues=[QUEUE], workflows=[{**FLOW, "task_reservation_timeout": 0}]),
            "workspaces[0].workflows[0]: TaskReservationTimeout must be between 1 and 86400, not 0",
        ),
        (
            workspace(task_queues=[{"friendly_name": "Queue"}], workflows=[FLOW]),
            "workspaces[0].workflows[0].configuration.task_routing.default_filter.queue: there is no task queue 'Q'",
        ),
        (
            workspace(
                workflows=[
                    {
                        "friendly_name": "F",
                        "configuration": {"filters": [{"expression": "1==1", "targets": [{"queue": "Q"}]}]},
                    }
                ]
            ),
            "workspaces[0].workflows[0].configuration.filters[0].targets[0].queue: there is no task queue 'Q'; there",
        ),
        (
            workspace(
                workflows=[
                    {"friendly_name": "F", "configuration": {"task_routing": {"filters": [3, {"targets": [4]}]}}}
                ]
            ),
            "workspaces[0].workflows[0]: Configuration: filter 1 must be a JSON object",
        ),
        (
            workspace(
                workflows=[{"friendly_name": "F", "configuration": {"task_routing": {"default_filter": {"queue": 4}}}}]
            ),
            "workspaces[0].workflows[0]: Configuration: default_filter has no queue",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "channels": {"fax": {"capacity": 1}}}]),
            "workspaces[0].workers[0].channels.fax: there is no task channel 'fax'; there are default, voice",
        ),
        (
            workspace(workers=[{"friendly_name": "A", "channels": {"chat": {"capacity": -1}}}]),
            "workspaces[0].workers[0].channels.chat: Capacity must be between",
        ),
        (
            workspace(workers=[{"friendly_name": "A"}, {"friendly_name": "a"}]),
            "workspaces[0].workers[1]: Worker with the same friendly name already exists",
        ),
        (
            workspace(task_channels=[{"unique_name": "1st"}]),
            "workspaces[0].task_channels[0]: UniqueName '1st' must be of",
        ),
        (workspace(tasks=[{}]), "workspaces[0].tasks[0]: WorkflowSid field is required"),
        (
            workspace(tasks=[{"workflow": "F"}]),
            "workspaces[0].tasks[0].workflow: there is no workflow 'F'; there are none",
        ),
        (
            workspace(tasks=[{"routing_target": {"worker": "A"}}]),
            "workspaces[0].tasks[0].routing_target.worker: there is no worker 'A'; there are none",
        ),
        (
            workspace(task_queues=[QUEUE], workflows=[FLOW], tasks=[{"virtual_start_time": "noon"}]),
            "workspaces[0].tasks[0].virtual_start_time: must be a time such as '2030-01-31T12:00:00+00:00', not",
        ),
        (
            workspace(task_queues=[QUEUE], workflows=[FLOW], tasks=[{"virtual_start_time": "2020-01-01T00:00:00"}]),
            "workspaces[0].tasks[0].virtual_start_time: must be a time such as",
        ),
        (
            workspace(task_queues=[QUEUE], workflows=[FLOW], tasks=[{"virtual_start_time": "2999-01-01T00:00:00Z"}]),
            "workspaces[0].tasks[0]: VirtualStartTime must not be in the future",
        ),
    ],
)
def test_faults(document: dict[str, Any], said: str) -> None:
    """What only the engine can find wrong has its place in the document, too."""
    with pytest.raises(SeedError) as refused:
        rehearse(check(document), Engine(account_sid="AC1"), NOW)
    assert str(refused.value).startswith(said), str(refused.value)


def test_a_target_that_is_gone_is_left_out() -> None:
    """A task meant for a worker who was deleted is exported without that."""
    driver = EngineDriver()
    worker = driver.do("CreateWorker", friendly_name="Ann").sid
    task = driver.do("CreateTask", routing_target=worker, ignore_capacity=False).sid
    driver.do("DeleteWorker", sid=worker)
    found = [each for each in driver.engine.tasks(driver.ws) if each.sid == task and not each.final]
    shown = export(driver.engine, tasks=True)["workspaces"][0]["tasks"]
    assert len(shown) == len(found)
    assert all("routing_target" not in each for each in shown)


def test_the_engine_is_only_asked() -> None:
    """A rehearsal and an export change nothing."""
    driver = EngineDriver()
    driver.apply(commands.AdvanceTime())
    before = driver.engine.state_digest()
    rehearse(export(driver.engine, tasks=True), Engine(account_sid="AC1"), NOW)
    assert driver.engine.state_digest() == before
