"""Running ``taskrouter`` as a person or a script would: in a process of its own, bounded in time."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.tools.programs import heed_interrupts

ROOT = Path(__file__).resolve().parents[3]
BOUND_SECONDS = 100.0
"""Far more than anything here takes; a hang ends here, with a message."""


def environment(**more: str) -> dict[str, str]:
    """The environment for a process that uses the package of this checkout, without this terminal's own wishes."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "TERM": "xterm-256color", **more}


def command_line(*arguments: str) -> list[str]:
    """The command with these arguments; warnings are errors in it, as they are in the tests."""
    return [sys.executable, "-W", "error", "-m", "twilio_taskrouter_worker.cli", *arguments]


def taskrouter(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed; ``more`` goes to its environment."""
    return subprocess.run(
        command_line(*arguments),
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )


class Running:
    """A program that goes on until it is told to stop; a context manager that leaves no process behind."""

    def __init__(self, arguments: list[str], **popen: Any) -> None:
        self.process = subprocess.Popen(
            arguments,
            env=popen.pop("env", None) or environment(PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
            **popen,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="test-stdout-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def line(self) -> str:
        """Return the next line of standard output; fail if it ends, or stays silent for too long."""
        line = self._lines.get(timeout=BOUND_SECONDS)
        if line is None:
            assert self.process.stderr is not None
            raise AssertionError(f"the program ended: {self.process.stderr.read()}")
        return line.rstrip("\n")

    def lines_until(self, last: str) -> list[str]:
        """Return the lines up to and including the first that begins with ``last``."""
        lines = [self.line()]
        while not lines[-1].startswith(last):
            lines.append(self.line())
        return lines

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal and return the exit code and what stands on standard error."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=BOUND_SECONDS)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=BOUND_SECONDS)
        self._reader.join(timeout=BOUND_SECONDS)
        assert self.process.stdout is not None and self.process.stderr is not None
        # A child of the program that outlived it holds the pipe open, and closing would wait for the reader for ever.
        assert not self._reader.is_alive(), "a child of the program outlived it"
        self.process.stdout.close()
        self.process.stderr.close()
