"""A statement of Twilio's documentation in our own words, and how the local TaskRouter is asked whether it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import requests

    from twilio_taskrouter_worker.local import LocalTaskRouter

SAME = "same"
DIFFERS = "differs"
UNKNOWN = "unknown"


class World:
    """A local TaskRouter with its FIFO workspace, asked over REST; its clock stands still unless it is moved."""

    def __init__(self, router: LocalTaskRouter) -> None:
        self.router = router
        self.queue = router.task_queue_sid
        self.workflow = router.workflow_sid
        self.activities = router.activities

    def ask(self, method: str, path: str, form: dict[str, Any] | None = None, **headers: str) -> requests.Response:
        """Send a request; the path is below the workspace, or from the root with two slashes."""
        import requests

        home = f"{self.router.url}/v1/Workspaces"
        url = f"{home}{path[1:].rstrip('/')}" if path.startswith("//") else f"{home}/{self.router.workspace_sid}{path}"
        where: dict[str, Any] = {"data": form} if method == "POST" else {"params": form}
        auth = (self.router.account_sid, self.router.auth_token)
        return requests.request(method, url, auth=auth, timeout=30, headers=headers, **where)

    def status(self, method: str, path: str, **form: Any) -> int:
        """Return the status of an answer."""
        return self.ask(method, path, form).status_code

    def get(self, path: str, **query: Any) -> Any:
        """Return the document of a GET."""
        return self.ask("GET", path, query).json()

    def post(self, path: str, **form: Any) -> Any:
        """Return the document of a POST that works."""
        answer = self.ask("POST", path, form)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refused(self, path: str, **form: Any) -> tuple[int, str]:
        """Return status and message of a POST that does not work."""
        answer = self.ask("POST", path, form)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["message"]

    def delete(self, path: str) -> int:
        """Return the status of a DELETE."""
        return self.ask("DELETE", path).status_code

    def worker(self, name: str = "Alice", activity: str = "Available", capacity: int = 1, **attributes: Any) -> str:
        """Make a worker and return its path."""
        form = {"FriendlyName": name, "ActivitySid": self.activities[activity], "Attributes": json.dumps(attributes)}
        path = f"/Workers/{self.post('/Workers', **form)['sid']}"
        if capacity != 1:
            self.post(f"{path}/Channels/default", Capacity=capacity)
        return path

    def task(self, attributes: dict[str, Any] | None = None, **form: Any) -> str:
        """Make a task and return its path."""
        form = {"WorkflowSid": self.workflow, "Attributes": json.dumps(attributes or {}), **form}
        return f"/Tasks/{self.post('/Tasks', **form)['sid']}"

    def offers(self, task: str, status: str = "") -> list[str]:
        """Return the paths of a task's reservations, oldest first."""
        query = {"ReservationStatus": status} if status else {}
        return [
            f"{task}/Reservations/{each['sid']}" for each in self.get(f"{task}/Reservations", **query)["reservations"]
        ]

    def offered(self, **form: Any) -> tuple[str, str, str]:
        """Make a worker and a task; return the paths of both, and of the reservation."""
        worker, task = self.worker(contact_uri="client:alice"), self.task(**form)
        return worker, task, self.offers(task)[0]

    def accepted(self, **form: Any) -> tuple[str, str, str]:
        """The same, accepted."""
        worker, task, offer = self.offered(**form)
        self.post(offer, ReservationStatus="accepted")
        return worker, task, offer

    def new_queue(self, name: str = "Second", target: str = "1==1", **form: Any) -> str:
        """Make a queue and return its sid."""
        return str(self.post("/TaskQueues", FriendlyName=name, TargetWorkers=target, **form)["sid"])

    def new_workflow(self, *filters: Any, default: Any = None, name: str = "Second", **form: Any) -> str:
        """Make a workflow and return its sid."""
        routing = {"filters": list(filters), **({"default_filter": default} if default else {})}
        configuration = json.dumps({"task_routing": routing})
        return str(self.post("/Workflows", FriendlyName=name, Configuration=configuration, **form)["sid"])

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.router.clock.advance(seconds)

    def log(self) -> list[dict[str, Any]]:
        """Return the event log, oldest first."""
        events: list[dict[str, Any]] = self.get("/Events", PageSize=1000, Minutes=43200)["events"]
        return events[::-1]

    def types(self, start: str = "") -> list[str]:
        """Return the types of the log, those that begin so."""
        return [event["event_type"] for event in self.log() if event["event_type"].startswith(start)]

    def event(self, kind: str) -> dict[str, str]:
        """Return the facts of the latest event of a type."""
        found = [event for event in self.log() if event["event_type"] == kind]
        assert found, f"no {kind} in {self.types()}"
        facts: dict[str, str] = found[-1]["event_data"]
        return facts


Check = Callable[[World], Any]
"""Asks whether a statement holds: it does if the result is true."""


@attrs.frozen
class Statement:
    """One statement and its verdict."""

    page: str
    """The page of Twilio's documentation, below ``https://www.twilio.com/docs/``."""
    text: str
    check: Check
    verdict: str = SAME
    why: str = ""
    """What is different here and why, or what was chosen where nobody knows."""
    switch: str = ""


class Page:
    """Collects the statements of one page."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.statements: list[Statement] = []

    def says(self, text: str, check: Check) -> None:
        """Add a statement that holds here."""
        self.statements.append(Statement(self.path, text, check))

    def differs(self, text: str, why: str, check: Check, switch: str = "") -> None:
        """Add a statement that does not; the check is of what is so here."""
        self.statements.append(Statement(self.path, text, check, DIFFERS, why, switch))

    def unknown(self, text: str, chosen: str, check: Check, switch: str = "") -> None:
        """Add a question that only a live account can settle; the check is of what was chosen."""
        self.statements.append(Statement(self.path, text, check, UNKNOWN, chosen, switch))
