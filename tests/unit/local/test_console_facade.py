"""The forks and moments of a console, at their limits."""

from __future__ import annotations

from typing import Any, cast

import pytest

from twilio_taskrouter_worker.errors import NotFoundError, StateError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter
from twilio_taskrouter_worker.local import console as module
from twilio_taskrouter_worker.local.console import ConsoleFacade


class Fork:
    """A router that was forked."""

    url = "http://127.0.0.1:1"
    console_url = "http://127.0.0.1:1/console"

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        """Stop it."""
        self.stops += 1


class Router:
    """A router that is closed while it forks, if it is told to be."""

    def __init__(self) -> None:
        self.made: list[Fork] = []
        self.facade = ConsoleFacade(cast(Any, self))
        self.close_meanwhile = False

    def fork(self, moment: int | None) -> Fork:
        """Make a fork."""
        self.made.append(Fork())
        if self.close_meanwhile:
            self.facade.close()
        return self.made[-1]


def test_forks_are_limited_and_end_with_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ended makes room; closing stops each of the others once."""
    monkeypatch.setattr(module, "MOST_FORKS", 2)
    router = Router()
    first, _ = router.facade.fork(None), router.facade.fork(3)
    with pytest.raises(StateError, match="2 forks already"):
        router.facade.fork(None)
    assert router.facade.end_fork(first["id"])
    assert not router.facade.end_fork(first["id"])
    assert [row["moment"] for row in router.facade.forks()] == [3]
    router.facade.close()
    router.facade.close()
    assert [fork.stops for fork in router.made] == [1, 1] and router.facade.forks() == []


def test_a_fork_that_is_made_while_the_router_stops() -> None:
    """Nobody else would stop it."""
    router = Router()
    router.close_meanwhile = True
    with pytest.raises(StateError, match="has been stopped"):
        router.facade.fork(None)
    assert [fork.stops for fork in router.made] == [1] and router.facade.forks() == []


def test_moments_before_and_after_a_workspace() -> None:
    """A moment without a workspace has none in its facts; questions about what was not there are refused."""
    with LocalTaskRouter(clock=Clock.virtual(1_800_000_000.0)) as router:
        worker = router.add_worker("Ann")
        history = router.history()
        assert repr(history) == f"<History of {len(history)} moments, up to {history.last}>"
        view = router.at(history.last)
        assert repr(view).startswith("<View of 2027-01-15T") and repr(view).endswith(f", after entry {view.number}>")
        assert view.worker(worker).friendly_name == "Ann"
        with pytest.raises(NotFoundError):
            view.worker("WK" + "0" * 32)
        start = router.at(0)
        with pytest.raises(StateError, match="no workspace yet after entry 0"):
            _ = start.workspace_sid
        past = ConsoleFacade(router).at(0)
        assert past.workspace_sid is None and past.info["workspaces"] == [] and past.info["read_only"]
