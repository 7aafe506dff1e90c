"""Every operation of REST v1, by the names of the official description; paths lead to operations through this table."""

from __future__ import annotations

from typing import Final

from ..routing import PathTable
from . import task_resources, worker_resources, workspace_resources
from .call import Operation

_W: Final = "Workspaces/{WorkspaceSid}"

NOT_HERE: Final = (
    Operation("ListEvent", "GET", f"{_W}/Events"),
    Operation("FetchEvent", "GET", f"{_W}/Events/{{Sid}}"),
    Operation("FetchWorkspaceStatistics", "GET", f"{_W}/Statistics"),
    Operation("FetchWorkspaceRealTimeStatistics", "GET", f"{_W}/RealTimeStatistics"),
    Operation("FetchWorkspaceCumulativeStatistics", "GET", f"{_W}/CumulativeStatistics"),
    Operation("ListTaskQueuesStatistics", "GET", f"{_W}/TaskQueues/Statistics"),
    Operation("CreateTaskQueueBulkRealTimeStatistics", "POST", f"{_W}/TaskQueues/RealTimeStatistics"),
    Operation("FetchTaskQueueStatistics", "GET", f"{_W}/TaskQueues/{{TaskQueueSid}}/Statistics"),
    Operation("FetchTaskQueueRealTimeStatistics", "GET", f"{_W}/TaskQueues/{{TaskQueueSid}}/RealTimeStatistics"),
    Operation("FetchTaskQueueCumulativeStatistics", "GET", f"{_W}/TaskQueues/{{TaskQueueSid}}/CumulativeStatistics"),
    Operation("FetchWorkflowStatistics", "GET", f"{_W}/Workflows/{{WorkflowSid}}/Statistics"),
    Operation("FetchWorkflowRealTimeStatistics", "GET", f"{_W}/Workflows/{{WorkflowSid}}/RealTimeStatistics"),
    Operation("FetchWorkflowCumulativeStatistics", "GET", f"{_W}/Workflows/{{WorkflowSid}}/CumulativeStatistics"),
    Operation("FetchWorkerStatistics", "GET", f"{_W}/Workers/Statistics"),
    Operation("FetchWorkersRealTimeStatistics", "GET", f"{_W}/Workers/RealTimeStatistics"),
    Operation("FetchWorkersCumulativeStatistics", "GET", f"{_W}/Workers/CumulativeStatistics"),
    Operation("FetchWorkerInstanceStatistics", "GET", f"{_W}/Workers/{{WorkerSid}}/Statistics"),
)
"""What Twilio has and the local TaskRouter has not: answered with 501."""

OPERATIONS: Final = (
    *(
        operation
        for module in (workspace_resources, worker_resources, task_resources)
        for resource in module.RESOURCES
        for operation in resource.operations()
    ),
    *task_resources.OPERATIONS,
    *NOT_HERE,
)

TABLE: Final[PathTable[Operation]] = PathTable()
for _operation in OPERATIONS:
    TABLE.add(_operation.method, _operation.path, _operation)
