"""One complete run: workers connect, are offered tasks, accept, work and complete them, over real connections.

Nothing here prints; an :class:`Observer` is notified of each step and :class:`Report` is the result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

import requests
from attrs import define, evolve, field

from twilio_taskrouter_worker import ClosedError, Reservation, TaskRouterError, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

STATES = ("pending", "reserved", "assigned", "completed")
"""The states of a successful task, in order."""

WORK_SECONDS = 0.05
"""How long the demo's workers work on a task."""

CALL_TIMEOUT_SECONDS = 10.0
"""How long one call may take; on loopback a call that takes seconds will never complete."""

_NAMES = ("Alice", "Bob", "Carol", "Dave", "Erin", "Frank", "Grace", "Heidi")


@define
class TaskStory:
    """The observed history of one task."""

    number: int
    """From 1, in the order of creation."""

    sid: str = ""
    worker: str = ""
    """Name of the worker who was offered it last; empty before the first offer."""

    reached: dict[str, float] = field(factory=dict)
    """State -> seconds since the start of the shift."""

    status: str = ""
    """Its status in the service at the end; empty until then."""

    @property
    def state(self) -> str:
        """The last observed state; empty before the task exists."""
        return next((state for state in reversed(STATES) if state in self.reached), "")

    def seconds_in(self, state: str) -> float | None:
        """Return the time between two states.

        Args:
            state: The earlier one.

        Returns:
            The seconds from ``state`` to the next one; None if one of them was not reached.
        """
        after = STATES[STATES.index(state) + 1]
        if state not in self.reached or after not in self.reached:
            return None
        # Each state is stamped on the thread that observes it: a delayed thread must not result in a negative time.
        return max(0.0, self.reached[after] - self.reached[state])


@define
class WorkerStory:
    """The observed history of one worker."""

    name: str
    sid: str
    connected_seconds: float | None = None
    """From the call of ``start()`` until it was ready; None until then."""

    completed: int = 0


@define
class Stuck:
    """A task that was not completed, and the reason."""

    number: int
    sid: str
    status: str
    why: str


@define
class Report:
    """The result of a shift."""

    url: str
    seconds: float
    workers: list[WorkerStory]
    tasks: list[TaskStory]
    stuck: list[Stuck]
    troubles: list[str]
    """Errors that the workers reported during the run."""

    @property
    def ok(self) -> bool:
        """True only if every task is completed in the service itself."""
        return not self.stuck and all(task.status == "completed" for task in self.tasks)


class Observer(Protocol):
    """Notified of each step, on the thread on which it happened. Must not raise, and must not block for long."""

    def opened(self, url: str) -> None:
        """The local TaskRouter accepts requests.

        Args:
            url: Its address.
        """

    def connected(self, worker: WorkerStory) -> None:
        """A worker is ready.

        Args:
            worker: The worker.
        """

    def moved(self, task: TaskStory, state: str) -> None:
        """A task reached a state.

        Args:
            task: The task.
            state: The state.
        """


