"""A worker's program that is killed at random moments and started again, while tasks flow; and what must be left.

    python -m tests.chaos.restarts --rounds 500          (about ten minutes; exit code 1 on any loss)
    python -m tests.chaos.restarts --rounds 20 --seed 7  (the same moments again, as far as a machine allows)

The program is ``shop.py``, the pattern that README and quickstart teach; the local TaskRouter runs in a process of its
own and goes on. In a round the program is started, runs for a random time, and gets SIGKILL or SIGTERM; then, sometimes
after a pause in which reservations time out, it is started again. In the end, or after Ctrl-C, it runs until all tasks
are completed. Checked are:

- every task was completed, once, with the reason that its handler gave, and by a handler that had done its work;
- no reservation and no task is left open: no worker is stuck;
- the program that got SIGTERM ended by itself with exit code 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from tests.chaos import shop
from tests.chaos.crash import ROOT, Client, Service
from tests.tools.wait import eventually

RESERVATION_SECONDS = 5
OPEN_TASKS = 12
"""How many tasks wait or are worked on at a time."""
LAST_RUN_SECONDS = 120.0


@attrs.define
class Figures:
    """What a whole run came to."""

    rounds: int = 0
    killed: int = 0
    terminated: int = 0
    readies: int = 0
    tasks: int = 0
    runs: int = 0
    timeouts: int = 0
    losses: list[str] = attrs.Factory(list)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"rounds                     {self.rounds}",
                f"SIGKILL, SIGTERM           {self.killed}, {self.terminated}",
                f"times the worker was ready {self.readies}",
                f"tasks                      {self.tasks}, each completed once unless listed below",
                f"runs of the handler        {self.runs}: {self.runs - self.tasks} tasks were taken up again",
                f"reservations timed out     {self.timeouts}",
                f"losses                     {len(self.losses)}",
                *(f"  {loss}" for loss in self.losses[:20]),
            ]
        )


class Orders:
    """Creates tasks, so that there are always some; a thread of its own."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.sids: dict[str, int] = {}
        """Number of the order by the sid of its task."""
        self._client = Client(facts)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="restarts-orders")
        self._problems: list[BaseException] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Create no more."""
        self._stop.set()
        self._thread.join(30)
        self._client.close()
        if self._problems:
            raise self._problems[0]

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.02):
                waiting = self._client.get("/Tasks", AssignmentStatus="pending,reserved,assigned", PageSize=100)
                for _ in range(OPEN_TASKS - len(waiting["tasks"])):
                    number = len(self.sids)
                    answer = self._client.rest("POST", "/Tasks", Attributes=json.dumps({"order": number}))
                    assert answer.status_code == 201, answer.text
                    self.sids[answer.json()["sid"]] = number
        except BaseException as error:
            self._problems.append(error)


class Program:
    """One run of the program."""

    def __init__(self, facts: dict[str, Any], folder: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.shop", json.dumps(facts), folder],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        self._signaled = False

    def wait_until_ready(self) -> None:
        """Wait until its worker is ready."""
        pid = str(self._process.pid)
        eventually(lambda: pid in _lines(self._folder, "readies"), 60.0, "the program did not become ready")

    def end(self, number: signal.Signals) -> str:
        """Send a signal, wait for the end, and say what was wrong with it; empty: nothing."""
        self._process.send_signal(number)
        try:
            _, said = self._process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return "the program did not end within 90 s of its signal"
        code = self._process.returncode
        if number is signal.SIGTERM and code not in (0, -signal.SIGTERM):
            return f"SIGTERM ended the program with exit code {code}: {said.decode()[-2000:]}"
        # -SIGTERM: it had not come as far as run_forever() yet.
        return ""


def run(rounds: int, seed: int, folder: str, progress: Callable[[str], None] = lambda line: None) -> Figures:
    """Do so many rounds, and return what they came to."""
    chance = random.Random(seed)
    pause = threading.Event()
    figures = Figures()
    os.mkdir(os.path.join(folder, "orders"))
    service = Service(None)
    try:
        facts = prepare(service.ready().facts)
        orders = Orders(facts)
        log = Log(facts)
        orders.start()
        try:
            for number in range(rounds):
                _round(facts, folder, chance, pause, figures)
                log.read()
                progress(f"round {number + 1}: {len(orders.sids)} tasks, {len(figures.losses)} losses")
        except KeyboardInterrupt:
            progress("interrupted: no more rounds, but the checks")
        finally:
            orders.finish()
        figures.losses += _last_run(facts, folder)
        log.check(orders.sids, figures)
        _check_work(folder, orders.sids, figures)
    finally:
        service.kill()
    return figures


def prepare(facts: dict[str, Any]) -> dict[str, Any]:
    """Set up the workspace; return the facts with the worker that the program is for."""
    client = Client(facts)
    try:
        path = f"/Workflows/{facts['workflow_sid']}"
        assert client.rest("POST", path, TaskReservationTimeout=RESERVATION_SECONDS).status_code == 200
        worker = client.rest("POST", "/Workers", FriendlyName="Shop").json()
        channel = f"/Workers/{worker['sid']}/Channels/default"
        assert client.rest("POST", channel, Capacity=shop.CONCURRENCY).status_code == 200
        return {**facts, "worker_sid": worker["sid"]}
    finally:
        client.close()


def _round(facts: dict[str, Any], folder: str, chance: random.Random, pause: threading.Event, figures: Figures) -> None:
    program = Program(facts, folder)
    try:
        if chance.random() < 0.3:
            # While it starts, mostly.
            pause.wait(chance.uniform(0.0, 1.5))
        else:
            program.wait_until_ready()
            pause.wait(chance.uniform(0.0, 0.5))
    except BaseException:
        program.end(signal.SIGKILL)
        raise
    number = signal.SIGKILL if chance.random() < 0.6 else signal.SIGTERM
    wrong = program.end(number)
    figures.rounds += 1
    if number is signal.SIGKILL:
        figures.killed += 1
    else:
        figures.terminated += 1
    if wrong:
        figures.losses.append(wrong)
    # Mostly at once, and sometimes late enough for what is pending to time out.
    pause.wait(RESERVATION_SECONDS + 0.5 if chance.random() < 0.02 else chance.choice([0.0, 0.0, 0.1]))


def _last_run(facts: dict[str, Any], folder: str) -> list[str]:
    """Let the program finish what there is."""
    program = Program(facts, folder)
    client = Client(facts)
    pause = threading.Event()
    deadline = time.monotonic() + LAST_RUN_SECONDS
    try:
        while _open_tasks(client) and time.monotonic() < deadline:
            pause.wait(0.1)
    finally:
        client.close()
        wrong = program.end(signal.SIGTERM)
    return [wrong] if wrong else []


def _open_tasks(client: Client) -> list[dict[str, Any]]:
    found = client.get("/Tasks", AssignmentStatus="pending,reserved,assigned,wrapping", PageSize=100)
    return list(found["tasks"])


class Log:
    """What the service's event log said, read again and again: it keeps the latest events only."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._client = Client(facts)
        self._path = f"/Workers/{facts['worker_sid']}/Reservations"
        self._completed: dict[str, tuple[str, str]] = {}
        self._timeouts: set[str] = set()

    def read(self) -> None:
        """Note what is new."""
        for each in self._events("task.completed"):
            self._completed[each["sid"]] = each["resource_sid"], each["event_data"]["task_completed_reason"]
        self._timeouts.update(each["resource_sid"] for each in self._events("reservation.timeout"))

    def _events(self, kind: str) -> list[dict[str, Any]]:
        return list(self._client.get("/Events", EventType=kind, PageSize=1000)["events"])

    def check(self, sids: dict[str, int], figures: Figures) -> None:
        """Look at all tasks, and close."""
        self.read()
        for task in _open_tasks(self._client):
            figures.losses.append(f"task {task['sid']} is left {task['assignment_status']}")
        for status in ("pending", "accepted", "wrapping"):
            for each in self._client.get(self._path, ReservationStatus=status, PageSize=100)["reservations"]:
                figures.losses.append(f"reservation {each['sid']} is left {status}")
        self._client.close()
        reasons: dict[str, list[str]] = {sid: [] for sid in sids}
        for sid, reason in self._completed.values():
            reasons[sid].append(reason)
        figures.losses += [
            f"task {sid} was completed as {each}" for sid, each in reasons.items() if each != ["shipped"]
        ]
        figures.tasks, figures.timeouts = len(sids), len(self._timeouts)


def _check_work(folder: str, sids: dict[str, int], figures: Figures) -> None:
    runs = Counter(_lines(folder, "runs"))
    figures.runs, figures.readies = sum(runs.values()), len(_lines(folder, "readies"))
    for number in sids.values():
        if not runs[str(number)] or not os.path.exists(os.path.join(folder, "orders", str(number))):
            figures.losses.append(f"order {number} was completed, and never shipped")


def _lines(folder: str, name: str) -> list[str]:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def main() -> int:
    """Run from the command line; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the signals; made up if not given")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = run(options.rounds, seed, folder, lambda line: print(line, flush=True))
        print(figures)
        if figures.losses:
            print("the end of the program's log:", *_lines_of_log(folder), sep="\n  ")
    return 1 if figures.losses else 0


def _lines_of_log(folder: str) -> list[str]:
    with open(os.path.join(folder, "log"), encoding="utf-8") as file:
        return file.read().splitlines()[-40:]


if __name__ == "__main__":
    sys.exit(main())
