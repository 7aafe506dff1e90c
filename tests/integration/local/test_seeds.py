"""Seed files and a running service: begin with one, load one, export to one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

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
    """A seed file beside a file that has something in it changes nothing, and the log says that it is not looked at."""
    db = tmp_path / "kept.db"
    with LocalTaskRouter(db=db):
        pass
    assert "seed file" not in caplog.text
    with caplog.at_level(logging.WARNING, LOG), LocalTaskRouter(db=db, seed_file=SEED_FILE) as router:
        assert list(router.activities) == ["Offline", "Available", "Unavailable"]
    assert "kept.db goes on with what is in it: the seed file is not looked at" in caplog.text


def test_loaded_beside_what_is_there(router: LocalTaskRouter) -> None:
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
