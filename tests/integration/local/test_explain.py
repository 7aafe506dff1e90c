"""Why a task is where it is, as LocalTaskRouter tells it: for a person and for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.rest_client import LocalHttpClient, client_of
from twilio_taskrouter_worker.errors import NotFoundError
from twilio_taskrouter_worker.local import LocalTaskRouter

SEED_FILE = Path(__file__).resolve().parents[3] / "examples" / "seed.yaml"


@pytest.fixture
def centre() -> Iterator[LocalTaskRouter]:
    """The contact centre of the example, without its tasks."""
    with LocalTaskRouter(seed_file=SEED_FILE, clock="virtual") as router:
        router.clock.advance(86400 + 301)
        yield router


def test_everybody_and_everything_has_a_verdict(centre: LocalTaskRouter) -> None:
    """Each filter, target, queue and worker is there, with the failing part of an expression and its actual value."""
    sid = centre.create_task({"language": "es"}, workflow_sid=centre.workflow_sid)
    data = centre.explain(sid).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["task_sid"], data["route"]) == (sid, "workflow")
    assert [each["label"] for each in data["filters"]] == ["Spanish speakers", "default_filter"]
    assert data["filters"][0]["matched"]["result"] is True and data["filters"][0]["current"]
    assert [target["queue_name"] for target in data["filters"][0]["targets"]] == ["Spanish", "Spanish", "Everyone"]
    assert {queue["friendly_name"]: queue["members"] for queue in data["queues"]} == {"Everyone": 2, "Spanish": 1}
    workers = {worker["friendly_name"]: worker for worker in data["workers"]}
    failed = [check["detail"] for check in workers["Bob"]["checks"] if not check["passed"]]
    assert any('languages HAS "es"' in detail and '["en"]' in detail for detail in failed)
    assert any("worker.level >= 2" in detail and "worker.level is 1" in detail for detail in failed)


def test_the_text_says_the_same(centre: LocalTaskRouter) -> None:
    """A person reads the answer first, then the reasons."""
    sid = centre.create_task({"language": "fr"}, workflow_sid=centre.workflow_sid)
    explanation = centre.explain(sid)
    lines = str(explanation).splitlines()
    assert lines[0].startswith(f"Task {sid} (") and explanation.summary in lines[0]
    assert any('expression is false: language == "es"' in line and '"fr"' in line for line in lines)
    assert any(line.strip().startswith("Bob (Lunch): ") and "Lunch is not an available one" in line for line in lines)


def test_offers_so_far(centre: LocalTaskRouter) -> None:
    """What became of earlier offers is part of the story."""
    alice = next(worker.sid for worker in centre.workers() if worker.friendly_name == "Alice")
    sid = centre.create_task({"language": "en"}, routing_target=alice)
    centre.clock.advance(30)
    explanation = centre.explain(sid)
    assert [(offer.worker_name, offer.status) for offer in explanation.offers] == [("Alice", "timeout")]
    assert "it was canceled" in explanation.summary


def test_no_attributes_in_a_repr(centre: LocalTaskRouter) -> None:
    """Values are shown where they are asked for, and not where a log would pick them up."""
    sid = centre.create_task({"language": "confidential"}, workflow_sid=centre.workflow_sid)
    explanation = centre.explain(sid)
    assert "confidential" in str(explanation)
    assert "confidential" not in repr(explanation)


def test_a_task_that_is_not_there(centre: LocalTaskRouter) -> None:
    """There is nothing to explain about it, nor about a worker's sid or what is not a sid."""
    missing = "WT" + "0" * 32
    for ask in (centre.explain, centre.task, centre.worker):
        with pytest.raises(NotFoundError, match=f"'{missing}' was not found in any workspace"):
            ask(missing)
    with pytest.raises(NotFoundError, match="was not found"):
        centre.explain(centre.workers()[0].sid)
    with pytest.raises(TypeError, match="The sid of a task must be a string, not NoneType"):
        centre.explain(None)  # type: ignore[arg-type]


def test_sids_of_another_workspace_are_found(centre: LocalTaskRouter) -> None:
    """A task and a worker of the second workspace are found by their sids alone, in either case of letters."""
    http = LocalHttpClient(centre)
    other = client_of(centre, http).taskrouter.v1.workspaces.create(friendly_name="Second", template="FIFO")
    worker = other.workers.create(friendly_name="Cy").sid
    task = other.tasks.create(attributes="{}").sid
    http.close()
    assert centre.worker(worker).workspace_sid == other.sid
    assert centre.task(task[:2] + task[2:].upper()).workspace_sid == other.sid
    assert centre.explain(task).task_sid == task
