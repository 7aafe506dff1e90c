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
    from .engine.expressions import Semantics
    from .engine.rules import Rules
    from .faults import Fault, Faults
    from .router import LocalTaskRouter

__all__ = ["Clock", "Fault", "Faults", "LocalTaskRouter", "Rules", "Semantics"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All at once: who asks for one of the names is about to use the service.
    from .clock import Clock
    from .engine.expressions import Semantics
    from .engine.rules import Rules
    from .faults import Fault, Faults
    from .router import LocalTaskRouter

    globals().update(
        Clock=Clock, Fault=Fault, Faults=Faults, LocalTaskRouter=LocalTaskRouter, Rules=Rules, Semantics=Semantics
    )
    return globals()[name]
