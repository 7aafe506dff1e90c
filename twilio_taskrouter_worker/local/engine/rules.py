"""The choices that TaskRouter's documentation leaves open, each in this one place with its default.

Numbers are seconds unless a name says otherwise. The constants below the class are the known texts and limits of the
service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .expressions import DEFAULT_SEMANTICS, Semantics


@attrs.frozen(kw_only=True)
class Rules:
    """Switches of the engine; a replay needs the same ones to come out the same."""

    refuse_unavailable_with_pending: bool = False
    """Refuse (400) a worker's move to an unavailable activity while a reservation is pending and the flag to reject
    pending reservations is not given. Off: the move is allowed and the reservation stays."""

    identical_attributes_change_version: bool = False
    """Whether setting attributes to the very text they have counts as a change (event and version)."""

    worker_version_grows_on_completion: bool = False
    """Whether a completed reservation makes its worker's version grow, as one changelog entry suggests."""

    task_events_first: bool = True
    """Emit ``task.*`` before ``reservation.*`` of the same change (wrap-up, completion, cancellation)."""

    task_updated_on_transfer: bool = True
    """Send ``task.updated`` to the workers who hold the task when a transfer starts, finds a worker, or is accepted."""

    reservation_failed_sla: float = 10.0
    """How long a task for one worker that does not ignore capacity waits for that worker. (The service's own value is
    not documented.)"""

    voice_answer_delay: float | None = 0.0
    """How long after a voice instruction its media counts as set up. None: until a ResolveInstruction."""

    session_offline_delay: float = 0.0
    """How long after a worker's last session closed the worker is moved offline."""

    offline_default_workspaces: tuple[str, ...] = ("Flex Task Assignment",)
    """Friendly names of workspaces in which a closing session that did not send the flag counts as having sent it."""

    cold_transfer_may_return: bool = True
    """A COLD transfer to a queue may be offered to the transferor itself."""

    warm_transfer_may_return: bool = False
    """A WARM transfer to a queue may be offered to the transferor itself."""

    queue_transfer_attempts: int | None = None
    """After how many failed attempts a transfer to a queue fails as one to a worker does. None: never; it goes on until
    somebody accepts, it is canceled, or the task ends."""

    failed_cold_transfer_status: str = attrs.field(
        default="completed", validator=attrs.validators.in_(("completed", "canceled"))
    )
    """The status of a task whose COLD transfer failed when its transferor had completed already: ``completed`` or
    ``canceled``. (While the transferor is still wrapping, the task is wrapping.)"""

    transfer_checks_capacity: bool = True
    """Refuse a transfer to a worker who has no free place on the task's channel."""

    step_timeouts_by_age: bool = True
    """A step of a workflow ends when the task's age is the sum of the timeouts of the steps up to it, whenever it was
    entered. Off: each step has its own timeout from when it was entered."""

    refuse_unmatched_tasks: bool = False
    """Refuse (400) a task that no filter of its workflow matches where there is no default filter. Off: it is created
    and canceled at once."""

    one_reservation_per_worker_and_task: bool = True
    """Do not offer a task to a worker who holds an open reservation on it."""

    workers_see_own_fields: bool = True
    """Queue expressions may name sid, friendly_name, activity_sid and activity_name of a worker."""

    purge_finished_after: float = 300.0
    """How long a completed or canceled task is kept before it is purged (observed: 5 to 8 minutes)."""

    assigned_limit: float = 86400.0
    """How long a task may stay assigned before the system removes it."""

    max_assignments: int = 1000
    """How often a task may go from pending to reserved."""

    # The documented limits of a workspace.
    max_workers: int = 15000
    max_queues: int = 5000
    max_activities: int = 100
    max_workflows: int = 1000
    max_task_channels: int = 15
    """Task channels of a workspace, the built-in ones included."""
    max_capacity: int = 50
    """Largest capacity of a worker's channel."""

    gone_code: int = 20410
    """Twilio's code in an answer with status 410, to an accept of a reservation that was rescinded."""

    strict_expressions: bool = False
    """Refuse expressions that contain a part which TaskRouter ignores: a stray character, a blank inside an operator,
    text after a complete expression, a target's key without a prefix. Off: it is ignored here too,
    with a warning in the log and in ``explain``. The switch of the same name in ``semantics`` does the same."""

    semantics: Semantics = DEFAULT_SEMANTICS
    """The switches of the expression language, for cases the documentation leaves open."""

    def to_dict(self) -> dict[str, Any]:
        """Return the switches as plain data for ``json.dumps``."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rules:
        """Return the rules that :meth:`to_dict` wrote.

        Args:
            data: Values by name of the switch; lists in place of tuples are accepted. A missing switch gets its
                default.

        Raises:
            TypeError: There is no such switch.
            ValueError: A switch has an invalid value.
        """
        # JSON has turned tuples into lists; attrs would keep them, and the rules would no longer be hashable.
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in data.items()}
        return cls(**{**values, "semantics": Semantics(**values.get("semantics", {}))})


DEFAULT_RULES = Rules()
"""Every switch at its default."""

# Limits of the REST API, in characters where the name is of a text.
MAX_NAME = 64
MAX_ATTRIBUTES = 4096
MAX_EXPRESSION = 8192
"""Characters of an expression outside of workflows."""
MAX_CONFIGURATION = 1_000_000  # documented as about 1 MB
MAX_PRIORITY = 2147483647  # the largest signed integer of 32 bits
MAX_TASK_TIMEOUT = 1209600  # seconds: 14 days
MAX_RESERVATION_TIMEOUT = 86400  # seconds: one day
MAX_RESERVED_WORKERS = 50  # workers to which a queue offers one task at the same time
DEFAULT_RESERVATION_TIMEOUT = 120  # seconds; also for a task without a workflow
EARLIEST_START = -2208988800.0
"""The first moment of 1900, before which no virtual start time may lie."""

# Reasons of canceled tasks, word for word as the service has them where it is known.
REASON_TTL = "Task TTL Exceeded"
REASON_LIMIT = "Task TTL Exceeded or Max assignment count exceeded"
REASON_WORKFLOW_TIMEOUT = "Task canceled on Workflow timeout"
REASON_WORKFLOW_SKIP = "Task canceled on Workflow skip"
REASON_SLA = "RoutingTarget SLA for Reservation creation was not met"
REASON_TARGET_LOST = "RoutingTarget not available for Reservation acceptance: {worker_sid}"

RESERVATION_REJECTED = "reservation_rejected"
RESERVATION_TIMEOUT = "reservation_timeout"
RESERVATION_CANCELED = "reservation_canceled"
TARGET_TIMEOUT = "target_timeout"
TARGET_SKIPPED = "target_skipped"
TASK_UPDATED = "task_updated"
WORKFLOW_UPDATED = "workflow_updated"
"""Why a task is routed again. The first two are the service's own; the others are named in the same way."""

# Reasons of failed transfers: the first two and the attempt on reject as the service words them, the others alike.
TRANSFER_REJECTED = "Transfer failed because the reservation was rejected"
TRANSFER_TIMED_OUT = "Transfer failed because the reservation timed out"
TRANSFER_MEDIA_FAILED = "Transfer failed because the reservation was canceled"
TRANSFER_TASK_ENDED = "Transfer failed because the task ended"
ATTEMPT_FAILED = "Transfer attempt failed on reservation {outcome} because there are no more pending reservations"

# Resources of a new workspace, with the names that the service gives them. The first activity becomes the default and
# the timeout activity.
MULTI_TASK_ACTIVITIES = (("Offline", False), ("Available", True), ("Unavailable", False))
SINGLE_TASK_ACTIVITIES = (("Offline", False), ("Idle", True), ("Busy", False), ("Reserved", False))
BUILT_IN_CHANNELS = (
    ("default", "Default"),
    ("voice", "Voice"),
    ("sms", "SMS"),
    ("chat", "Programmable Chat"),
    ("video", "Video"),
)
FIFO_QUEUE_NAME = "Sample Queue"
FIFO_WORKFLOW_NAME = "Default Fifo Workflow"
FIFO_TARGET_WORKERS = "1==1"
