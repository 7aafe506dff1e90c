"""Beside the page on FastAPI: the application is called as a browser and as TaskRouter call it."""

import os
import sys
import types
import warnings

from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

# Of the libraries themselves, when they are imported.
warnings.simplefilter("default")
router = LocalTaskRouter().start()
alice = router.add_worker("Alice", activity="Offline")
events: list[str] = []
os.environ.update(TWILIO_AUTH_TOKEN=router.auth_token, TASKROUTER_LOCAL_URL=router.url)
desk = types.ModuleType("desk")
vars(desk).update(fetch_token=lambda: router.token(alice), on_event=lambda event: events.append(event.event_type))
sys.modules["desk"] = desk

# -- the snippet --

import threading  # noqa: E402

import requests  # noqa: E402
import uvicorn  # noqa: E402

server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))  # type: ignore[name-defined]  # noqa: F821
thread = threading.Thread(target=server.run)
thread.start()
eventually(lambda: server.started, 30)
address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
router.set_callbacks(event_url=f"{address}/taskrouter", events=["task.completed"])
assert requests.post(f"{address}/activity/Available", timeout=30).json() == {"activity": "Available"}
task = router.create_task({})
assert requests.post(f"{address}/tasks/{task}/complete", timeout=30).status_code == 502, "it was not accepted"
client().accept(router.reservations(task_sid=task)[0].sid).result()  # type: ignore[name-defined]  # noqa: F821
assert requests.post(f"{address}/tasks/{task}/complete", timeout=30).json() == {"completed": task}
assert router.task(task).assignment_status == "completed"
assert requests.post(f"{address}/taskrouter", data={"EventType": "forged"}, timeout=30).status_code == 403
eventually(lambda: "task.completed" in events, 30)
server.should_exit = True
thread.join()
router.stop()
