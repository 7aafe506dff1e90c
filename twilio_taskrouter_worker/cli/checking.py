"""Checking a workflow configuration offline, with an engine of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from twilio_taskrouter_worker.local.engine import Engine, Rejected, commands

_ACCOUNT = "AC" + "0" * 32


def check_workflow(document: Any) -> list[str]:
    """Compile a configuration as the service would.

    Args:
        document: The configuration.

    Returns:
        The service's warnings: it accepts the configuration, but interprets parts of it differently than they look.

    Raises:
        ClickException: The service would refuse it; the message has the place.
    """
    return _Check(document).warnings


def dry_run(document: Any, attributes: Mapping[str, Any]) -> str:
    """Describe how a task is routed, in a workspace without workers.

    Args:
        document: The configuration of its workflow.
        attributes: The attributes of the task.

    Raises:
        ClickException: The service would refuse the configuration or the task.
    """
    check = _Check(document)
    command = commands.CreateTask(
        workspace_sid=check.workspace_sid, workflow_sid=check.workflow_sid, attributes=json.dumps(attributes)
    )
    task = check.engine.apply(command, check.now).result
    explanation = str(check.engine.explain(check.workspace_sid, task.sid))
    for sid, name in check.queues.items():
        # Back to the names in the file: the reader does not know the sids that were made up.
        explanation = explanation.replace(sid, name)
    return explanation


class _Check:
    """An engine with one workspace, the queues that a configuration names, and its workflow."""

    def __init__(self, document: Any) -> None:
        self.now = time.time()
        self.warnings: list[str] = []
        # The engine itself and not a copy of its rules: what it accepts here, the service accepts.
        self.engine = Engine(account_sid=_ACCOUNT, seed=0)
        self.workspace_sid = self._apply(commands.CreateWorkspace(friendly_name="Check", template="NONE"))
        # A file outside of a workspace names queues by sids that only its own workspace has, so each gets a queue here.
        names = sorted(set(_queues(document)))
        made = {name: self._queue(name) for name in names}
        self.queues = {sid: name for name, sid in made.items()}
        self.workflow_sid = self._apply(
            commands.CreateWorkflow(
                workspace_sid=self.workspace_sid,
                friendly_name="Workflow",
                configuration=json.dumps(_with_sids(document, made)),
            )
        )

    def _queue(self, name: str) -> str:
        return self._apply(commands.CreateTaskQueue(workspace_sid=self.workspace_sid, friendly_name=name))

    def _apply(self, command: commands.Command) -> str:
        try:
            outcome = self.engine.apply(command, self.now)
        except Rejected as refusal:
            raise click.ClickException(refusal.message) from refusal
        self.warnings += outcome.warnings
        sid: str = outcome.result.sid
        return sid


def _queues(document: Any) -> Iterator[str]:
    """Iterate over every queue that the configuration names, at any level."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "queue" and isinstance(value, str):
                yield value
            else:
                yield from _queues(value)
    elif isinstance(document, list):
        for each in document:
            yield from _queues(each)


def _with_sids(document: Any, sids: Mapping[str, str]) -> Any:
    """Return the configuration with the sids of the queues that were created for it."""
    if isinstance(document, dict):
        return {
            key: sids[value] if key == "queue" and isinstance(value, str) else _with_sids(value, sids)
            for key, value in document.items()
        }
    return [_with_sids(each, sids) for each in document] if isinstance(document, list) else document
