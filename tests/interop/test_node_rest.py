"""REST through clients from npm that nobody here wrote: the helper library, new and old, and the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from twilio_taskrouter_worker.local import LocalTaskRouter

NODE_MODULES = Path(os.environ.get("TASKROUTER_TEST_NODE_MODULES") or "/nowhere")
SCRIPTS = Path(__file__).parent / "js"
SECONDS = 200


def package(name: str) -> str:
    """The name of an npm package, or skip the test where it is not installed."""
    if shutil.which("node") is None or not (NODE_MODULES / name).is_dir():
        pytest.skip(f"needs node, and TASKROUTER_TEST_NODE_MODULES naming a node_modules with {name} in it")
    return name


def node(router: LocalTaskRouter, command: Sequence[str], **more: str) -> str:
    """What a program prints that takes the router for taskrouter.twilio.com."""
    environment = {
        **os.environ,
        "NODE_PATH": str(NODE_MODULES),
        "NODE_OPTIONS": f"--no-deprecation --require {SCRIPTS / 'redirect.js'}",
        "TASKROUTER_TEST_URL": router.url,
        **more,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(4 * SECONDS)
@pytest.mark.parametrize("name", ["twilio", "twilio-3.0.0"])
def test_helper_library(router: LocalTaskRouter, name: str) -> None:
    """A task's day, with lists over several pages, statistics, and refusals that become exceptions.

    ``twilio-3.0.0`` is the package of that version under another name; it sends its forms as multipart.
    """
    script = [package(name), router.account_sid, router.auth_token, router.workspace_sid, router.workflow_sid]
    seen = json.loads(node(router, ["node", str(SCRIPTS / "rest.js"), *script, router.activities["Available"]]))
    [worker] = router.workers()
    task = router.tasks()[0]
    refused = seen.pop("refused")
    assert refused[:2] == [400, 20001]
    assert f"Cannot wrap up a task {task.sid}" in refused[2]
    assert seen == {
        "workspace": "Local Workspace",
        "worker": ["Zoë & Co. = 100%", '{"languages":["en","es"],"contact_uri":"client:zoe"}', True],
        "capacity": 3,
        "listed": [0, 1, 2, 3],
        "offered": ["pending", True],
        "accepted": "accepted",
        "done": ["completed", "solved"],
        "events": [
            "workflow.entered", "task-queue.entered", "task.created", "workflow.target-matched", "reservation.created",
            "reservation.accepted", "task.completed", "reservation.completed", "task.updated",
        ],
        "waiting": 3,
        "deleted": True,
        "missing": [404, 20404],
    }  # fmt: skip
    assert worker.friendly_name == "Zoë & Co. = 100%"


@pytest.mark.timeout(4 * SECONDS)
def test_command_line(router: LocalTaskRouter, tmp_path: Path) -> None:
    """Twilio's own command line makes, lists, changes and removes."""
    package("twilio-cli")

    def twilio(*arguments: str) -> Any:
        printed = node(
            router,
            [str(NODE_MODULES / ".bin" / "twilio"), *arguments, "-o", "json"],
            HOME=str(tmp_path),
            TWILIO_ACCOUNT_SID=router.account_sid,
            TWILIO_AUTH_TOKEN=router.auth_token,
        )
        return json.loads(printed) if printed.strip() else None

    workspace = ("--workspace-sid", router.workspace_sid)
    api = "api:taskrouter:v1:workspaces"
    assert [each["friendlyName"] for each in twilio(f"{api}:list")] == ["Local Workspace"]
    [made] = twilio(
        f"{api}:workers:create",
        *workspace,
        "--friendly-name",
        "Alice",
        "--activity-sid",
        router.activities["Available"],
    )
    assert made["sid"] == router.workers()[0].sid
    twilio(f"{api}:tasks:create", *workspace, "--workflow-sid", router.workflow_sid, "--attributes", '{"from":"cli"}')
    [task] = router.tasks()
    assert task.attributes == '{"from":"cli"}'
    [listed] = twilio(f"{api}:tasks:list", *workspace)
    assert (listed["sid"], listed["assignmentStatus"]) == (task.sid, "reserved")
    twilio(f"{api}:tasks:remove", *workspace, "--sid", task.sid)
    assert router.tasks() == []
