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
    # In real life the worker exists already, and your backend hands out the token.
    alice = router.add_worker("Alice", attributes={"languages": ["en"]}, activity="Offline")
    worker = Worker(router.token(alice), **router.connection)

    @worker.on("ready")
    def say_hello(worker: Worker) -> None:
        print(f"{worker.friendly_name} is connected, her activity is {worker.activity.name}")

    @worker.on("activity_updated")
    def say_activity(worker: Worker) -> None:
        print(f"{worker.friendly_name} is {worker.activity.name} now")

    @worker.on("reservation_created")
    def serve(reservation: Reservation) -> None:
        # Callbacks run one at a time on the worker's own thread; waiting for a call in here is fine.
        task = reservation.task
        print(f"offered: {task.attributes['order']}")
        reservation.once("completed", count)
        reservation.accept().result(timeout=10)
        print(f"accepted: {task.attributes['order']}")
        task.complete("served").result(timeout=10)

    def count(reservation: Reservation) -> None:
        order = reservation.task.attributes["order"]
        print(f"completed: {order}")
        served.append(order)
        if len(served) == len(ORDERS):
            all_done.set()

    with worker:  # connects here, disconnects at the end
        for order in ORDERS:
            router.create_task(attributes={"order": order})
        worker.activities.by_name("Available").set_as_current().result(timeout=10)
        if not all_done.wait(timeout=20):
            raise SystemExit(f"only {len(served)} of {len(ORDERS)} orders were served")

print(f"{len(served)} orders served")
