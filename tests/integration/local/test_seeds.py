"""Seed files and a running service: begin with one, load one, export to one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.interop.rest_client import LocalHttpClient, client_of
from tests.tools.wait import no_leftover_threads
from twilio_taskrouter_worker.errors import SeedError, StateError
from twilio_taskrouter_worker.local import LocalTaskRouter

LOG = "twilio_taskrouter_worker.local"
SEED_FILE = Path(__file__).resolve().parents[3] / "examples" / "seed.yaml"


def digest(router: LocalTaskRouter) -> str:
    """Everything later behaviour depends on, in one text."""
    return router._ask(lambda engine: engine.state_digest())


def test_the_example_is_what_it_says() -> None:
    """The documentation's example makes its workspace, and its first task goes to the best Spanish speaker."""
    with LocalTaskRouter(seed_file=SEED_FILE) as router:
        assert list(router.activities) == ["Offline", "Available", "Lunch"]
        assert [worker.friendly_name for worker in router.workers()] == ["Alice", "Bob"]
        [offered, e_mail] = router.reservations()
        assert offered.worker_name == e_mail.worker_name == "Alice"
        assert router.task(offered.task_sid).task_queue_friendly_name == "Spanish"
        assert (router.workflow_sid[:2], router.task_queue_sid[:2]) == ("WW", "WQ")


@pytest.mark.parametrize("name", ["out.yaml", "out.json"])
def test_exported_and_loaded(tmp_path: Path, name: str) -> None:
    """What a service exports makes another service that exports the same."""
    with LocalTaskRouter(seed_file=SEED_FILE) as router:
        document = router.export(tmp_path / name, tasks=True)
        assert len(document["workspaces"][0]["tasks"]) == 2
    with LocalTaskRouter(seed_file=tmp_path / name) as router:
        assert router.export(tasks=True) == document


