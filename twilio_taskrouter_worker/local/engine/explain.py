"""Why a task is, or is not, with a worker."""

from __future__ import annotations

from typing import Any

import attrs

from .kernel import Kernel
from .state import TaskState, WorkspaceState


@attrs.frozen(kw_only=True)
class Explanation:
    """What is known about where a task stands."""

    task_sid: str
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return attrs.asdict(self)


def explain(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> Explanation:
    """Explain a task."""
    return Explanation(task_sid=task.record.sid, status=task.record.assignment_status)
