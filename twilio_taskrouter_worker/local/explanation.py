"""The engine's explanation of a task, as it is shown to people."""

from __future__ import annotations

import attrs

from .._display.tables import Description, Table
from . import engine

__all__ = ["Explanation"]


class Explanation(engine.Explanation):
    """Why a task is, or is not, with a worker: as text, as plain data, and as tables.

    ``str()`` and ``to_dict()`` show the values of the attributes that decide; ``repr()`` and the tables do not, unless
    asked to: reprs end up in logs, and notebooks are saved.
    """

    @classmethod
    def of(cls, found: engine.Explanation) -> Explanation:
        """Return what the engine found, in this form.

        Args:
            found: The engine's explanation.
        """
        return cls(**{field.name: getattr(found, field.name) for field in attrs.fields(engine.Explanation)})

    def __repr__(self) -> str:
        # Without the parts, which hold attributes and one verdict for each worker.
        return f"<Explanation of task {self.task_sid}, {self.assignment_status}: {self.summary}>"

    def show(self, *, attributes: bool = False) -> Description:
        """Describe it: tables in a notebook, aligned text with ``print()``.

        Args:
            attributes: Whether to include the values of the attributes that decide, which are the customers' data.

        Returns:
            The description.
        """
        workers = [
            (each.friendly_name, each.activity_name, each.suitable, each.reasons(attributes=attributes))
            for each in self.workers
        ]
        routes = [
            (filter.label, filter.matched is None or filter.matched.result, each.queue_name, each.suited, each.current)
            for filter in self.filters
            for each in filter.targets
        ]
        queues = [
            (each.friendly_name, each.members, each.available, each.free, each.waiting, each.current)
            for each in self.queues
        ]
        tables = (
            Table("Workers", ("worker", "activity", "could take it", "reason"), workers),
            Table("Workflow", ("filter", "matches", "queue", "suits", "task is here"), routes),
            Table("Queues", ("queue", "members", "available", "free", "waiting", "task is here"), queues),
            Table("Offers so far", ("worker", "status"), [(each.worker_name, each.status) for each in self.offers]),
            Table("Ignored in expressions", (), [(warning,) for warning in self.warnings]),
        )
        title = f"Task {self.task_sid} ({self.assignment_status}, {self.age} s old)"
        return Description((Table(title, (), [(self.summary,)]), *(table for table in tables if table.rows)))

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()
