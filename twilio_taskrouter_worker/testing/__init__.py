"""Support for tests of programs that use this package: a service with workers, waits, faults, handlers on their own.

With pytest the fixtures ``taskrouter``, ``taskrouter_worker`` and ``taskrouter_clock`` are available once the package
is installed. Anywhere else, use the context manager::

    with TestBench() as bench:
        worker = bench.worker("Alice")
        program(worker)
        task = bench.router.create_task({"order": 4711})
        eventually(lambda: bench.router.task(task).assignment_status == "completed")

At the end of the block, an error of a callback or a failed call whose Future was never checked is raised: neither
reaches the test by itself. A handler can be tested without any service::

    reservation = make_reservation({"order": 4711})
    handler(reservation)
    assert [call.name for call in calls_of(reservation)] == ["accept", "complete_task"]
"""

from __future__ import annotations

from .bench import TestBench, eventually
from .fault_profiles import FAULT_PROFILES, fault_profile
from .scripted import Call, calls_of, make_reservation, make_task

__all__ = [
    "FAULT_PROFILES",
    "Call",
    "TestBench",
    "calls_of",
    "eventually",
    "fault_profile",
    "make_reservation",
    "make_task",
]
