"""What it costs to keep a local TaskRouter in a file: REST requests with and without one, and a restart.

    python -m tests.benchmarks.keeping                  (some 40 s)
    python -m tests.benchmarks.keeping --commands 1000  (a shorter journal for the restart)

The service is ``taskrouter local`` in a process of its own; the requests come from raw sockets here, so that what is
measured is the service. One request is in flight on each connection.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine import commands

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 100
"""Lives in one call of the service's thread."""


class Service:
    """``taskrouter local`` in a process of its own."""

    def __init__(self, db: str | None) -> None:
        command = [sys.executable, "-m", "twilio_taskrouter_worker.cli", "local", "--port", "0", "--json"]
        self._process = subprocess.Popen(
            [*command, *(["--db", db] if db else [])],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self._process.stdout.readline())

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


def request(facts: dict[str, Any], method: str, path: str, body: str = "") -> bytes:
    """Return the bytes of one request."""
    credentials = base64.b64encode(f"{facts['account_sid']}:{facts['auth_token']}".encode()).decode()
    head = (
        f"{method} /v1/Workspaces/{facts['workspace_sid']}{path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Basic {credentials}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise RuntimeError(head.decode())


async def rate(facts: dict[str, Any], message: bytes, connections: int, seconds: float) -> float:
    """Return how often a second the service answers a request that several connections repeat."""
    address = urlsplit(facts["url"])
    opened = [await asyncio.open_connection(address.hostname, address.port) for _ in range(connections)]
    count = 0
    begun = time.perf_counter()
    end = begun + seconds

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        # At least once: a service that takes longer than that to answer still has a rate.
        while not count or time.perf_counter() < end:
            await _ask(reader, writer, message)
            count += 1

    await asyncio.gather(*(repeat(*each) for each in opened))
    per_second = count / (time.perf_counter() - begun)
    for _, writer in opened:
        writer.close()
    return per_second


def requests_per_second(db: str | None, connections: int, seconds: float) -> tuple[float, float]:
    """Return how many tasks can be created in a second, and how many can be read."""
    with Service(db) as service:
        facts = service.facts
        creating = request(facts, "POST", "/Tasks", 'Attributes={"order":4711}&WorkflowSid=' + facts["workflow_sid"])
        reading = request(facts, "GET", f"/Workers/{facts['worker_sid']}")
        created, read = (asyncio.run(rate(facts, each, connections, seconds)) for each in (creating, reading))
        return created, read


def restart(folder: str, count: int) -> tuple[float, float, int]:
    """Return the seconds a start takes with an empty journal and with a long one, and that one's size."""
    empty, full = os.path.join(folder, "empty.db"), os.path.join(folder, "full.db")
    with LocalTaskRouter(db=empty):
        pass
    grow(full, count)
    return start_seconds(empty), start_seconds(full), os.path.getsize(full)


def grow(db: str, count: int) -> None:
    """Let tasks be created, accepted and completed until a file's journal has so many commands."""
    with LocalTaskRouter(db=db, clock="virtual") as router:
        for number in range(len(router.workers()), 50):
            router.add_worker(f"worker {number}", activity="Available")
        where: dict[str, Any] = {"workspace_sid": router.workspace_sid}

        def lives(service: Any) -> int:
            # Few, because the commit and the snapshots come at the end of each call.
            for _ in range(AT_ONCE):
                task = service.execute(commands.CreateTask(**where, attributes='{"order": 4711}'))
                sid = service.engine.reservations(**where, task_sid=task.sid)[0].sid
                for status in ("accepted", "completed"):
                    service.execute(commands.UpdateReservation(**where, sid=sid, reservation_status=status))
            return int(service.committer.journal().count)

        while router._ask_service(lives) < count:
            # Ended tasks are kept for five minutes, so that there are some 1,000.
            router.clock.advance(0.3 * AT_ONCE)


def start_seconds(db: str) -> float:
    """Return the seconds until a service with a file is up."""
    started = time.perf_counter()
    with LocalTaskRouter(db=db, clock="virtual"):
        return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commands", type=int, default=100_000, help="length of the journal for the restart")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each kind of request is repeated")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print("connections   tasks created/s: memory, file, ratio     workers read/s: memory, file, ratio")
        for connections in (1, 10, 50):
            memory = requests_per_second(None, connections, options.seconds)
            kept = requests_per_second(os.path.join(folder, f"{connections}.db"), connections, options.seconds)
            pairs = [f"{m:9.0f} {k:9.0f} {k / m:6.2f}" for m, k in zip(memory, kept, strict=True)]
            print(f"{connections:11}   {pairs[0]:>38}     {pairs[1]:>38}")
        empty, full, size = restart(folder, options.commands)
        print(f"start with an empty journal {empty:.2f} s, with {options.commands} commands {full:.2f} s")
        print(f"file of {options.commands} commands: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
