"""The local TaskRouter: the service itself, embedded and offline.

    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice", activity="Available")
        worker = Worker(router.token(alice), **router.connection)

Needs the extra ``local``. The service's libraries are imported with the first name that is taken from here, and not
again at each start, which takes a millisecond; :mod:`.engine` needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import Clock
    from .comparing import Comparison, TaskCourse, TaskDifference, compare
    from .engine.expressions import Semantics
    from .engine.model import Reservation as ReservationRecord
    from .engine.model import Task as TaskRecord
    from .engine.model import Worker as WorkerRecord
    from .explanation import Explanation
    from .faults import Fault, Faults
    from .logged_events import LoggedEvent
    from .moments import History, Moment, View
    from .router import LocalTaskRouter
    from .rules import Rules

__all__ = [
    "Clock",
    "Comparison",
    "Explanation",
    "Fault",
    "Faults",
    "History",
    "LocalTaskRouter",
    "LoggedEvent",
    "Moment",
    "ReservationRecord",
    "Rules",
    "Semantics",
    "TaskCourse",
    "TaskDifference",
    "TaskRecord",
    "View",
    "WorkerRecord",
    "compare",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All at once: a program that takes one of the names is about to use the service.
    try:
        from . import comparing, logged_events, moments, router
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "aiohttp":
            raise
        raise ModuleNotFoundError(
            'The local TaskRouter needs aiohttp, which is not installed: pip install "twilio_taskrouter_worker[local]"',
            name="aiohttp",
        ) from missing
    from .clock import Clock
    from .engine import expressions, model
    from .explanation import Explanation
    from .faults import Fault, Faults
    from .rules import Rules

    # The names are found in the module from now on, so that __getattr__ (PEP 562) runs once.
    globals().update(
        Clock=Clock,
        Comparison=comparing.Comparison,
        Explanation=Explanation,
        Fault=Fault,
        Faults=Faults,
        History=moments.History,
        LocalTaskRouter=router.LocalTaskRouter,
        LoggedEvent=logged_events.LoggedEvent,
        Moment=moments.Moment,
        ReservationRecord=model.Reservation,
        Rules=Rules,
        Semantics=expressions.Semantics,
        TaskCourse=comparing.TaskCourse,
        TaskDifference=comparing.TaskDifference,
        TaskRecord=model.Task,
        View=moments.View,
        WorkerRecord=model.Worker,
        compare=comparing.compare,
    )
    return globals()[name]