@define
class Shift:
    """One run: ``tasks`` tasks for ``workers`` workers, on a local TaskRouter of its own."""

    task_count: int
    worker_count: int
    observer: Observer
    deadline_seconds: float
    """From the start; tasks that are not completed by then are reported as stuck."""

    now: Callable[[], float] = time.perf_counter
    tasks: list[TaskStory] = field(init=False)
    workers: list[WorkerStory] = field(init=False, factory=list)
    troubles: list[str] = field(init=False, factory=list)
    _started: float = field(init=False, default=0.0)
    # Guards the stories, which several dispatch threads write. Nothing else is called while it is held.
    _changed: threading.Condition = field(init=False, factory=threading.Condition)

    def __attrs_post_init__(self) -> None:
        self.tasks = [TaskStory(number) for number in range(1, self.task_count + 1)]

    def run(self) -> Report:
        """Run until every task is completed or the deadline has passed, then query the final states from the service.

        Blocks until then.

        Raises:
            TimeoutError: A worker was not ready by the deadline.
            TaskRouterError: A connection was refused.
        """
        self._started = self.now()
        # In this process but over real sockets: what the demo shows is what a program of its own would see.
        with LocalTaskRouter() as router:
            self.observer.opened(router.url)
            clients = self._connect(router)
            try:
                self._create_tasks(router)
                self._wait()
                seconds = self._elapsed()
                # Before the clients disconnect: what the service has must not depend on their end.
                self._verify(router)
                stuck = [self._stuck(router, task) for task in self.tasks if task.status != "completed"]
            finally:
                for client in clients:
                    client.disconnect()
            return Report(router.url, seconds, self.workers, self.tasks, stuck, self.troubles)

    def snapshot(self) -> list[TaskStory]:
        """Return a copy of each task's history as of now; may be called from any thread."""
        with self._changed:
            return [evolve(task, reached=dict(task.reached)) for task in self.tasks]

    # -- the steps ----------------------------------------------------------------------------------------------------

    def _connect(self, router: LocalTaskRouter) -> list[Worker]:
        clients: list[Worker] = []
        try:
            for number in range(self.worker_count):
                name = _NAMES[number] if number < len(_NAMES) else f"Worker {number + 1}"
                sid = router.add_worker(name, attributes={"languages": ["en"]}, activity="Available")
                clients.append(Worker(router.token(sid), **router.connection))
                self.workers.append(WorkerStory(name, sid))
            # All are started before the first wait, so that the workers connect in parallel.
            pending = []
            for client, story in zip(clients, self.workers, strict=True):
                self._listen(client, story)
                pending.append((client.start(), story, self._elapsed()))
            for future, story, begun in pending:
                try:
                    future.result(timeout=max(0.0, self._left()))
                except FutureTimeoutError:
                    raise TimeoutError(f"{story.name} was not ready within {self.deadline_seconds:g} s") from None
                story.connected_seconds = self._elapsed() - begun
                self.observer.connected(story)
        # Ctrl-C as well: their threads would outlive the failed start.
        except BaseException:
            for client in clients:
                client.disconnect()
            raise
        return clients

    def _listen(self, client: Worker, story: WorkerStory) -> None:
        def serve(reservation: Reservation) -> None:
            try:
                self._serve(reservation, story)
            except ClosedError:
                pass  # the shift has ended during this task, which is reported as stuck

        def report(error: TaskRouterError) -> None:
            cause = "" if error.__cause__ is None else f": {type(error.__cause__).__name__}: {error.__cause__}"
            with self._changed:
                self.troubles.append(f"{story.name}: {error}{cause}")

        client.on("reservation_created", serve)
        client.on("error", report)

    def _serve(self, reservation: Reservation, worker: WorkerStory) -> None:
        """Do a worker's complete job; runs on that worker's dispatch thread, one reservation after the other."""
        # By its attributes: the sid is not known here if the task was offered before create_task() returned.
        task = self.tasks[int(reservation.task.attributes["number"]) - 1]
        with self._changed:
            task.worker = worker.name
        self._reach(task, "reserved")

        def completed(_: Reservation) -> None:
            with self._changed:
                worker.completed += 1
            self._reach(task, "completed")

        # Before the accept, so that no event can come before the listener.
        reservation.on("completed", completed)
        reservation.accept().result(CALL_TIMEOUT_SECONDS)
        self._reach(task, "assigned")
        time.sleep(WORK_SECONDS)  # the work
        reservation.task.complete("demo").result(CALL_TIMEOUT_SECONDS)

    def _create_tasks(self, router: LocalTaskRouter) -> None:
        for task in self.tasks:
            # Stamped before the call: a waiting worker may get the task before the call returns.
            self._reach(task, "pending")
            task.sid = router.create_task(attributes={"number": task.number})

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: all("completed" in task.reached for task in self.tasks), timeout=max(0.0, self._left())
            )

    def _verify(self, router: LocalTaskRouter) -> None:
        """Query the tasks over REST, as any other program would; the clients' own view is not evidence."""
        found: dict[str, str] = {}
        page: str | None = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Tasks?PageSize=1000"
        while page is not None:
            answer = requests.get(page, auth=(router.account_sid, router.auth_token), timeout=CALL_TIMEOUT_SECONDS)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json()
            found.update((task["sid"], task["assignment_status"]) for task in body["tasks"])
            page = body["meta"]["next_page_url"]
        for task in self.tasks:
            task.status = found.get(task.sid, "missing")

    def _stuck(self, router: LocalTaskRouter, task: TaskStory) -> Stuck:
        return Stuck(task.number, task.sid, task.status, str(router.explain(task.sid)))

    # -- the stories --------------------------------------------------------------------------------------------------

    def _reach(self, task: TaskStory, state: str) -> None:
        with self._changed:
            task.reached[state] = self._elapsed()
            self._changed.notify_all()
        # Outside of the lock: an observer may print, or read a snapshot.
        self.observer.moved(task, state)

    def _elapsed(self) -> float:
        return self.now() - self._started

    def _left(self) -> float:
        return self.deadline_seconds - self._elapsed()
