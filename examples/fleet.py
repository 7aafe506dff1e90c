"""A fleet: many Workers spread over the processes of a Dask cluster, moved when a process dies, with their health.

pip install "twilio-taskrouter-worker[local]" distributed
python examples/fleet.py                                             (20 Workers on 2 processes; one is killed)
python examples/fleet.py --workers 2000 --processes 4 --tasks 4000
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import dask.config
from distributed import Client, LocalCluster

from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.tokens import create_worker_token

CALL_TIMEOUT = 30.0
"""Seconds for a call of an actor: a process that does not answer in this time counts as lost."""


class Crew:
    """The Workers of one process of the cluster: a Dask actor."""

    def __init__(self, connection: Any, credentials: tuple[str, str, str, str]) -> None:
        self._connection = connection
        self._credentials = credentials
        self._workers: list[Worker] = []
        self._runs: Counter[str] = Counter()

    def take(self, sids: list[str]) -> None:
        """Connect these workers. The sessions of a process that is gone, or only believed to be, are closed."""
        for sid in sids:
            token_provider = partial(create_worker_token, *self._credentials, sid)
            worker = Worker(token_provider=token_provider, close_existing_sessions=True, **self._connection)
            worker.serve(self._handle)
            worker.start()
            self._workers.append(worker)

    def _handle(self, reservation: Reservation) -> str:
        self._runs[reservation.task.sid] += 1
        time.sleep(0.05)  # the work
        return f"done in process {os.getpid()}"

    def health(self) -> dict[str, Any]:
        """Return the state of this process."""
        ready = sum(worker.health().ready for worker in self._workers)
        return {"pid": os.getpid(), "workers": len(self._workers), "ready": ready, "runs": dict(self._runs)}

    def stop(self) -> None:
        """Let the handlers finish, and disconnect."""
        with ThreadPoolExecutor(50) as threads:
            list(threads.map(Worker.disconnect, self._workers))


class Fleet:
    """Keeps each worker connected in some process of the cluster."""

    def __init__(self, client: Client, sids: list[str], connection: Any, credentials: tuple[str, str, str, str]):
        self._client = client
        self._new_crew = partial(client.submit, Crew, connection, credentials, actor=True, pure=False)
        self._homeless = list(sids)
        self._crews: dict[str, tuple[Any, list[str]]] = {}
        """By address of the process: its crew, and the sids of its workers."""

    def balance(self) -> None:
        """Take the workers of lost processes back, and give each worker without a process to one that has few."""
        alive: Any = self._client.nthreads()
        for address in self._crews.keys() - alive.keys():
            self._homeless += self._crews.pop(address)[1]
        for address in alive.keys() - self._crews.keys():
            try:
                self._crews[address] = self._new_crew(workers=[address]).result(CALL_TIMEOUT), []
            except Exception as error:  # lost already; whatever Dask raises for that
                print(f"{address} is not used: {type(error).__name__}")
        shares: dict[str, list[str]] = {address: [] for address in self._crews}
        for sid in self._homeless:
            address = min(shares, key=lambda address: len(shares[address]) + len(self._crews[address][1]))
            shares[address].append(sid)
        self._homeless = []
        for address, sids in shares.items():
            self._crews[address][1].extend(sids)
            self._crews[address][0].take(sids)  # if the process is lost now, the next round moves them

    def health(self) -> list[dict[str, Any]]:
        """Return the state of each process that answers."""
        found = []
        for address, (crew, _) in self._crews.items():
            try:
                found.append(crew.health().result(CALL_TIMEOUT))
            except Exception as error:
                print(f"{address} does not answer: {type(error).__name__}")
        return found

    def wait_until_ready(self, workers: int) -> list[dict[str, Any]]:
        """Balance until all workers are ready; return the health of all processes."""
        while True:
            self.balance()
            states = self.health()
            print(
                ", ".join(f"{each['pid']}: {each['ready']} of {each['workers']} ready" for each in states), flush=True
            )
            if sum(each["ready"] for each in states) == workers:
                return states
            time.sleep(0.5)

    def stop(self) -> None:
        """Disconnect all workers."""
        for call in [crew.stop() for crew, _ in self._crews.values()]:
            call.result(CALL_TIMEOUT)


def main() -> None:
    """Start a local TaskRouter, a cluster and a fleet; kill a process in the middle of the work."""
    parser = argparse.ArgumentParser()
    for name, value in {"workers": 20, "processes": 2, "tasks": 60}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    # Dask's profiler samples every thread a hundred times a second, and each Worker has two.
    dask.config.set({"distributed.worker.profile.enabled": False})
    settings: dict[str, Any] = {"n_workers": options.processes, "threads_per_worker": 1, "dashboard_address": None}
    cluster = partial(LocalCluster, **settings)
    with LocalTaskRouter() as router, cluster() as processes, Client(processes) as client:
        sids = [router.add_worker(f"Worker {number}", activity="Available") for number in range(options.workers)]
        key = (router.account_sid, router.signing_key_sid, router.signing_key_secret, router.workspace_sid)
        fleet = Fleet(client, sids, router.connection, key)
        victim = fleet.wait_until_ready(options.workers)[0]["pid"]
        tasks = [router.create_task() for _ in range(options.tasks // 2)]
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        tasks += [router.create_task() for _ in range(options.tasks - len(tasks))]
        fleet.wait_until_ready(options.workers)
        print(f"process {victim} was killed; all workers are ready again after {time.monotonic() - killed:.1f} s")
        while any(router.task(sid).assignment_status != "completed" for sid in tasks):
            fleet.balance()
            time.sleep(0.2)
        runs = sum((Counter(each["runs"]) for each in fleet.health()), Counter())
        print(f"{len(tasks)} tasks completed, {sum(number > 1 for number in runs.values())} of them handled twice")
        fleet.stop()


if __name__ == "__main__":
    main()
