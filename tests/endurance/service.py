"""A local TaskRouter with a file, in a process of its own, which can be stopped and started again on the same port."""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from tests.chaos.ledger import Fact, tap
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules
from twilio_taskrouter_worker.local import router as router_module
from twilio_taskrouter_worker.local.server.events.facts import Facts
from twilio_taskrouter_worker.tokens import create_worker_token

PURGE_SECONDS = 120.0
"""Ended tasks stay for longer than a silence and the way back, so that no end becomes unknowable."""

LASTING_SECONDS = 86_400
"""How long tokens that are not renewed are valid: longer than any run, or their workers end as it ends."""

BEAT_SECONDS = 0.1
"""How often the process reports the time up to which its facts are complete."""
START_SECONDS = 60.0

KEPT_FACTS = 5_000
"""Facts for statistics: fewer than usual, so that they have reached their limit before growth is judged."""

Report = Callable[[float, str, Any], None]
"""Receives the time (monotonic, one clock for both processes), ``opened``, ``happened`` or ``beat``, and the fact."""


class RemoteRouter:
    """What lanes and traffic use of a LocalTaskRouter. Methods it does not have itself run in the other process.

    Args:
        folder: Where the file is kept.
        report: Receives what the service does, on a thread of this object.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self._db = folder / "service.db"
        self._report = report
        self._generations = itertools.count()
        # One request at a time; held during a restart, so that requests wait for it.
        self._lock = threading.RLock()
        self._port = 0
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> RemoteRouter:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, and wait until it answers."""
        spawn = multiprocessing.get_context("spawn")
        self._control, control = spawn.Pipe()
        facts, sent = spawn.Pipe(duplex=False)
        self._process = spawn.Process(target=serve, args=(self._port, str(self._db), control, sent), daemon=True)
        self._process.start()
        # Only the process has them now, so that its end is the end of the streams here.
        control.close()
        sent.close()
        self._reader = threading.Thread(target=self._read, args=(facts, next(self._generations)), name="tool-facts")
        self._reader.start()
        if not self._control.poll(START_SECONDS):
            raise AssertionError("the service did not start")
        self.facts = self._control.recv()
        self._port = self.facts["port"]

    def stop(self) -> None:
        """Stop the service in good order, and wait until its process has ended."""
        with self._lock:
            self._control.send(None)
            self._process.join(START_SECONDS)
            assert self._process.exitcode == 0, f"the service ended with {self._process.exitcode}"
            self._reader.join(START_SECONDS)
            self._control.close()
            self._process.close()

    def restart(self) -> None:
        """Stop it, and start it again from its file."""
        with self._lock:
            self.stop()
            self.start()

    def run(self, function: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        """Call a function of a module in the process, with the LocalTaskRouter as its first argument."""
        with self._lock:
            self._control.send((function, args, fields))
            good, value = self._control.recv()
        if not good:
            raise value
        return value

    def token(self, worker_sid: str, ttl: int = LASTING_SECONDS) -> str:
        """Return a token, which is signed here: it is needed during a restart, too."""
        account, key, secret, workspace = self.facts["key"]
        return create_worker_token(account, key, secret, workspace, worker_sid, ttl=ttl)

    def __getattr__(self, name: str) -> Any:
        if name in self.facts:
            return self.facts[name]
        return partial(self.run, call_method, name)

    def _read(self, facts: Connection, generation: int) -> None:
        with facts:
            while True:
                try:
                    at, kind, fact = facts.recv()
                except EOFError:
                    return
                if kind == "opened":
                    fact = (generation, fact[0]), fact[1]
                elif kind == "happened":
                    fact = [dataclasses.replace(each, sessions=_keys(generation, each)) for each in fact]
                self._report(at, kind, fact)


def _keys(generation: int, fact: Fact) -> tuple[Any, ...]:
    return tuple((generation, key) for key in fact.sessions)


def call_method(router: LocalTaskRouter, name: str, *args: Any, **fields: Any) -> Any:
    """Call a method of the router by its name; runs in its process."""
    return getattr(router, name)(*args, **fields)


def serve(port: int, db: str, control: Connection, facts: Connection) -> None:
    """Run the service until it is told to stop; the main function of its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lock, over = threading.Lock(), threading.Event()
    open_service = vars(router_module)["open_service"]

    def report(kind: str, fact: Any) -> None:
        with lock:
            # The time is taken under the lock: a beat says that all before it has been sent.
            facts.send((time.monotonic(), kind, fact))

    def opened(*args: Any) -> Any:
        # Before the timers that were due meanwhile: what they do counts, too.
        found = open_service(*args)
        found.service.facts = Facts(KEPT_FACTS)
        tap(found.service, lambda key, sid: report("opened", (key, sid)), lambda those: report("happened", those))
        return found

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            report("beat", None)

    with (
        mock.patch.object(router_module, "open_service", opened),
        LocalTaskRouter(port=port, db=db, rules=Rules(purge_finished_after=PURGE_SECONDS)) as running,
    ):
        control.send(_facts_of(running))
        beats = threading.Thread(target=beat)
        beats.start()
        while (asked := control.recv()) is not None:
            function, args, fields = asked
            try:
                answer = True, function(running, *args, **fields)
            except Exception as error:
                answer = False, error
            control.send(answer)
    over.set()
    beats.join()


def _facts_of(running: LocalTaskRouter) -> dict[str, Any]:
    return {
        "url": running.url,
        "port": int(running.url.rpartition(":")[2]),
        "workspace_sid": running.workspace_sid,
        "workflow_sid": running.workflow_sid,
        "task_queue_sid": running.task_queue_sid,
        "activities": dict(running.activities),
        "key": (running.account_sid, running.signing_key_sid, running.signing_key_secret, running.workspace_sid),
    }
