"""A small contact centre at work, to be watched in the console.

    python examples/console.py 600

Needs nothing but ``pip install "twilio_taskrouter_worker[local]"``. Open the link that it prints: customers come for
600 seconds, or until Ctrl-C. Without a number it serves twelve of them quickly, and ends by itself.
"""

import random
import sys
import time
from contextlib import ExitStack

from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
PAUSE = 1.0 if SECONDS else 0.01
CUSTOMERS = int(SECONDS / PAUSE) if SECONDS else 12
STAFF = {"Alice": ["en", "de"], "Bob": ["en"], "Carla": ["de", "fr"]}


def serve(reservation: Reservation) -> str:
    """Serve a customer; runs on a thread of its own."""
    time.sleep(random.uniform(1, 4) * PAUSE)
    return "served"


with LocalTaskRouter() as router, ExitStack() as stack:
    queues = {
        language: router.add_queue(language, target_workers=f"languages HAS '{language}'")
        for language in ("en", "de", "fr")
    }
    filters = [
        {"filter_friendly_name": language, "expression": f"language == '{language}'", "targets": [{"queue": queue}]}
        for language, queue in queues.items()
    ]
    router.add_workflow("By language", {"task_routing": {"filters": filters}})
    for name, languages in STAFF.items():
        sid = router.add_worker(name, attributes={"languages": languages}, activity="Available")
        worker = Worker(router.token(sid), **router.connection)
        worker.serve(serve)
        stack.enter_context(worker)
    print(f"Watch them: {router.console_url}", flush=True)

    tasks = []
    try:
        for number in range(CUSTOMERS):
            attributes = {"customer": number, "language": random.choice(list(queues))}
            tasks.append(router.create_task(attributes, workflow="By language"))
            time.sleep(PAUSE)
        while not all(task.final for task in router.tasks()):
            time.sleep(PAUSE)  # the last customers are served, too
    except KeyboardInterrupt:
        pass
    print(f"{len(tasks)} customers came")
