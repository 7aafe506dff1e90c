"""The local TaskRouter: the service itself, embedded and offline.

    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice", activity="Available")
        worker = Worker(router.token(alice), **router.connection)

Needs the extra ``local``.
"""

from __future__ import annotations

from .clock import Clock
from .engine.rules import Rules
from .router import LocalTaskRouter

__all__ = ["Clock", "LocalTaskRouter", "Rules"]
