"""The JavaScript that ``taskrouter local`` prints runs as pasted, with the official SDK."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.cli.commands import Running
from twilio_taskrouter_worker.cli.snippets import js_snippet
from twilio_taskrouter_worker.local import LocalTaskRouter

NODE_MODULES = os.environ.get("TASKROUTER_TEST_NODE_MODULES", "")


@pytest.mark.skipif(
    shutil.which("node") is None or not (Path(NODE_MODULES or "/nowhere") / "twilio-taskrouter").is_dir(),
    reason="needs node, and TASKROUTER_TEST_NODE_MODULES naming a node_modules with twilio-taskrouter in it",
)
def test_js_snippet_runs_as_pasted(tmp_path: Path) -> None:
    """The pasted worker goes to Available, is offered the task that waits for it, and completes it."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES, target_is_directory=True)
    with LocalTaskRouter() as router:
        sid = router.add_worker("Alice", activity="Offline")
        facts = {**router.connection, "activities": dict(router.activities), "token": router.token(sid)}
        # A listener of the test's own, beside the pasted code: it tells when the service's last word arrived.
        heard = '\nworker.on("reservationCreated", (r) => r.on("completed", () => console.log("completed")));\n'
        (tmp_path / "worker.js").write_text(js_snippet(facts) + heard, encoding="utf-8")
        router.create_task(attributes={"order": 1})
        with Running(["node", str(tmp_path / "worker.js")], cwd=tmp_path) as worker:
            lines = worker.lines_until("completed")
    assert any(re.match(r"offered \{ order: 1 \}", line) for line in lines), lines
