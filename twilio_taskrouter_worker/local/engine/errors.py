"""Refusals: an invalid command raises :class:`Rejected` and changes nothing.

Error texts that TaskRouter is known to use are kept here, word for word, and nowhere else. Functions return the
exception instead of raising it, so that ``raise`` stands where the decision is made and type checkers see it.
"""

from __future__ import annotations

from .events import Event


class Rejected(Exception):
    """A command was refused.

    Attributes:
        status: The HTTP status of the answer.
        code: Twilio's error code.
        message: The text for the client.
        events: The events of timers that were due before the command; to be delivered like those of an
            :class:`~.engine.Outcome`.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.events: tuple[Event, ...] = ()


def invalid(message: str, code: int = 20001) -> Rejected:
    """Return the refusal of an invalid value, or of a change that the present state does not allow.

    Args:
        message: The text for the client.
        code: Twilio's error code; the default is its general one for a bad request.
    """
    return Rejected(400, code, message)


def not_found(path: str) -> Rejected:
    """Return the refusal of a path for which there is no resource.

    Args:
        path: Begins with ``/Workspaces``.
    """
    # The form of the path is a guess: clients only look at the status.
    return Rejected(404, 20404, f"The requested resource {path} was not found")


def version_mismatch(sid: str, current: int, given: int) -> Rejected:
    """Return the refusal of a change whose ``If-Match`` names another version.

    Args:
        sid: Sid of the resource.
        current: Its current version.
        given: The version of the header; negative if the header could not be read.
    """
    # The server passes an unreadable header on as a negative version, so that unknown sids still give 404.
    if given < 0:
        return Rejected(412, 20412, f"The If-Match value is not a version; the current version of {sid} is {current}")
    return Rejected(412, 20412, f"The If-Match version {given} does not match the current version {current} of {sid}")


def duplicate_worker() -> Rejected:
    """Return the refusal of a worker name that is taken."""
    return invalid("Worker with the same friendly name already exists")


def duplicate_queue(name: str, workspace_sid: str, account_sid: str) -> Rejected:
    """Return the refusal of a task queue name that is taken.

    Args:
        name: The name as given.
        workspace_sid: Sid of the workspace.
        account_sid: Sid of the account.
    """
    return invalid(f"Queue named {name} already exists for workspace {workspace_sid} for account {account_sid}")


def duplicate(kind: str, name: str) -> Rejected:
    """Return the refusal of a name that is taken, for kinds without a text of their own.

    Args:
        kind: The resource, such as ``Activity``.
        name: The name as given.
    """
    return invalid(f"{kind} with the same name already exists: '{name}'")


def workflow_required() -> Rejected:
    """Return the refusal of a task without a workflow in a workspace that does not have exactly one."""
    # Begins with the service's own words; the condition is added.
    return invalid("WorkflowSid field is required when the workspace does not have exactly one workflow")


def bad_workflow_for_target(sid: str, workspace_sid: str, account_sid: str) -> Rejected:
    """Return the refusal of a malformed workflow sid on a task with a routing target.

    Args:
        sid: The malformed sid as given.
        workspace_sid: Sid of the workspace.
        account_sid: Sid of the account.
    """
    # The service's text, repeated here for a malformed sid only; an unknown one has the general text.
    return invalid(
        f"Value '{sid}' provided for WorkflowSid as RoutingTarget has an invalid format."
        f" WorkspaceSid: {workspace_sid}, AccountSid: {account_sid}"
    )


def cannot_complete(task_sid: str, workspace_sid: str, account_sid: str) -> Rejected:
    """Return the refusal to complete a task that is neither assigned nor wrapping.

    Args:
        task_sid: Sid of the task.
        workspace_sid: Sid of its workspace.
        account_sid: Sid of the account.
    """
    return invalid(
        f"Cannot complete task {task_sid} in workspace {workspace_sid} for account {account_sid}"
        " because it is not currently assigned."
    )


def cannot_wrap_up(task_sid: str, workspace_sid: str, account_sid: str) -> Rejected:
    """Return the refusal to wrap up a task that is not assigned.

    Args:
        task_sid: Sid of the task.
        workspace_sid: Sid of its workspace.
        account_sid: Sid of the account.
    """
    return invalid(
        f"Cannot wrap up a task {task_sid} in workspace {workspace_sid} for account {account_sid}"
        " because it's not currently assigned"
    )


def cannot_cancel(task_sid: str, workspace_sid: str, account_sid: str) -> Rejected:
    """Return the refusal to cancel a task that was accepted or has ended.

    Args:
        task_sid: Sid of the task.
        workspace_sid: Sid of its workspace.
        account_sid: Sid of the account.
    """
    return invalid(
        f"Cannot cancel task {task_sid} in workspace {workspace_sid} for account {account_sid}"
        " because it is not pending or reserved."
    )


def wrong_reservation_state(sid: str, expected: str, wanted: str) -> Rejected:
    """Return the refusal of a status that a reservation's present status does not lead to.

    Args:
        sid: Sid of the reservation.
        expected: The statuses that lead to it, separated by commas.
        wanted: The status that was asked for.
    """
    # Known from the service with one expected status; where several lead to the wanted one, all are listed.
    return invalid(f"Reservation {sid} not in expected state [{expected}] and cannot be updated to [{wanted}]")


def reservation_gone(sid: str, code: int) -> Rejected:
    """Return the refusal to accept a rescinded reservation (410).

    Args:
        sid: Sid of the reservation.
        code: Twilio's error code, which ``Rules.gone_code`` sets.
    """
    return Rejected(410, code, f"Reservation {sid} not in expected state [pending] and cannot be updated to [accepted]")


def wrong_instruction_state(instruction: str, sid: str, expected: str = "Pending") -> Rejected:
    """Return the refusal of an instruction on a reservation that is in another state.

    Args:
        instruction: The instruction in lower case; call and redirect have error codes of their own.
        sid: Sid of the reservation.
        expected: The status that the instruction needs, as the text spells it.
    """
    # Other instructions have no error code of their own.
    codes = {"call": 40114, "redirect": 40123}
    return invalid(
        f"Unable to execute {instruction.capitalize()} instruction."
        f" Reservation {sid} is not currently in a {expected} state.",
        codes.get(instruction, 20001),
    )


def instruction_on_transfer(instruction: str, sid: str) -> Rejected:
    """Return the refusal of an instruction that is not allowed on a transferred task.

    Args:
        instruction: The instruction in lower case.
        sid: Sid of the reservation.
    """
    return invalid(
        f"Instruction {instruction} is not allowed on reservation {sid} of a transferred task;"
        " allowed are accept, reject, conference and supervise",
        40151,
    )


def unknown_instruction(instruction: str) -> Rejected:
    """Return the refusal of an instruction that does not exist.

    Args:
        instruction: The instruction as given.
    """
    # The code is documented among the alerts of an account.
    return invalid(f"Unknown instruction '{instruction}'", 55555)


def cannot_cancel_transfer(sid: str, status: str) -> Rejected:
    """Return the refusal to cancel a transfer that has ended.

    Args:
        sid: Sid of the transfer.
        status: Its present status.
    """
    # The blank before the full stop is the service's.
    return invalid(f"Transfer {sid} is already {status} . Cannot cancel transfer.")


def start_in_future() -> Rejected:
    """Return the refusal of a virtual start time in the future."""
    # Of the service's text only the word "future" is known.
    return invalid("VirtualStartTime must not be in the future")


def activity_missing(workspace_sid: str) -> Rejected:
    """Return the refusal of a worker without an activity in a workspace without a default activity.

    Args:
        workspace_sid: Sid of the workspace.
    """
    return invalid(
        f"ActivitySid is required: workspace {workspace_sid} has no default activity."
        " Create an Activity, and give its sid as ActivitySid, or to the workspace as DefaultActivitySid"
    )


def unknown_activity(sid: str, parameter: str) -> Rejected:
    """Return the refusal of an activity that the workspace does not have.

    Args:
        sid: The value of the parameter as given.
        parameter: REST name of the parameter.
    """
    return invalid(f"{parameter} '{sid}' does not name an activity of this workspace")


def activities_required() -> Rejected:
    """Return the refusal of a queue without activities in a workspace whose workers do one task at a time."""
    return invalid("Activity Sids cannot be empty")
