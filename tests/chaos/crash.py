"""Rounds of load against ``taskrouter local --db``, each ended by SIGKILL at a random moment, and what must be left.

    python -m tests.chaos.crash --rounds 200          (about ten minutes; exit code 1 on any loss)
    python -m tests.chaos.crash --rounds 20 --seed 7  (the same moments again, as far as a machine allows)

In a round REST clients create and change tasks, workers accept and complete them over the event bridge, others
never answer so that reservations time out, websockets listen, and somebody reads the event log. Every answer is noted
by the client that got it. Then the service is killed, sometimes killed again while it starts, and started. Checked are:

- what was answered is there: tasks and their attributes, workers' attributes, states of reservations;
- what was announced is there: no websocket heard of a reservation that does not exist, or in a later state than it has;
- the event log that was read before is still the same, and its sids go on without a gap;
- timers were on time: each reservation that timed out did so exactly when it was due, also while the service was away,
  and none is still pending that is overdue.
"""

from __future__ import annotations

import argparse
import calendar
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
import requests
import websocket

from tests.tools.wait import eventually
from twilio_taskrouter_worker.tokens import create_worker_token

ROOT = Path(__file__).resolve().parents[2]
RESERVATION_SECONDS = 1
TASK_SECONDS = 15
"""So that what nobody takes does not pile up from round to round."""
GRACE_SECONDS = 15.0
"""How late a timer may be noticed by a client on a busy machine; the time in the event log must be exact."""
RANKS = {"pending": 0, "accepted": 1, "wrapping": 2, "completed": 3}
SLEEPER = "Zed"
"""Begins the names of the workers who never answer."""
_EVENTS_CHECKED = 100
GONE = (requests.RequestException, websocket.WebSocketException, OSError)
"""What a client sees of a service that was killed."""


class Service:
    """``taskrouter local`` in a process of its own, with ``--db`` unless that is None."""

    def __init__(self, db: str | None) -> None:
        command = [sys.executable, "-m", "twilio_taskrouter_worker.cli", "local", "--port", "0", "--json"]
        if db is not None:
            command += ["--db", db]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.facts: dict[str, Any] = {}

    def ready(self) -> Service:
        """Wait until it answers requests."""
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the service did not start: {self._process.stderr.read().decode()}")
        self.facts = json.loads(line)
        return self

    def kill(self) -> None:
        """End it without any warning."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


class Client:
    """REST and the bridge of one started service; for one thread."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.workspace = f"{facts['url']}/v1/Workspaces/{facts['workspace_sid']}"
        self._http = requests.Session()
        self._http.trust_env = False
        self._auth = (facts["account_sid"], facts["auth_token"])

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def rest(self, method: str, path: str, **fields: Any) -> requests.Response:
        """Send a REST request."""
        query, form = (fields, None) if method == "GET" else (None, fields)
        url = f"{self.workspace}{path}"
        return self._http.request(method, url, params=query, data=form, auth=self._auth, timeout=60)

    def get(self, path: str, **fields: Any) -> Any:
        """Return what is at a path, or None if there is nothing."""
        answer = self.rest("GET", path, **fields)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    def token(self, worker_sid: str) -> str:
        """Return a token of a worker."""
        facts = self.facts
        return create_worker_token(
            facts["account_sid"],
            facts["signing_key_sid"],
            facts["signing_key_secret"],
            facts["workspace_sid"],
            worker_sid,
        )

    def bridge(self, method: str, worker_sid: str, path: str = "", **params: Any) -> Any:
        """Tunnel a request of a worker; return its payload, or None if it was refused."""
        url = f"Workspaces/{self.facts['workspace_sid']}/Workers/{worker_sid}{path}"
        envelope = {"url": url, "method": method, "params": params, "token": self.token(worker_sid)}
        headers = {"apiVersion": "v1", "clientVersion": "crash"}
        answer = self._http.post(self.facts["eb_server"], json=envelope, headers=headers, timeout=60)
        assert answer.status_code in (200, 400, 404, 410), answer.text
        return answer.json()["payload"] if answer.status_code == 200 else None


@attrs.define
class Notes:
    """What the clients of one round were told, each entry written by one thread only."""

    created: dict[str, str] = attrs.Factory(dict)
    """Attributes of a task by its sid."""
    task_numbers: dict[str, list[int]] = attrs.Factory(dict)
    """By task sid: the last number that was answered, and that of the request on its way, if any."""
    worker_numbers: dict[str, list[int]] = attrs.Factory(dict)
    """The same in the attributes of workers."""
    reservations: dict[tuple[str, str], str] = attrs.Factory(dict)
    """The last state answered or announced, by worker and reservation sid."""
    events: dict[str, tuple[str, int]] = attrs.Factory(dict)
    """Type and milliseconds by sid, as the event log was read."""
    late: list[float] = attrs.Factory(list)
    """How many seconds after its due time a timeout was heard."""
    answers: int = 0


