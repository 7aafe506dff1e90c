"""The output of ``taskrouter demo``: a live table on a terminal, plain lines elsewhere, a closing table on both."""

from __future__ import annotations

from statistics import median
from types import TracebackType

from attrs import define, field
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from twilio_taskrouter_worker.cli.shift import STATES, Report, Shift, TaskStory, WorkerStory

_STYLES = {"pending": "yellow", "reserved": "cyan", "assigned": "magenta", "completed": "green"}
_LINES_BESIDE_TABLE = 10
"""Lines of the terminal reserved for the text above the live table and the prompt below it."""


def duration(seconds: float | None) -> str:
    """Return a duration as text, such as ``52 ms`` or ``1.20 s``.

    Args:
        seconds: The duration; None: a dash.
    """
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _way(task: TaskStory) -> Text:
    """Return one task's states: those it reached in colour, each with its duration."""
    way = Text.assemble((f"task {task.number:<4} ", "bold"), f"{task.worker:<8}")
    for state in STATES:
        if state != STATES[0]:
            way.append(" > ", style="dim")
        way.append(state, style=_STYLES[state] if state in task.reached else "dim")
        if state != STATES[-1]:
            spent = task.seconds_in(state)
            way.append(f" {'' if spent is None else duration(spent):>6}")
    return way


@define
class Screen:
    """An observer that prints; a context manager around the run."""

    console: Console
    shift: Shift | None = None
    """Set before the run begins: the live table reads from it."""

    _live: Live | None = field(init=False, default=None)

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            # Transient, so that the table makes room for the report; completed tasks are printed above it for good.
            self._live = Live(get_renderable=self._board, console=self.console, refresh_per_second=12, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    # -- Observer -----------------------------------------------------------------------------------------------------

    def opened(self, url: str) -> None:
        """Print the address of the local TaskRouter.

        Args:
            url: The address.
        """
        self.console.print(f"local TaskRouter at {url}", highlight=False)

    def connected(self, worker: WorkerStory) -> None:
        """Print a connected worker.

        Args:
            worker: The worker.
        """
        self.console.print(
            f"[bold]{escape(worker.name)}[/] connected in {duration(worker.connected_seconds)}  [dim]{worker.sid}[/]",
            highlight=False,
        )

    def moved(self, task: TaskStory, state: str) -> None:
        """Print a task's line when it is completed; on a terminal the live table shows the earlier states.

        Args:
            task: The task.
            state: The state that it reached.
        """
        if state == "completed":
            self.console.print(_way(task), soft_wrap=True)

    # -- the live table -----------------------------------------------------------------------------------------------

    def _board(self) -> Group:
        """Return the tasks in progress, as many as fit, and the overall progress."""
        tasks = [] if self.shift is None else self.shift.snapshot()
        states = [task.state for task in tasks]
        at_work = [task for task in tasks if task.state in ("reserved", "assigned")]
        # A live table that is taller than the terminal could not be redrawn in place.
        fitting = max(1, self.console.height - _LINES_BESIDE_TABLE)
        done, waiting = states.count("completed"), states.count("pending")
        progress = Text.assemble(f"{done}/{len(tasks)} ", _bar(done, len(tasks)), f" {waiting} waiting")
        return Group(*map(_way, at_work[:fitting]), progress)


def _bar(done: int, total: int, width: int = 42) -> Text:
    filled = round(width * done / total) if total else 0
    return Text.assemble(("=" * filled, "green"), ("-" * (width - filled), "dim"))


def print_report(console: Console, report: Report) -> None:
    """Print the closing table, the stuck tasks, and the result in one line.

    Args:
        console: prints.
        report: The report.
    """
    table = Table(title="What each worker did", title_justify="left")
    for column in ("worker", "tasks", "connected in", "accepted in (median)", "worked (median)"):
        table.add_column(column, justify="left" if column == "worker" else "right")
    for worker in report.workers:
        own = [task for task in report.tasks if task.worker == worker.name]
        table.add_row(
            worker.name,
            str(worker.completed),
            duration(worker.connected_seconds),
            duration(_median([task.seconds_in("reserved") for task in own])),
            duration(_median([task.seconds_in("assigned") for task in own])),
        )
    console.print(table)
    for trouble in report.troubles:
        console.print(Text(f"reported by a worker: {trouble}", style="yellow"), soft_wrap=True)
    for stuck in report.stuck:
        console.print(Text(f"task {stuck.number} ({stuck.sid}) is {stuck.status}", style="bold red"))
        console.print(Text(stuck.why, style="dim"), soft_wrap=True)
    completed = sum(task.status == "completed" for task in report.tasks)
    verdict = (
        f"{completed} of {len(report.tasks)} tasks completed by {len(report.workers)} "
        f"worker{'s' if len(report.workers) != 1 else ''} in {duration(report.seconds)}, by the service's own count"
    )
    console.print(Text(verdict, style="bold green" if report.ok else "bold red"), soft_wrap=True)


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
