"""Workers and their channels."""

from __future__ import annotations

from ...engine import commands
from ..http import filters, parameters
from . import shapes
from .resource import Change, Resource

_W = "Workspaces/{WorkspaceSid}"

WORKERS = Resource(
    name="Worker",
    path=f"{_W}/Workers",
    key="workers",
    shape=shapes.worker,
    list_records=lambda call: call.engine.workers(call.workspace_sid),
    fetch_record=lambda call: call.engine.worker(call.workspace_sid, call.path["Sid"]),
    fields={"WorkspaceSid": "workspace_sid", "Sid": "sid"},
    create=Change(commands.CreateWorker, parameters.CREATE_WORKER),
    update=Change(commands.UpdateWorker, parameters.UPDATE_WORKER, takes_if_match=True),
    delete=Change(commands.DeleteWorker, takes_if_match=True),
    filters=filters.WORKERS,
    orders=filters.WORKER_ORDERS,
    etag=lambda worker: int(worker.version),
)

WORKER_CHANNELS = Resource(
    name="WorkerChannel",
    path=f"{_W}/Workers/{{WorkerSid}}/Channels",
    key="channels",
    shape=shapes.worker_channel,
    list_records=lambda call: call.engine.channels(call.workspace_sid, call.path["WorkerSid"]),
    fetch_record=lambda call: call.engine.channel(call.workspace_sid, call.path["WorkerSid"], call.path["Sid"]),
    # The last segment may be the sid or the unique name of a channel.
    fields={"WorkspaceSid": "workspace_sid", "WorkerSid": "worker_sid", "Sid": "channel"},
    update=Change(commands.UpdateWorkerChannel, parameters.UPDATE_WORKER_CHANNEL),
)

RESOURCES = (WORKERS, WORKER_CHANNELS)
