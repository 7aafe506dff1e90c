"""The official JS SDK under remote control: a Node process that runs js/driver.js."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from twilio_taskrouter_worker.local import LocalTaskRouter

NODE_MODULES = os.environ.get("TASKROUTER_TEST_NODE_MODULES", "")
DRIVER = Path(__file__).parent / "js" / "driver.js"

needs_js_sdk = pytest.mark.skipif(
    shutil.which("node") is None or not (Path(NODE_MODULES or "/nowhere") / "twilio-taskrouter").is_dir(),
    reason="needs node, and TASKROUTER_TEST_NODE_MODULES naming a node_modules with twilio-taskrouter in it",
)

Report = dict[str, Any]


class JsSdk:
    """A Node process with the SDK in it; reports come in through a thread of their own."""

    def __init__(self, router: LocalTaskRouter, timeout: float = 60.0) -> None:
        self.router = router
        self.timeout = timeout
        self.reports: list[Report] = []
        # Guards the reports; notified at each one.
        self._changed = threading.Condition()
        self._ids = itertools.count(1)
        environment = {**os.environ, "NODE_PATH": NODE_MODULES}
        self._process = subprocess.Popen(
            ["node", str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        self._reader = threading.Thread(target=self._read, name="tool-js-reports", daemon=True)
        self._reader.start()

    def __enter__(self) -> JsSdk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait(self.timeout)
        self._reader.join(self.timeout)
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        if kind is None:
            uncaught = [report["message"] for report in self.reports if report.get("event") == "uncaught"]
            assert not uncaught, uncaught

    def connect(self, name: str, worker_sid: str | None, *, role: str = "worker", **options: Any) -> Report:
        """Make a Worker (or Supervisor) and return its report of being ready."""
        kind = {"worker": "Worker", "supervisor": "Supervisor", "admin": "Workspace"}[role]
        token = options.pop("token", None) or self.router.token(worker_sid or "", role=role)
        connection = self.router.connection
        self.ask(
            do="connect",
            **{"as": name},
            kind=kind,
            token=token,
            options={"ebServer": connection["eb_server"], "wsServer": connection["ws_server"], **options},
        )
        return self.wait(name, "ready") if role != "admin" else {}

    def call(self, name: str, method: str, *args: Any, **where: Any) -> Any:
        """Call a method of the SDK, and return what its promise resolves to; RuntimeError has a rejection's text."""
        return self.ask(do="call", **{"as": name}, method=method, args=list(args), **where)

    def look(self, name: str) -> Report:
        """Return what a worker knows now."""
        seen: Report = self.ask(do="look", **{"as": name})
        return seen

    def ask(self, **command: Any) -> Any:
        """Send one command and return its value."""
        number = next(self._ids)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, **command}) + "\n")
        self._process.stdin.flush()
        report = self.wait_for(lambda report: report.get("id") == number, f"the answer to {command.get('method')}")
        if "error" in report:
            raise RuntimeError(report["error"])
        return report["value"]

    def wait(self, name: str, event: str, where: Callable[[Report], bool] = lambda report: True) -> Report:
        """Wait for an event of one actor that was not waited for before, and return its report."""
        return self.wait_for(
            lambda report: report.get("as") == name and report.get("event") == event and where(report),
            f"{event} of {name}",
        )

    def wait_for(self, wanted: Callable[[Report], bool], what: str) -> Report:
        """Wait for a report that was not waited for before."""
        found: list[Report] = []

        def arrived() -> bool:
            found[:] = [report for report in self.reports if not report.get("used") and wanted(report)]
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(arrived, self.timeout):
                shown = [report.get("event") or report for report in self.reports]
                raise AssertionError(f"{what} did not come; there were {shown}")
            found[0]["used"] = True
        return found[0]

    def events(self, name: str) -> list[str]:
        """Return the events of one actor so far, in order."""
        with self._changed:
            return [report["event"] for report in self.reports if report.get("as") == name and "event" in report]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.reports.append(json.loads(line))
                self._changed.notify_all()
