"""Beside the page on Celery: a Celery worker with a broker in memory does what the worker passes on."""

import os
import sys
import types
import warnings

from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

# Of the libraries themselves, when they are imported.
warnings.simplefilter("default")
router = LocalTaskRouter().start()
WORKER_SID, WORKSPACE_SID = router.add_worker("Alice", activity="Available"), router.workspace_sid
os.environ["TASKROUTER_LOCAL_URL"] = router.url
desk = types.ModuleType("desk")
vars(desk).update(fetch_token=lambda: router.token(WORKER_SID))
sys.modules["desk"] = desk
sent: list[int] = []
send = sent.append

# -- the snippet --

import logging  # noqa: E402

from celery.contrib.testing.worker import start_worker  # noqa: E402

logging.disable(logging.WARNING)
with start_worker(app, perform_ping_check=False), worker:  # type: ignore[name-defined]  # noqa: F821
    tasks = [router.create_task({"order": number}) for number in range(3)]
    eventually(lambda: {router.task(task).assignment_status for task in tasks} == {"completed"}, 30)
assert sorted(sent) == [0, 1, 2]
router.stop()
