"""``manage.py taskrouter_worker`` with settings that do not fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("django", reason="the command is Django's")

from django.core.management.base import CommandError

from twilio_taskrouter_worker.contrib.django.management.commands import taskrouter_worker as module

OPTIONS: dict[str, Any] = {
    "program": None,
    "reload": False,
    "grace": 1.0,
    "drain_activity": None,
    "health_port": None,
    "health_host": "127.0.0.1",
}


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A site without databases, whose settings name no Worker."""
    settings = SimpleNamespace(DEBUG=False)
    monkeypatch.setattr(module, "settings", settings)
    monkeypatch.setattr(module, "connections", SimpleNamespace(close_all=lambda: None))
    return settings


def test_no_worker_is_named() -> None:
    """Neither on the command line nor in the settings: the error names both."""
    with pytest.raises(CommandError, match="Name a MODULE:WORKER, or set TASKROUTER_WORKER in the settings"):
        module.Command().handle(**OPTIONS)


def test_a_worker_that_is_not_there(site: SimpleNamespace) -> None:
    """The reason is Django's kind of error, which is printed without a traceback."""
    site.TASKROUTER_WORKER = "no_such_module_of_the_site:worker"
    with pytest.raises(CommandError, match="no_such_module_of_the_site"):
        module.Command().handle(**OPTIONS)


def test_the_exit_code_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor starts it again only for the code of a failure."""
    codes = iter([0, 3])
    monkeypatch.setattr(module, "run_program", lambda *args, **options: next(codes))
    module.Command().handle(**{**OPTIONS, "program": "site:worker"})
    with pytest.raises(SystemExit) as ended:
        module.Command().handle(**{**OPTIONS, "program": "site:worker"})
    assert ended.value.code == 3
