"""Every operation of REST v1, by the names of the official description; paths lead to operations through this table."""

from __future__ import annotations

from ..http.paths import PathTable
from . import event_resources, statistics_resources, task_resources, worker_resources, workspace_resources
from .call import Operation

NOT_HERE: tuple[Operation, ...] = ()
"""Operations of Twilio that the local TaskRouter does not have: answered with 501."""

OPERATIONS = (
    *(
        operation
        for module in (workspace_resources, worker_resources, task_resources)
        for resource in module.RESOURCES
        for operation in resource.operations()
    ),
    *task_resources.OPERATIONS,
    *event_resources.OPERATIONS,
    *statistics_resources.OPERATIONS,
    *NOT_HERE,
)

TABLE: PathTable[Operation] = PathTable()
for _operation in OPERATIONS:
    TABLE.add(_operation.method, _operation.path, _operation)
