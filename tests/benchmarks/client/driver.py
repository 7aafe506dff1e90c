"""One scenario with a client in Python, in a process of its own; prints one line of JSON.

    python -m tests.benchmarks.client.driver CLIENT SCENARIO JSON

CLIENT is ``ours`` (the package) or ``bare`` (the stand-in). The JSON has the ports and the numbers of the scenario; see
``driver.js`` for the same scenarios with the SDK in JavaScript.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

NAME, SCENARIO, TEXT = sys.argv[1:4]
GIVEN: dict[str, Any] = json.loads(TEXT)
MODULE = {"ours": "twilio_taskrouter_worker", "bare": "tests.benchmarks.client.bare"}[NAME]
# Here, since importing is part of a cold start.
Worker: Any = importlib.import_module(MODULE).Worker


def control(**wanted: Any) -> Any:
    url = f"http://127.0.0.1:{GIVEN['port']}/control"
    with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(wanted).encode())) as answer:
        return json.load(answer)


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rss_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def started() -> tuple[Any, Any]:
    secure, port = ("s", GIVEN["tls_port"]) if GIVEN["tls_port"] else ("", GIVEN["port"])
    address = f"{secure}://localhost:{port}/v1/wschannels" if secure else f"://127.0.0.1:{port}/v1/wschannels"
    worker = Worker(GIVEN["token"], eb_server=f"http{address}", ws_server=f"ws{address}")
    return worker, worker.start()


def connected(open_: int = 0) -> Any:
    control(open=open_, delay=0)
    worker, ready = started()
    ready.result(120)
    return worker


class Burst:
    """Counts callbacks, and checks that events come once and in order."""

    def __init__(self, events: int) -> None:
        self.left, self._events = events, events
        self._last = -1
        self._over = threading.Event()
        self._ended_at = 0.0

    def count(self, *_: object) -> None:
        self.left -= 1
        if not self.left:
            self._ended_at = time.monotonic()
            self._over.set()

    def check(self, task: Any) -> None:
        seq = task.attributes["seq"]
        if seq <= self._last:
            os.write(2, f"event {seq} after {self._last}\n".encode())
            os._exit(1)
        self._last = seq
        self.count()

    def run(self, kind: str, **more: Any) -> dict[str, float]:
        control(burst=kind, events=self._events, **more)
        begun, spent = time.monotonic(), cpu()
        control(go=True, **more)
        if not self._over.wait(300):
            raise SystemExit(f"{self.left} events did not come")
        seconds = self._ended_at - begun
        return {"per_s": self._events / seconds, "cpu_us": 1e6 * (cpu() - spent) / self._events}


def churn_into(worker: Any, burst: Burst) -> None:
    def created(reservation: Any) -> None:
        burst.check(reservation.task)
        reservation.on("canceled", burst.count)

    worker.on("reservation_created", created)


# -- scenarios ---------------------------------------------------------------------------------------------------------


def cold() -> dict[str, float]:
    worker, ready = started()
    ready.result(60)
    os.write(1, b"READY\n")
    return {"rss_mb": rss_mb()}


def warm() -> dict[str, float]:
    times = []
    for _ in range(GIVEN["rounds"]):
        begun = time.monotonic()
        worker, ready = started()
        ready.result(60)
        times.append(1e3 * (time.monotonic() - begun))
        worker.disconnect()
        time.sleep(0.005)
    return {"ready_ms": statistics.median(times[len(times) // 10 :])}


def churn() -> dict[str, float]:
    worker, burst = connected(), Burst(GIVEN["events"])
    churn_into(worker, burst)
    return burst.run("churn")


def updated() -> dict[str, float]:
    worker, burst = connected(GIVEN["open"]), Burst(GIVEN["events"])
    for reservation in list(worker.reservations.values()):
        reservation.task.on("updated", burst.check)
    return burst.run("updated")


def accepted() -> dict[str, float]:
    worker, burst = connected(GIVEN["open"]), Burst(GIVEN["events"])
    for reservation in list(worker.reservations.values()):
        reservation.on("accepted", lambda each: burst.check(each.task))
    return burst.run("accepted")


def latency() -> dict[str, float]:
    worker, burst, late = connected(1), Burst(GIVEN["events"]), []

    def note(task: Any) -> None:
        late.append((time.monotonic_ns() - task.attributes["sent_ns"]) / 1e3)
        burst.count()

    def created(reservation: Any) -> None:
        note(reservation.task)
        reservation.on("canceled", burst.count)

    if GIVEN["kind"] == "churn":
        worker.on("reservation_created", created)
    else:
        next(iter(worker.reservations.values())).task.on("updated", note)
    burst.run(GIVEN["kind"], rate=GIVEN["rate"])
    late = late[len(late) // 10 :]
    return {"p50_us": quantile(late, 0.5), "p99_us": quantile(late, 0.99)}


def memory() -> dict[str, float]:
    worker, sizes = connected(), []
    current: list[Burst] = [Burst(0)]

    def created(reservation: Any) -> None:
        current[0].count()
        reservation.on("canceled", lambda *_: current[0].count())

    worker.on("reservation_created", created)
    for _ in range(GIVEN["batches"]):
        current[0] = Burst(GIVEN["events"])
        current[0].run("churn")
        time.sleep(GIVEN["pause"])
        gc.collect()
        sizes.append(rss_mb())
    grown = (sizes[-1] - sizes[0]) / max(1, len(sizes) - 1)
    return {"mb_per_10k": grown * 20_000 / GIVEN["events"]}


def calls() -> dict[str, float]:
    worker = connected(GIVEN["width"])
    reservations = list(worker.reservations.values())
    control(delay=GIVEN["delay"])
    for reservation in reservations:
        reservation.accept().result(60)
    count, width, times = GIVEN["calls"], GIVEN["width"], []
    begun, spent = time.monotonic(), cpu()
    if width == 1:
        for _ in range(count):
            at = time.monotonic()
            reservations[0].accept().result(60)
            times.append(1e3 * (time.monotonic() - at))
    else:
        gate = threading.Semaphore(width)
        for index in range(count):
            gate.acquire()
            call = reservations[index % width].accept()
            call.add_done_callback(_timed(time.monotonic(), times, gate))
        for _ in range(width):
            gate.acquire()
    seconds = time.monotonic() - begun
    return {"per_s": count / seconds, "p99_ms": quantile(times, 0.99), "cpu_us": 1e6 * (cpu() - spent) / count}


def _timed(begun: float, times: list[float], gate: threading.Semaphore) -> Callable[[Any], None]:
    def done(call: Any) -> None:
        call.result()
        times.append(1e3 * (time.monotonic() - begun))
        gate.release()

    return done


def many() -> dict[str, float]:
    control(open=0, delay=0)
    begun = time.monotonic()
    workers = [started() for _ in range(GIVEN["workers"])]
    for _, ready in workers:
        ready.result(300)
    seconds = time.monotonic() - begun
    time.sleep(0.5)
    return {"ready_ms": 1e3 * seconds, "rss_mb": rss_mb(), "threads": float(threading.active_count())}


def slow() -> dict[str, float]:
    worker, burst = connected(), Burst(GIVEN["events"])

    def created(_: object) -> None:
        time.sleep(0.001)
        burst.count()

    worker.on("reservation_created", created)
    burst.run("created", ping=True)
    stats = control(stats=True)
    return {"drained_ms": stats["drained_ms"], "ping_ms": stats["ping_ms"]}


if __name__ == "__main__":
    found = globals()[SCENARIO]()
    os.write(1, json.dumps(found).encode() + b"\n")
    os._exit(0)
