"""The program that ``restarts.py`` kills: the pattern that README and quickstart teach, with a record of its work.

    python -m tests.chaos.shop FACTS FOLDER        (FACTS: what ``taskrouter local --json`` prints, and a worker's sid)

Shipping an order is idempotent: its file is there after it, however often it is done. Each run of the handler is a line
of the file ``runs``.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import time

from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.tokens import create_worker_token

CONCURRENCY = 2
WORK_SECONDS = 0.15
"""At most: long enough for many signals to come in the midst of it."""


def note(path: str, line: str) -> None:
    """Append a line, whole or not at all."""
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def main(facts_as_json: str, folder: str) -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, filename=os.path.join(folder, "log"))
    facts = json.loads(facts_as_json)

    def fetch() -> str:
        keys = ("account_sid", "signing_key_sid", "signing_key_secret", "workspace_sid", "worker_sid")
        return create_worker_token(*(facts[key] for key in keys))

    worker = Worker(
        token_provider=fetch,
        connect_activity="Available",
        return_to_activity="Available",
        eb_server=facts["eb_server"],
        ws_server=facts["ws_server"],
    )

    @worker.serve(concurrency=CONCURRENCY)
    def ship(reservation: Reservation) -> str:
        order = reservation.task.attributes["order"]
        note(os.path.join(folder, "runs"), f"{order}")
        time.sleep(random.uniform(0.0, WORK_SECONDS))
        with open(os.path.join(folder, "orders", str(order)), "a", encoding="utf-8"):
            return "shipped"

    @worker.on("ready")
    def say_ready(worker: Worker) -> None:
        note(os.path.join(folder, "readies"), str(os.getpid()))

    worker.run_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