class Load:
    """All clients of one round."""

    def __init__(self, facts: dict[str, Any], workers: dict[str, str], number: int) -> None:
        self.notes = Notes()
        self._facts = facts
        self._workers = workers
        self._number = number
        self._stop = threading.Event()
        self._problems: list[BaseException] = []
        self._sockets: list[websocket.WebSocket] = []
        busy = [workers["Ann"], workers["Bob"]]
        # Of the requests answered, one list with one number for each client.
        self._counts: list[list[int]] = []
        jobs: list[Callable[[Client, Callable[[], None]], None]] = [
            *(lambda c, done, i=i: self._create(c, done, i) for i in range(2)),
            self._change,
            *(lambda c, done, w=w: self._work(c, done, w) for w in busy),
            self._return_to_work,
            self._read_log,
            *(lambda c, done, w=w: self._listen(c, w) for w in workers.values()),
        ]
        self._threads = [threading.Thread(target=self._run, args=(job,), name="crash-client") for job in jobs]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wait_for(self, answers: int) -> None:
        """Wait until so many requests were answered: a busy machine takes its time."""
        eventually(lambda: sum(count[0] for count in self._counts) >= answers or self._problems, 60.0)

    def finish(self) -> Notes:
        """End all clients of a service that is gone, and return what they noted."""
        self._stop.set()
        for socket in self._sockets:
            with suppress(*GONE):
                socket.shutdown()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a client of a killed service did not end"
        if self._problems:
            raise self._problems[0]
        self.notes.answers = sum(count[0] for count in self._counts)
        return self.notes

    def _run(self, job: Callable[[Client, Callable[[], None]], None]) -> None:
        client = Client(self._facts)
        count = [0]
        self._counts.append(count)

        def done() -> None:
            count[0] += 1

        try:
            while not self._stop.is_set():
                job(client, done)
        except GONE:
            pass
        except BaseException as error:
            self._problems.append(error)
        finally:
            client.close()

    def _create(self, client: Client, done: Callable[[], None], which: int) -> None:
        attributes = json.dumps({"round": self._number, "client": which, "made": time.time()})
        answer = client.rest("POST", "/Tasks", Attributes=attributes, Timeout=TASK_SECONDS)
        assert answer.status_code == 201, answer.text
        self.notes.created[answer.json()["sid"]] = attributes
        done()

    def _change(self, client: Client, done: Callable[[], None]) -> None:
        answer = client.rest("POST", "/Tasks", Attributes='{"n": 0}', Timeout=TASK_SECONDS)
        assert answer.status_code == 201, answer.text
        sid = answer.json()["sid"]
        numbers = self.notes.task_numbers[sid] = [0]
        for number in range(1, 10):
            numbers.append(number)
            answer = client.rest("POST", f"/Tasks/{sid}", Attributes=json.dumps({"n": number}))
            if answer.status_code == 400:  # a worker has completed it meanwhile
                numbers.pop()
                return
            assert answer.status_code == 200, answer.text
            del numbers[0]
            done()

    def _work(self, client: Client, done: Callable[[], None], worker: str) -> None:
        numbers = self.notes.worker_numbers.setdefault(worker, [])
        numbers.append(time.time_ns())
        client.bridge("POST", worker, Attributes=json.dumps({"n": numbers[-1]}))
        del numbers[:-1]
        done()
        found = client.bridge("GET", worker, "/Reservations", ReservationStatus="pending")
        for reservation in found["contents"]:
            self._serve(client, done, worker, reservation["sid"])

    def _serve(self, client: Client, done: Callable[[], None], worker: str, sid: str) -> None:
        key = (worker, sid)
        for state in ("accepted", "completed"):
            if client.bridge("POST", worker, f"/Reservations/{sid}", ReservationStatus=state) is None:
                return
            self.notes.reservations[key] = state
            done()

    def _return_to_work(self, client: Client, done: Callable[[], None]) -> None:
        """Put workers whose reservation timed out back to where they are offered the next one."""
        available = self._facts["activities"]["Available"]
        for worker in self._workers.values():
            if client.rest("POST", f"/Workers/{worker}", ActivitySid=available).status_code == 200:
                done()
        self._stop.wait(0.05)

    def _read_log(self, client: Client, done: Callable[[], None]) -> None:
        page = client.get("/Events", PageSize=50)
        self.notes.events.update({each["sid"]: (each["event_type"], each["event_date_ms"]) for each in page["events"]})
        done()
        self._stop.wait(0.02)

    def _listen(self, client: Client, worker: str) -> None:
        url = f"{self._facts['ws_server']}?{urlencode({'token': client.token(worker)})}"
        socket = websocket.create_connection(url, timeout=60)
        self._sockets.append(socket)
        due: dict[str, float] = {}
        while not self._stop.is_set():
            frame = socket.recv()
            if not frame:
                raise ConnectionResetError
            if not str(frame).strip():
                continue
            message = json.loads(frame)
            kind, payload = message["event_type"], message["payload"]
            if kind == "reservation.created":
                due[payload["sid"]] = time.time() + RESERVATION_SECONDS
                self.notes.reservations.setdefault((worker, payload["sid"]), "pending")
            elif kind == "reservation.timeout" and payload["sid"] in due:
                self.notes.late.append(time.time() - due[payload["sid"]])


