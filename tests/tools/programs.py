"""Programs in processes of their own: bounded in time, with their output in a file, and none left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.tools.wait import eventually

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 50.0
"""Seconds that anything may take on a loaded machine."""


def heed_interrupts() -> None:
    """Let SIGINT interrupt a new process: where the tests run in the background of a shell, it is ignored in them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A running program, with all processes of its group; a context manager that ends them.

    ``arguments`` are those of ``python -m``, or begin with the path of a program. The package comes from this checkout,
    everything else from ``folder``.
    """

    def __init__(self, *arguments: str, folder: Path, log: Path, **environment: str) -> None:
        self.log = log
        path = os.pathsep.join((str(ROOT), str(folder)))
        # To a file, not a pipe: a program that prints more than a pipe holds would block until somebody reads.
        with log.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                arguments if os.path.isabs(arguments[0]) else [sys.executable, "-m", *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own, so that a signal to this test run does not reach it, and its children can be found
                # at the end.
                start_new_session=True,
                preexec_fn=heed_interrupts,
            )

    def said(self) -> str:
        """Everything that it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, count: int = 1) -> str:
        """Wait until it has printed a text as often as ``count``; return the pattern's first group of the last one."""

        def found() -> list[str]:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"
            matches = re.findall(pattern, self.said())
            return matches if len(matches) >= count else []

        return eventually(found, PATIENCE, lambda: f"{pattern!r} was not printed: {self.said()}")[-1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send its first process a signal and return its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end: {self.said()}") from None

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Its children may outlive it, so the group is ended in any case.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(timeout=PATIENCE)