def test_a_file_that_goes_on_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A seed file beside a file that has something in it changes nothing, and the log says that it is ignored."""
    db = tmp_path / "kept.db"
    with LocalTaskRouter(db=db):
        pass
    assert "seed file" not in caplog.text
    with caplog.at_level(logging.WARNING, LOG), LocalTaskRouter(db=db, seed_file=SEED_FILE) as router:
        assert list(router.activities) == ["Offline", "Available", "Unavailable"]
    assert "kept.db exists already: the seed file is ignored" in caplog.text


def test_loading_keeps_existing_workspaces(router: LocalTaskRouter) -> None:
    """Loading adds workspaces; those that are there stay, and the first one is still the one of the shortcuts."""
    before = router.workspace_sid
    document = router.export()
    [sid] = router.load(SEED_FILE)
    assert (router.workspace_sid, sid[:2]) == (before, "WS")
    names = [workspace["friendly_name"] for workspace in router.export()["workspaces"]]
    assert names == ["Local Workspace", "Support"]
    assert len(router.load(document)) == 1


@pytest.mark.parametrize(
    "source",
    [
        {"workspaces": [{"friendly_name": "Good"}, {"friendly_name": "Bad", "workers": [{}]}]},
        {"workspaces": [{"friendly_name": "Good"}, {"friendly_name": "Bad", "task_queues": [{"friendly_name": ""}]}]},
        "nowhere.json",
    ],
)
def test_all_or_nothing(router: LocalTaskRouter, source: Any) -> None:
    """A document with a fault at its end has not begun to be made."""
    before = digest(router)
    with pytest.raises(SeedError):
        router.load(source)
    assert digest(router) == before


def test_a_bad_seed_file_is_found_at_the_start(tmp_path: Path) -> None:
    """The service does not start, and nothing is left: no thread, no file."""
    path = tmp_path / "seed.json"
    path.write_text('{"workspaces": [{"friendly_name": "W", "tasks": [{}]}]}')
    with no_leftover_threads(), pytest.raises(SeedError, match=r"workspaces\[0\].tasks\[0\]: WorkflowSid"):
        LocalTaskRouter(seed_file=path, db=str(tmp_path / "state.db")).start()
    assert [each.name for each in tmp_path.iterdir()] == ["seed.json"]


def test_a_file_that_has_something_goes_on_with_that(tmp_path: Path) -> None:
    """With a db the seed file is for the first start; later ones do not even look for it."""
    db = str(tmp_path / "state.db")
    with LocalTaskRouter(seed_file=SEED_FILE, db=db) as router:
        router.add_worker("Carol")
        sid = router.workspace_sid
    with LocalTaskRouter(seed_file=tmp_path / "gone.yaml", db=db) as router:
        assert router.workspace_sid == sid
        assert [worker.friendly_name for worker in router.workers()] == ["Alice", "Bob", "Carol"]


def test_a_workspace_without_queues(router: LocalTaskRouter, tmp_path: Path) -> None:
    """The shortcuts say what is missing instead of failing somewhere inside."""
    path = tmp_path / "seed.json"
    path.write_text('{"workspaces": [{"friendly_name": "W"}]}')
    with LocalTaskRouter(seed_file=path) as bare:
        with pytest.raises(StateError, match="has no workflow"):
            _ = bare.workflow_sid
        with pytest.raises(StateError, match="has no task queue"):
            _ = bare.task_queue_sid


LIVE = {
    "task_routing": {
        "filters": [
            {
                "filter_friendly_name": "Spanish",
                "expression": "*(language == 'es')",
                "targets": [
                    {"queue": f"WQ{'A1' * 16}", "timeout": "30", "priority": "5", "expression": "", "skip_if": None},
                    {"queue": f"WQ{'b2' * 16}", "order_by": "", "known_worker_sid": ""},
                ],
            }
        ],
        "default_filter": {"queue": f"WQ{'c3' * 16}"},
    }
}
"""A configuration as a live account exports it: sids of its own, numbers as text, empty and null fields."""


@pytest.mark.parametrize("indent", [None, 4])
def test_a_configuration_of_a_live_account_is_a_seed_file(tmp_path: Path, indent: int | None) -> None:
    """It loads as it is, routes, and comes back from the service as it would from the live one."""
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(LIVE, indent=indent))
    with LocalTaskRouter(seed_file=file) as router:
        http = LocalHttpClient(router)
        workspace = client_of(router, http).taskrouter.v1.workspaces(router.workspace_sid)
        (workflow,) = workspace.workflows.list()
        assert workflow.configuration == json.dumps(LIVE, separators=(",", ":"))
        assert {queue.sid for queue in workspace.task_queues.list()} == {
            f"WQ{pair * 16}" for pair in ("a1", "b2", "c3")
        }
        http.close()
        task = router.task(router.create_task({"language": "es"}))
        assert (task.task_queue_sid, task.priority) == (f"WQ{'a1' * 16}", 5)


def test_a_seed_names_queues_by_their_sids(router: LocalTaskRouter) -> None:
    """In a seed a configuration may be text, and a queue have the sid that it names; a sid is there once."""
    sid = f"WQ{'d4' * 16}"
    queue: dict[str, Any] = {"friendly_name": "Spanish", "sid": sid, "target_workers": None}
    workflow = {
        "friendly_name": "W",
        "configuration": json.dumps({"task_routing": {"default_filter": {"queue": sid}}}),
    }
    seed = {"workspaces": [{"friendly_name": "Live", "task_queues": [queue], "workflows": [workflow]}]}
    router.load(seed)
    with pytest.raises(SeedError, match=f"TaskQueue {sid} exists already"):
        router.load(seed)
    assert len(router._ask(lambda engine: engine.workspaces())) == 2, "nothing of it is there"
    queue["sid"] = "WQ1"
    with pytest.raises(SeedError, match="'WQ1' is not a sid of a task queue"):
        router.load(seed)
    queue.pop("sid")
    with pytest.raises(SeedError, match="there is no task queue"):
        router.load(seed)
    workflow["configuration"] = "{"
    with pytest.raises(SeedError, match="configuration: not valid JSON"):
        router.load(seed)
