"""One worker, one local TaskRouter, three tasks: the main job in a screenful.

    python examples/quickstart.py

Needs nothing but ``pip install "twilio_taskrouter_worker[local]"`` and ends by itself.
"""

import threading

from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

ORDERS = ["coffee", "tea", "cake"]

all_done = threading.Event()
served: list[str] = []

with LocalTaskRouter() as router:
    # In real life the worker exists already, and your backend hands out the tokens.
    alice = router.add_worker("Alice", attributes={"languages": ["en"]}, activity="Offline")
    worker = Worker(token_provider=lambda: router.token(alice), connect_activity="Available", **router.connection)

    @worker.on("ready")
    def say_hello(worker: Worker) -> None:
        # Callbacks run one at a time on the worker's dispatch thread.
        print(f"{worker.friendly_name} is connected, her activity is {worker.activity.name}")

    @worker.serve
    def serve(reservation: Reservation) -> str:
        # The reservation is accepted. Handlers run on threads of their own, and may take as long as they need.
        reservation.once("completed", count)
        print(f"serving: {reservation.task.attributes['order']}")
        return "served"  # completes the task, with this reason

    def count(reservation: Reservation) -> None:
        order = reservation.task.attributes["order"]
        print(f"completed: {order}")
        served.append(order)
        if len(served) == len(ORDERS):
            all_done.set()

    with worker:  # connects here; at the end running handlers may finish, then it disconnects
        for order in ORDERS:
            router.create_task(attributes={"order": order})
        if not all_done.wait(timeout=60):
            raise SystemExit(f"only {len(served)} of {len(ORDERS)} orders were served")

print(f"{len(served)} orders served")
