"""The routing engine alone, without a socket: full lives of tasks a second, with few and with many tasks waiting.

    python -m tests.benchmarks.engine
    python -m tests.benchmarks.engine --pending 100 --profile
    python -m tests.benchmarks.engine --pending 1000 --lives 1000000 --memory

A workspace with workers of three languages and five skills, and queues that ask for them. Every worker is busy and as
many tasks wait as are asked for. One life: a worker completes its task, which makes the engine choose the next one for
that worker; the worker accepts it; and a new task comes and waits. Time goes on by 50 ms a life, so that tasks that are
over are purged as they would be, after 6,000 lives. The garbage collector goes through everything once in some 15,000
lives, for a tenth of a second; fewer lives would count that as much as three times over, or not at all.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twilio_taskrouter_worker.local.engine import Engine, commands
from twilio_taskrouter_worker.local.engine.events import ReservationEvent

LANGUAGES = ("en", "es", "de")
SKILLS = ("sales", "support", "billing", "returns", "vip")
SECONDS_PER_LIFE = 0.05


@dataclass
class Shop:
    """An engine with a workspace that is at work."""

    workers: int
    queues: int
    seed: int = 1
    now: float = 1_700_000_000.0
    busy: list[tuple[str, str]] = field(default_factory=list)
    """Tasks that are assigned, and their reservations, in order of acceptance."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.engine = Engine(account_sid="AC" + "0" * 32, seed=self.seed)
        self.workspace = self.do(commands.CreateWorkspace(friendly_name="Shop", template="NONE")).sid
        available = next(each.sid for each in self.engine.activities(self.workspace) if each.available)
        filters = []
        for number in range(self.queues):
            language, skill, level = self.kind(number)
            queue = self.create(
                commands.CreateTaskQueue,
                friendly_name=f"{language} {skill} {level} {number}",
                target_workers=(
                    f"languages HAS '{language}' AND skills HAS '{skill}' AND (level >= {level} OR team == 'all')"
                ),
            )
            filters.append(
                {
                    "filter_friendly_name": queue.friendly_name,
                    "expression": f"language == '{language}' AND topic == '{skill}' AND kind == {number}",
                    "targets": [{"queue": queue.sid, "priority": "5"}],
                }
            )
        # Made beforehand, since a client makes the text of a request.
        self.texts = [self.text(number) for number in range(self.queues)]
        configuration = json.dumps({"task_routing": {"filters": filters}})
        self.workflow = self.create(commands.CreateWorkflow, friendly_name="All", configuration=configuration).sid
        for number in range(self.workers):
            attributes = {
                "languages": self.chance.sample(LANGUAGES, self.chance.randint(1, 3)),
                "skills": self.chance.sample(SKILLS, self.chance.randint(1, 4)),
                "level": self.chance.randint(1, 5),
                "team": self.chance.choice(("north", "south", "all")),
            }
            self.create(
                commands.CreateWorker,
                friendly_name=f"Worker {number}",
                activity_sid=available,
                attributes=json.dumps(attributes),
            )

    @staticmethod
    def kind(number: int) -> tuple[str, str, int]:
        """Language, skill and level of a queue, and of the tasks for it."""
        return LANGUAGES[number % len(LANGUAGES)], SKILLS[number % len(SKILLS)], number % 4 + 1

    def text(self, number: int) -> str:
        """The attributes of a task for a queue."""
        language, skill, _ = self.kind(number)
        return json.dumps({"language": language, "topic": skill, "kind": number, "customer": f"+1555{number:07}"})

    def do(self, command: commands.Command) -> Any:
        """Apply a command; accept what is offered by the way."""
        outcome = self.engine.apply(command, self.now)
        self.offers = [
            event.reservation
            for event in outcome.events
            if event.type == "reservation.created" and isinstance(event, ReservationEvent)
        ]
        return outcome.result

    def create(self, command: Any, **fields: Any) -> Any:
        """Create something in the workspace."""
        return self.do(command(workspace_sid=self.workspace, **fields))

    def task(self) -> None:
        """A customer comes; a worker who has nothing to do accepts."""
        text = self.chance.choice(self.texts)
        self.create(commands.CreateTask, workflow_sid=self.workflow, attributes=text, timeout=1_000_000)
        self.accept()

    def accept(self) -> None:
        """Whoever was offered a task accepts it."""
        for offer in self.offers:
            accepted = {"workspace_sid": self.workspace, "sid": offer.sid, "reservation_status": "accepted"}
            self.do(commands.UpdateReservation(**accepted))
            self.busy.append((offer.task_sid, offer.sid))

    def life(self) -> None:
        """One task ends, one is chosen and accepted, one comes."""
        self.now += SECONDS_PER_LIFE
        place = self.chance.randrange(len(self.busy))
        self.busy[place], self.busy[-1] = self.busy[-1], self.busy[place]
        task_sid, _ = self.busy.pop()
        over = {"workspace_sid": self.workspace, "sid": task_sid, "assignment_status": "completed", "reason": "done"}
        self.do(commands.UpdateTask(**over))
        self.accept()
        self.task()

    def fill(self, pending: int) -> None:
        """Let customers come until so many wait."""
        while self.waiting() < pending:
            for _ in range(min(500, pending - self.waiting())):
                self.task()

    def waiting(self) -> int:
        """How many tasks wait."""
        return sum(task.assignment_status == "pending" for task in self.engine.tasks(self.workspace))


@dataclass
class Figure:
    """What was measured with so many tasks waiting."""

    pending: int
    lives: int
    seconds: float
    busy: int

    @property
    def rate(self) -> float:
        """Lives a second."""
        return self.lives / self.seconds

    def __str__(self) -> str:
        micros = 1e6 * self.seconds / self.lives
        return f"{self.pending:>7} pending  {self.busy:>5} busy  {self.rate:>8.0f} lives/s  {micros:>7.0f} us a life"


def measure(pending: int, *, workers: int, queues: int, lives: int, profile: bool = False) -> Figure:
    """Fill a shop and live so many lives, after a tenth of them to warm up."""
    shop = Shop(workers, queues)
    shop.fill(pending)
    for _ in range(lives // 10):
        shop.life()
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    begun = time.process_time()
    for _ in range(lives):
        shop.life()
    seconds = time.process_time() - begun
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return Figure(shop.waiting(), lives, seconds, len(shop.busy))


def endure(pending: int, *, workers: int, queues: int, lives: int) -> None:
    """Print the size of the process after each tenth of so many lives; it is flat once ended tasks are purged."""
    shop = Shop(workers, queues)
    shop.fill(pending)
    for tenth in range(11):
        print(f"{tenth * lives // 10:>9} lives  {rss():>6.1f} MB", flush=True)
        for _ in range(lives // 10 if tenth < 10 else 0):
            shop.life()


def rss() -> float:
    """Megabytes that this process occupies now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine", description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=20)
    parser.add_argument("--pending", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--lives", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--memory", action="store_true", help="print the size of the process after each tenth instead")
    given = parser.parse_args(arguments)
    figures = []
    for pending in given.pending:
        shape = {"workers": given.workers, "queues": given.queues, "lives": given.lives}
        if given.memory:
            endure(pending, **shape)
            continue
        figures.append(measure(pending, profile=given.profile, **shape))
        print(figures[-1], flush=True)
    if len(figures) > 1:
        print(f"the last costs {figures[0].rate / figures[-1].rate:.2f} times as much a life as the first")
    print(f"largest size of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
