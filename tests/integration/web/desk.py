"""The two example sites, which have the same pages: set up against a local TaskRouter, and used as a person does."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import requests

from tests.tools.programs import PATIENCE, ROOT
from tests.tools.wait import eventually
from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED
from twilio_taskrouter_worker.local import LocalTaskRouter

EXAMPLES = ROOT / "examples"


@attrs.frozen
class Site:
    """A copy of an example, and the service it is for."""

    folder: Path
    router: LocalTaskRouter
    environment: dict[str, str]
    worker_sid: str

    def sessions(self) -> int:
        """How many sessions the worker has."""
        return self.router.open_sessions(self.worker_sid)

    def wait_for_session(self) -> None:
        """Wait until the worker is connected."""
        eventually(lambda: self.sessions() == 1, PATIENCE, "the worker was not connected")


@contextmanager
def site(name: str, folder: Path) -> Iterator[Site]:
    """Copy an example into a folder, and start a service with its seed file on a free port."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("*.sqlite*", "__pycache__"))
    seed = folder / "seed.yaml"
    # Where the pages will be is known later.
    seed.write_text(re.sub(r".*_callback_url: .*\n", "", seed.read_text(encoding="utf-8")), encoding="utf-8")
    with LocalTaskRouter(seed=DEVELOPMENT_SEED, seed_file=seed) as router:
        environment = local_env(name) | {"TASKROUTER_LOCAL_URL": router.url}
        yield Site(folder, router, environment, environment["TASKROUTER_WORKER_SID"])


def local_env(name: str) -> dict[str, str]:
    """The variables of an example's ``local.env``."""
    text = (EXAMPLES / name / "local.env").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


class Person:
    """Somebody at the desk, with a browser's cookies."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._session = requests.Session()

    def page(self) -> str:
        """Load the page."""
        answer = self._session.get(f"{self.address}/", timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.text

    def tasks(self) -> list[str]:
        """The sids on the desk."""
        return re.findall(r"/tasks/(WT\w+)/complete", self.page())

    def post(self, path: str, **fields: str) -> None:
        """Submit a form."""
        token = self._session.cookies.get("csrftoken", "")
        answer = self._session.post(
            f"{self.address}{path}", data=fields, headers={"X-CSRFToken": token}, timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        """Close the browser."""
        self._session.close()


def work_through(site: Site, address: str, *, tasks: int = 3) -> None:
    """Use every part of the pages, and check that each task is offered, accepted and completed once.

    The worker must be connected, by one process, and have room for the tasks.
    """
    router, person = site.router, Person(address)
    router.set_callbacks(assignment_url=f"{address}/taskrouter", event_url=f"{address}/taskrouter")
    try:
        person.page()  # for the cookies
        person.post("/activity", activity="Offline")
        assert router.worker(site.worker_sid).activity_name == "Offline"
        person.post("/languages", languages="en es")
        assert '"es"' in router.worker(site.worker_sid).attributes
        person.post("/activity", activity="Available")
        made = {router.create_task({"order": number}) for number in range(tasks)}
        eventually(lambda: made <= set(person.tasks()), PATIENCE, "the tasks did not come to the desk")
        for sid in made:
            person.post(f"/tasks/{sid}/complete", reason="sold")
        eventually(lambda: not made & set(person.tasks()), PATIENCE, "the desk was not cleared")
        assert {router.task(sid).assignment_status for sid in made} == {"completed"}
        offers = router.events("reservation.created", "reservation.accepted")
        once = Counter((event.type, event.data["task_sid"]) for event in offers if event.data["task_sid"] in made)
        assert len(once) == 2 * tasks and set(once.values()) == {1}, once
        eventually(lambda: "completed" in person.page(), PATIENCE, "no event was reported")
        assert site.sessions() == 1
    finally:
        person.close()
