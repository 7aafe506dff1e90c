"""The configuration of a workflow with names of queues instead of their sids, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import SeedError
from .form import among, shown

Rename = Callable[[Any, str], Any]
"""Takes what stands under ``queue`` and its path."""


def with_sids(configuration: Mapping[str, Any], queues: Mapping[str, str], path: str) -> dict[str, Any]:
    """Return a configuration in which each queue's name has become its sid.

    Raises:
        SeedError: a name is none of a queue.
    """

    def sid(name: Any, where: str) -> str:
        if name not in queues:
            raise SeedError(f"{where}: there is no task queue {shown(name)}; {among(name, queues)}")
        return queues[name]

    return _renamed(configuration, sid, path)


def with_names(configuration: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration in which each queue's sid has become its name."""
    return _renamed(configuration, lambda sid, path: names.get(sid[:2] + sid[2:].lower(), sid), "")


def _renamed(configuration: Mapping[str, Any], rename: Rename, path: str) -> dict[str, Any]:
    if not isinstance(configuration.get("task_routing"), Mapping):
        return _routing(configuration, rename, path)
    return {**configuration, "task_routing": _routing(configuration["task_routing"], rename, f"{path}.task_routing")}


def _routing(routing: Mapping[str, Any], rename: Rename, path: str) -> dict[str, Any]:
    """Rename in the places where a queue can stand; what has another form is left for the engine to refuse."""
    done = dict(routing)
    if isinstance(done.get("default_filter"), Mapping):
        done["default_filter"] = _target(done["default_filter"], rename, f"{path}.default_filter")
    if isinstance(done.get("filters"), list):
        done["filters"] = [
            _filter(each, rename, f"{path}.filters[{index}]") for index, each in enumerate(done["filters"])
        ]
    return done


def _filter(filter: Any, rename: Rename, path: str) -> Any:
    if not isinstance(filter, Mapping) or not isinstance(filter.get("targets"), list):
        return filter
    targets = [_target(each, rename, f"{path}.targets[{index}]") for index, each in enumerate(filter["targets"])]
    return {**filter, "targets": targets}


def _target(target: Any, rename: Rename, path: str) -> Any:
    if not isinstance(target, Mapping) or not isinstance(target.get("queue"), str) or not target["queue"]:
        return target
    return {**target, "queue": rename(target["queue"], f"{path}.queue")}