class Check:
    """What must hold after a restart."""

    def __init__(self, facts: dict[str, Any], workers: dict[str, str], notes: Notes) -> None:
        self._client = Client(facts)
        self._workers = workers
        self._notes = notes
        self.losses: list[str] = []
        self.checked = 0
        self.timeouts = 0

    def run(self) -> None:
        """Look at everything."""
        try:
            self._tasks()
            self._numbers()
            self._reservations()
            self._log()
            self._overdue()
        finally:
            self._client.close()

    def _must(self, holds: bool, what: str) -> None:
        self.checked += 1
        if not holds:
            self.losses.append(what)

    def _tasks(self) -> None:
        for sid, attributes in self._notes.created.items():
            task = self._client.get(f"/Tasks/{sid}")
            # The service writes them compactly, whatever they were written like.
            same = task is not None and json.loads(task["attributes"]) == json.loads(attributes)
            self._must(same, f"task {sid} was created: {task}")

    def _numbers(self) -> None:
        for path, numbers in (("Tasks", self._notes.task_numbers), ("Workers", self._notes.worker_numbers)):
            for sid, expected in numbers.items():
                record = self._client.get(f"/{path}/{sid}")
                number = json.loads(record["attributes"]).get("n") if record is not None else None
                # The first request of a worker's round may be the one that was cut off.
                fine = number in expected or (path == "Workers" and len(expected) == 1)
                self._must(fine, f"{path} {sid}: {number} instead of {expected}")

    def _reservations(self) -> None:
        for (worker, sid), state in self._notes.reservations.items():
            found = self._client.get(f"/Workers/{worker}/Reservations/{sid}")
            now = found["reservation_status"] if found is not None else None
            if state == "pending":
                self._must(now is not None, f"reservation {sid} was announced")
            else:
                self._must(now in RANKS and RANKS[now] >= RANKS[state], f"reservation {sid}: {now} after {state}")

    def _log(self) -> None:
        numbers = sorted(_number(each) for each in self._events())
        self._must(numbers == list(range(numbers[0], numbers[0] + len(numbers))), "the event log has a gap")
        newest = max(self._notes.events, default="EV0", key=lambda sid: int(sid[2:], 16))
        self._must(int(newest[2:], 16) <= numbers[-1], f"event {newest} was there")
        for sid, before in list(self._notes.events.items())[-_EVENTS_CHECKED:]:
            each = self._client.get(f"/Events/{sid}")
            same = each is not None and (each["event_type"], each["event_date_ms"]) == before
            self._must(same, f"event {sid} was {before}: {each}")
        for name, worker in self._workers.items():
            if name.startswith(SLEEPER):
                self._timeouts(self._events(WorkerSid=worker))

    def _timeouts(self, events: Iterable[dict[str, Any]]) -> None:
        made: dict[str, int] = {}
        for each in sorted(events, key=_number):
            key = each["resource_sid"]
            if each["event_type"] == "reservation.created":
                made[key] = each["event_date_ms"]
            elif each["event_type"] == "reservation.timeout" and key in made:
                self.timeouts += 1
                took = each["event_date_ms"] - made[key]
                # Both are cut to whole milliseconds.
                exact = abs(took - RESERVATION_SECONDS * 1000) <= 1
                self._must(exact, f"reservation {key} timed out after {took} ms")

    def _events(self, **filters: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._client.get("/Events", PageSize=1000, Minutes=5, **filters)["events"]
        return events

    def _overdue(self) -> None:
        now = time.time()
        for worker in self._client.get("/Workers", PageSize=50)["workers"]:
            path = f"/Workers/{worker['sid']}/Reservations"
            found = self._client.get(path, ReservationStatus="pending", PageSize=100)["reservations"]
            for each in found:
                made = calendar.timegm(time.strptime(each["date_created"], "%Y-%m-%dT%H:%M:%SZ"))
                # date_created has whole seconds.
                if now - made - RESERVATION_SECONDS >= 1:
                    self._must(self._times_out(f"{path}/{each['sid']}"), f"reservation {each['sid']} is overdue")

    def _times_out(self, path: str) -> bool:
        """Whether a reservation is pending no longer; on a busy machine its timer may need a moment."""

        def over() -> bool:
            found = self._client.get(path)
            return found is None or found["reservation_status"] != "pending"

        with suppress(AssertionError):
            return eventually(over, GRACE_SECONDS)
        return False


def _number(event: dict[str, Any]) -> int:
    """Return an event's place among all."""
    return int(event["sid"][2:], 16)


@attrs.define
class Figures:
    """What a whole run came to."""

    rounds: int = 0
    kills: int = 0
    answers: int = 0
    checked: int = 0
    timeouts: int = 0
    losses: list[str] = attrs.Factory(list)
    late: list[float] = attrs.Factory(list)
    start_seconds: list[float] = attrs.Factory(list)
    size: int = 0

    def __str__(self) -> str:
        late = self.late
        return "\n".join(
            [
                f"rounds                        {self.rounds}",
                f"kills                         {self.kills} ({self.kills - self.rounds} of them while it started)",
                f"requests answered             {self.answers}",
                f"facts checked after restarts  {self.checked}",
                f"timeouts exact to the ms      {self.timeouts}",
                f"timeouts heard live           {len(late)}, at most {max(late, default=0):.3f} s late",
                f"longest start                 {max(self.start_seconds, default=0):.2f} s",
                f"size of the file              {self.size / 1e6:.1f} MB",
                f"losses                        {len(self.losses)}",
                *(f"  {loss}" for loss in self.losses[:20]),
            ]
        )


def prepare(facts: dict[str, Any]) -> dict[str, str]:
    """Set up the workspace, and return the workers' sids by name."""
    client = Client(facts)
    try:
        path = f"/Workflows/{facts['workflow_sid']}"
        assert client.rest("POST", path, TaskReservationTimeout=RESERVATION_SECONDS).status_code == 200
        workers = {}
        for name in ("Ann", "Bob", *(f"{SLEEPER} {number}" for number in range(4))):
            answer = client.rest("POST", "/Workers", FriendlyName=name)
            assert answer.status_code == 201, answer.text
            workers[name] = answer.json()["sid"]
        return workers
    finally:
        client.close()


@contextmanager
def _killed(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.kill()


def run(
    rounds: int, seed: int, folder: str, progress: Callable[[str], None] = lambda line: None, answers: int = 0
) -> Figures:
    """Do so many rounds, with at least so many answers in each, and return what they came to."""
    chance = random.Random(seed)
    pause = threading.Event()
    figures = Figures()
    db = os.path.join(folder, "crash.db")
    with _killed(Service(db).ready()) as service:
        workers = prepare(service.facts)
    for number in range(rounds):
        with _killed(Service(db).ready()) as service:
            load = Load(service.facts, workers, number)
            load.start()
            pause.wait(chance.uniform(0.05, 1.8))
            load.wait_for(answers)
            service.kill()
            notes = load.finish()
        figures.kills += 1
        pause.wait(chance.choice([0.0, 0.0, 0.5, 1.5]))
        if chance.random() < 0.2:
            with _killed(Service(db)):
                pause.wait(chance.uniform(0.0, 0.6))
            figures.kills += 1
        began = time.perf_counter()
        with _killed(Service(db).ready()) as service:
            figures.start_seconds.append(time.perf_counter() - began)
            check = Check(service.facts, workers, notes)
            check.run()
        _add(figures, notes, check)
        progress(f"round {number + 1}: {notes.answers} answers, {check.checked} facts, {len(check.losses)} lost")
    figures.size = os.path.getsize(db)
    return figures


def _add(figures: Figures, notes: Notes, check: Check) -> None:
    figures.rounds += 1
    figures.answers += notes.answers
    figures.checked += check.checked
    figures.timeouts += check.timeouts
    figures.losses += check.losses
    figures.late += notes.late


def main() -> int:
    """Run from the command line; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the kills; made up if not given")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = run(options.rounds, seed, folder, lambda line: print(line, flush=True))
    print(figures)
    late = max(figures.late, default=0.0)
    if late > GRACE_SECONDS:
        print(f"a timeout was heard {late:.1f} s late")
    return 1 if figures.losses or late > GRACE_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
