"""Twilio TaskRouter from Python: a client for workers, supervisors and workspaces.

The local TaskRouter is in :mod:`twilio_taskrouter_worker.local`, and is imported only when asked for.
"""

from __future__ import annotations

from . import errors, tokens
from ._version import __version__
from .activity import Activity
from .channel import Channel
from .decisions import Complete, Reject, Transfer, WrapUp
from .directory import Directory, Named
from .errors import *  # noqa: F403
from .events import ChannelEvent, DisconnectReason, ReservationEvent, TaskEvent, TransferEvent, WorkerEvent
from .health import Health, HealthServer
from .observer import Observer
from .reservation import Reservation
from .reservation_info import ReservationInfo
from .single import Single
from .supervisor import Supervisor
from .task import Task
from .task_info import TaskInfo
from .task_queue import TaskQueue
from .transfer import IncomingTransfer, OutgoingTransfer, Transfers
from .worker import Worker
from .worker_client import ReservationHandle, WorkerClient
from .worker_info import WorkerInfo
from .workspace import Workspace

__all__ = [
    "Activity",
    "Channel",
    "ChannelEvent",
    "Directory",
    "Complete",
    "DisconnectReason",
    "Health",
    "HealthServer",
    "IncomingTransfer",
    "Named",
    "Observer",
    "OutgoingTransfer",
    "Reject",
    "Reservation",
    "ReservationEvent",
    "ReservationHandle",
    "ReservationInfo",
    "Single",
    "Supervisor",
    "Task",
    "TaskEvent",
    "TaskInfo",
    "TaskQueue",
    "Transfer",
    "TransferEvent",
    "Transfers",
    "Worker",
    "WorkerClient",
    "WorkerEvent",
    "WorkerInfo",
    "Workspace",
    "WrapUp",
    "__version__",
    "tokens",
]
__all__ += errors.__all__
