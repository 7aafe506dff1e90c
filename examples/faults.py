"""A worker serves its orders while the network and the service fail in several ways.

    python examples/faults.py

Needs nothing but ``pip install "twilio_taskrouter_worker[local]"`` and ends by itself.
"""

import threading

from twilio_taskrouter_worker import DisconnectReason, Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

ORDERS = ["coffee", "tea", "cake", "soup", "bread"]

all_done = threading.Event()
served: list[str] = []

with LocalTaskRouter() as router:
    alice = router.add_worker("Alice", activity="Available")
    worker = Worker(router.token(alice), **router.connection)

    @worker.on("disconnected")
    def say_lost(reason: DisconnectReason) -> None:
        print(f"connection lost: {reason.message}")

    @worker.on("ready")
    def say_back(worker: Worker) -> None:
        print("connected")

    @worker.serve
    def serve(reservation: Reservation) -> str:
        reservation.once("completed", count)
        return "served"

    def count(reservation: Reservation) -> None:
        order = reservation.task.attributes["order"]
        print(f"served: {order}")
        served.append(order)
        if len(served) == 2:
            # A cable is pulled: no close frame, just a reset.
            router.faults.drop(alice)
        if len(served) == len(ORDERS):
            all_done.set()

    with worker:
        # Events come late, twice, and in the wrong order ...
        router.faults.delay(0.05)
        router.faults.duplicate(worker=alice)
        router.faults.reorder(0.05, worker=alice)
        # ... and its first two updates of reservations are answered with "too many requests".
        router.faults.rate_limit(retry_after=1, times=2, route="POST Reservations/*")
        print(router.faults)
        for order in ORDERS:
            router.create_task({"order": order})
        if not all_done.wait(timeout=60):
            raise SystemExit(f"only {len(served)} of {len(ORDERS)} orders were served: {router.faults}")
        router.faults.clear()

assert sorted(served) == sorted(ORDERS)
print(f"{len(served)} orders served, each once")
