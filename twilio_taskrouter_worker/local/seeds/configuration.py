"""Converts the configuration of a workflow between queue names and queue sids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import SeedError
from ..engine import canonical
from .form import among, shown

Rename = Callable[[Any, str], Any]
"""Takes the value of a key ``queue`` and its path; returns the new value."""


def with_sids(configuration: Mapping[str, Any], queues: Mapping[str, str], path: str) -> dict[str, Any]:
    """Return a configuration in which each queue's name is replaced by its sid.

    Args:
        configuration: With names of queues; the sids of listed queues are accepted as well.
        queues: Sid by name of the queue.
        path: Place of the configuration in the document, for error messages.

    Raises:
        SeedError: A name is not that of a queue.
    """

    sids = set(queues.values())

    def sid(name: Any, where: str) -> str:
        if canonical(name) in sids:
            return str(name)  # kept as written, so that an export gives it back unchanged
        if name in queues:
            return queues[name]
        raise SeedError(f"{where}: there is no task queue {shown(name)}; {among(name, queues)}")

    return _renamed(configuration, sid, path)


def parsed(configuration: Any, path: str) -> Mapping[str, Any]:
    """Return a configuration as a mapping.

    Args:
        configuration: A mapping, or the text of a JSON object, as REST has it.
        path: Place of the configuration in the document, for error messages.

    Raises:
        SeedError: The text is not a JSON object.
    """
    if not isinstance(configuration, str):
        mapping: Mapping[str, Any] = configuration
        return mapping
    try:
        document = json.loads(configuration)
    except ValueError as error:
        raise SeedError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise SeedError(f"{path}: must be the text of a JSON object, not of {shown(document)}")
    return document


def as_seed(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a seed document around the configuration of a workflow, as it is exported from a live account.

    Each queue that it names is created with that sid, which is its name as well, for all workers.

    Args:
        configuration: The configuration, with sids of queues.
    """
    # A dict as an ordered set: queues are created in the order in which they are named.
    found: dict[str, None] = {}

    def note(sid: Any, path: str) -> Any:
        found[sid] = None
        return sid

    _renamed(configuration, note, "")
    queues = [{"friendly_name": sid, "sid": sid} for sid in found]
    workflow = {"friendly_name": "Workflow", "configuration": configuration}
    return {"workspaces": [{"friendly_name": "Workflow", "task_queues": queues, "workflows": [workflow]}]}


def with_names(configuration: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration in which each queue's sid is replaced by its name.

    Args:
        configuration: With sids of queues.
        names: Name by sid; a sid that is missing here is kept.
    """
    # A queue that is not listed keeps its sid: the configuration still refers to it.
    return _renamed(configuration, lambda sid, path: names.get(canonical(sid), sid), "")


def _renamed(configuration: Mapping[str, Any], rename: Rename, path: str) -> dict[str, Any]:
    if not isinstance(configuration.get("task_routing"), Mapping):
        return _routing(configuration, rename, path)
    return {**configuration, "task_routing": _routing(configuration["task_routing"], rename, f"{path}.task_routing")}


def _routing(routing: Mapping[str, Any], rename: Rename, path: str) -> dict[str, Any]:
    """Rename the queues in every target; parts of another form are left unchanged for the engine to refuse."""
    done = dict(routing)
    if isinstance(done.get("default_filter"), Mapping):
        done["default_filter"] = _target(done["default_filter"], rename, f"{path}.default_filter")
    if isinstance(done.get("filters"), list):
        done["filters"] = [
            _filter(each, rename, f"{path}.filters[{index}]") for index, each in enumerate(done["filters"])
        ]
    return done


def _filter(filter: Any, rename: Rename, path: str) -> Any:
    # Any other form is refused by the engine, with a better message.
    if not isinstance(filter, Mapping) or not isinstance(filter.get("targets"), list):
        return filter
    targets = [_target(each, rename, f"{path}.targets[{index}]") for index, each in enumerate(filter["targets"])]
    return {**filter, "targets": targets}


def _target(target: Any, rename: Rename, path: str) -> Any:
    if not isinstance(target, Mapping) or not isinstance(target.get("queue"), str) or not target["queue"]:
        return target
    return {**target, "queue": rename(target["queue"], f"{path}.queue")}
