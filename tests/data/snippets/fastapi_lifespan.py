"""Beside the page on FastAPI: the lifespan connects the worker, and drains it."""

import os
import sys
import types
import warnings

from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

# Of the libraries themselves, when they are imported.
warnings.simplefilter("default")
router = LocalTaskRouter().start()
alice = router.add_worker("Alice", activity="Available")
os.environ["TASKROUTER_LOCAL_URL"] = router.url
desk = types.ModuleType("desk")
vars(desk).update(fetch_token=lambda: router.token(alice))
sys.modules["desk"] = desk

# -- the snippet --

import asyncio  # noqa: E402


async def served() -> None:
    async with lifespan(app):  # type: ignore[name-defined]  # noqa: F821
        task = router.create_task({})
        await asyncio.to_thread(eventually, lambda: router.task(task).assignment_status == "completed", 30)
        assert router.open_sessions(alice) == 1


asyncio.run(served())
eventually(lambda: router.open_sessions(alice) == 0, 30)
assert router.worker(alice).activity_name == "Offline"
router.stop()
