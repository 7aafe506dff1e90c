"""Receivers of TaskRouter's webhooks: signature check, typed payloads, answers, and views for Flask and Django.

TaskRouter calls an application in two ways. A workflow's *assignment callback* announces a reservation, and its answer
may carry an instruction; a workspace's *event callback* reports an event. Both are forms with a signature, and one
address may take both::

    receiver = Receiver(auth_token, on_assignment=assign, on_event=log_event)
    app.register_blueprint(flask_blueprint(receiver), url_prefix="/taskrouter")        # Flask
    urlpatterns = [path("taskrouter", django_view(receiver))]                          # Django
    status, answer = receiver.receive(url, form, signature)                            # anything else

The functions run on the thread of the web server that calls them, and start no thread of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import attrs

from . import _checks
from ._bridge import routes
from ._json import loads
from ._nearest import choice

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from flask import Blueprint

__all__ = [
    "AssignmentCallback",
    "EventCallback",
    "InvalidCallbackError",
    "Receiver",
    "accept",
    "call",
    "conference",
    "dequeue",
    "django_view",
    "flask_blueprint",
    "is_signed",
    "redirect",
    "reject",
    "signature",
]

Form = Mapping[str, str] | Iterable[tuple[str, str]]
"""A form's fields: a mapping, or pairs where a name may come more than once."""
Instruction = dict[str, Any]
"""The JSON object that answers an assignment callback."""

C = TypeVar("C", bound="AssignmentCallback | EventCallback")

_STANDARD_PORTS = {"http": 80, "https": 443}


class InvalidCallbackError(ValueError):
    """A request that is not a callback of TaskRouter: a field is missing or invalid."""


# -- signature -------------------------------------------------------------------------------------------------------


def signature(auth_token: str, url: str, form: Form) -> str:
    """Compute the ``X-Twilio-Signature`` of a POST request.

    The scheme is Twilio's: HMAC-SHA1 with the account's auth token over the URL followed by each field's name and
    value, in the order of the names; repeated pairs count once.

    Args:
        auth_token: The account's auth token.
        url: The complete URL of the request, as TaskRouter calls it.
        form: The fields of the request.

    Returns:
        The signature, in base64.
    """
    text = url + "".join(name + value for name, value in sorted(set(_pairs(form))))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def is_signed(auth_token: str, url: str, form: Form, signature_header: str | None) -> bool:
    """Check the ``X-Twilio-Signature`` of a POST request, in constant time.

    Args:
        auth_token: The account's auth token.
        url: The complete URL of the request, as TaskRouter calls it. The signature may have been made with or without
            the standard port of its scheme.
        form: The fields of the request.
        signature_header: The value of the header; None if the request has none.

    Returns:
        Whether the request was signed with this auth token.
    """
    if not signature_header:
        return False
    # ``compare_digest`` refuses text that is not ASCII.
    given = signature_header.encode("utf-8", "replace")
    pairs = list(_pairs(form))
    return any(hmac.compare_digest(given, signature(auth_token, each, pairs).encode()) for each in _spellings(url))


def _pairs(form: Form) -> Iterable[tuple[str, str]]:
    # An iterable of pairs may in theory be a mapping with pairs as keys, which pyright takes into account.
    return form.items() if isinstance(form, Mapping) else form  # pyright: ignore[reportReturnType]


def _spellings(url: str) -> list[str]:
    """The URL with and without the standard port: TaskRouter's servers have signed either."""
    try:
        parts = urlsplit(url)
        port = _STANDARD_PORTS.get(parts.scheme)
        if port is None or parts.hostname is None or parts.port not in (None, port):
            return [url]
    except ValueError:
        # The caller's header Host is in it, which can be anything.
        return [url]
    bare = parts.netloc.removesuffix(f":{port}")
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (bare, f"{bare}:{port}")]


# -- payloads --------------------------------------------------------------------------------------------------------


@attrs.frozen
class AssignmentCallback:
    """A reservation for which TaskRouter asks for an instruction."""

    account_sid: str
    workspace_sid: str
    workflow_sid: str
    task_queue_sid: str
    reservation_sid: str
    worker_sid: str
    worker_attributes: Mapping[str, Any] = attrs.field(repr=False)
    task_sid: str
    task_attributes: Mapping[str, Any] = attrs.field(repr=False)
    task_age: int
    """Seconds since the task was created."""
    task_priority: int
    timestamp: datetime
    """When the reservation was made, in UTC."""
    fields: Mapping[str, str] = attrs.field(repr=False)
    """The form as it was posted."""

    @classmethod
    def from_form(cls, form: Form) -> AssignmentCallback:
        """Read a form.

        Args:
            form: The fields of the request.

        Returns:
            The callback.

        Raises:
            InvalidCallbackError: A field is missing or invalid.
        """
        fields = dict(_pairs(form))
        return cls(
            account_sid=_field(fields, "AccountSid"),
            workspace_sid=_field(fields, "WorkspaceSid"),
            workflow_sid=fields.get("WorkflowSid", ""),
            task_queue_sid=fields.get("TaskQueueSid", ""),
            reservation_sid=_field(fields, "ReservationSid"),
            worker_sid=_field(fields, "WorkerSid"),
            worker_attributes=_attributes(fields, "WorkerAttributes"),
            task_sid=_field(fields, "TaskSid"),
            task_attributes=_attributes(fields, "TaskAttributes"),
            task_age=_integer(fields, "TaskAge"),
            task_priority=_integer(fields, "TaskPriority"),
            timestamp=_moment(fields),
            fields=MappingProxyType(fields),
        )


@attrs.frozen
class EventCallback:
    """An event of the workspace, as an event callback reports it.

    The facts that only some events have are in ``fields``, under their names on the wire: ``fields["TaskSid"]``,
    ``fields.get("WorkerPreviousActivityName")``.
    """

    event_type: str
    """For example ``reservation.created``."""
    sid: str
    """Sid of the event. A callback that is repeated has the same one."""
    account_sid: str
    workspace_sid: str
    workspace_name: str
    description: str
    resource_type: str
    resource_sid: str
    timestamp: datetime
    """When it happened, in UTC."""
    fields: Mapping[str, str] = attrs.field(repr=False)
    """The form as it was posted."""

    @classmethod
    def from_form(cls, form: Form) -> EventCallback:
        """Read a form.

        Args:
            form: The fields of the request.

        Returns:
            The callback.

        Raises:
            InvalidCallbackError: A field is missing or invalid.
        """
        fields = dict(_pairs(form))
        return cls(
            event_type=_field(fields, "EventType"),
            sid=fields.get("Sid", ""),
            account_sid=_field(fields, "AccountSid"),
            workspace_sid=_field(fields, "WorkspaceSid"),
            workspace_name=fields.get("WorkspaceName", ""),
            description=fields.get("EventDescription", ""),
            resource_type=_field(fields, "ResourceType"),
            resource_sid=_field(fields, "ResourceSid"),
            timestamp=_moment(fields),
            fields=MappingProxyType(fields),
        )

    @property
    def task_attributes(self) -> Mapping[str, Any]:
        """The task's attributes; empty where the event has no task.

        Raises:
            InvalidCallbackError: They are not a JSON object.
        """
        return _attributes(self.fields, "TaskAttributes") if "TaskAttributes" in self.fields else {}

    @property
    def worker_attributes(self) -> Mapping[str, Any]:
        """The worker's attributes; empty where the event has no worker.

        Raises:
            InvalidCallbackError: They are not a JSON object.
        """
        return _attributes(self.fields, "WorkerAttributes") if "WorkerAttributes" in self.fields else {}


def _field(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise InvalidCallbackError(f"the form has no field {name}; it is not a callback of TaskRouter")
    return fields[name]


def _integer(fields: Mapping[str, str], name: str) -> int:
    value = _field(fields, name)
    # Bounded: ``int`` takes quadratic time for a long text, and anyone may post a form where there is no auth token.
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20):
        raise InvalidCallbackError(f"the field {name} must be an integer, not {value!r:.40}")
    return int(value)


def _moment(fields: Mapping[str, str]) -> datetime:
    seconds = _integer(fields, "Timestamp")
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        raise InvalidCallbackError(f"the field Timestamp must be a time in unix seconds, not {seconds}") from None


def _attributes(fields: Mapping[str, str], name: str) -> Mapping[str, Any]:
    text = _field(fields, name)
    try:
        value = loads(text) if text else {}
    except ValueError:
        raise InvalidCallbackError(f"the field {name} is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidCallbackError(f"the field {name} must be a JSON object, not a {type(value).__name__}")
    return value


# -- answers ---------------------------------------------------------------------------------------------------------


def accept() -> Instruction:
    """Return the instruction to accept the reservation for the worker."""
    return {"instruction": "accept"}


def reject(*, activity_sid: str | None = None) -> Instruction:
    """Return the instruction to reject the reservation.

    Args:
        activity_sid: Activity that the worker moves to; None keeps its activity, in which the same task may be offered
            again.

    Returns:
        The instruction.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
    """
    return _instruction(routes.REJECT, "reject", {"activity_sid": activity_sid})


def dequeue(*, to: str | None = None, from_: str | None = None, **options: Any) -> Instruction:
    """Return the instruction to connect the caller, who waits in an ``<Enqueue>``, with the worker.

    Args:
        to: Address of the worker; None takes the worker's attribute ``contact_uri``.
        from_: Caller id for the worker.
        **options: ``post_work_activity_sid``, ``record``, ``timeout`` (seconds), ``status_callback_url``,
            ``status_callback_events``.

    Returns:
        The instruction.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
    """
    return _instruction(routes.DEQUEUE, "dequeue", {"to": to, "from_": from_, **options})


def call(from_: str, url: str, *, to: str | None = None, accept: bool | None = None, **options: Any) -> Instruction:
    """Return the instruction to call the worker, and to run the TwiML at a URL when they answer.

    Args:
        from_: Caller id for the worker.
        url: Address of the TwiML.
        to: Address of the worker; None takes the worker's attribute ``contact_uri``.
        accept: Whether answering accepts the reservation; None means no.
        **options: ``record``, ``timeout`` (seconds), ``status_callback_url``.

    Returns:
        The instruction.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
    """
    return _instruction(routes.CALL, "call", {"from_": from_, "url": url, "to": to, "accept": accept, **options})


def redirect(call_sid: str, url: str, *, accept: bool | None = None) -> Instruction:
    """Return the instruction to send an active call to other TwiML.

    Args:
        call_sid: Sid of the call.
        url: Address of the TwiML.
        accept: Whether this accepts the reservation; None means no.

    Returns:
        The instruction.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
    """
    return _instruction(routes.REDIRECT, "redirect", {"call_sid": call_sid, "url": url, "accept": accept})


def conference(**options: Any) -> Instruction:
    """Return the instruction to put customer and worker into a conference.

    Args:
        **options: Those of :meth:`Reservation.conference <twilio_taskrouter_worker.Reservation.conference>`, and
            ``post_work_activity_sid``.

    Returns:
        The instruction.

    Raises:
        TypeError: An option has the wrong type, or does not exist.
    """
    return _instruction(_CONFERENCE, "conference", options)


# Only as an instruction it has this option, too.
_CONFERENCE = attrs.evolve(
    routes.CONFERENCE,
    parameters={**routes.CONFERENCE.parameters, "post_work_activity_sid": routes.Parameter("PostWorkActivitySid")},
)


def _instruction(route: routes.Route, name: str, options: Mapping[str, Any]) -> Instruction:
    """Create an instruction whose options are those of the call that does the same."""
    answer: dict[str, Any] = {"instruction": name}
    for key, value in options.items():
        if key not in route.parameters:
            raise TypeError(f"{name}() has no option {key!r}; {choice(key, list(route.parameters))}")
        parameter = route.parameters[key]
        if value is not None or parameter.required:
            answer[key.removesuffix("_")] = parameter.check(key, value)
    return answer


# -- receiving -------------------------------------------------------------------------------------------------------


class Receiver:
    """Validates callbacks and passes them to functions. Safe on any thread.

    An exception of the two functions is raised by ``receive``: the framework reports it and answers 500.

    Args:
        auth_token: The account's auth token. None accepts requests without a signature, for tests only.
        on_assignment: Called with an :class:`AssignmentCallback`, on the thread of the request; returns an instruction
            (``accept()``, ...), or None to leave the decision to the worker's own program. TaskRouter waits a few
            seconds for the answer. Without this function each reservation is left to the worker's program.
        on_event: Called with an :class:`EventCallback`, on the thread of the request. Without it events are
            acknowledged and ignored.
        public_url: Scheme and host under which TaskRouter calls the application, for example
            ``https://desk.example.com``, if a proxy changes them; None takes them from the request.

    Raises:
        TypeError: ``on_assignment`` or ``on_event`` is not a plain function, or the public URL is not a string.
        ValueError: The auth token is empty or not a string, or the public URL has no scheme or no host.
    """

    def __init__(
        self,
        auth_token: str | None,
        *,
        on_assignment: Callable[[AssignmentCallback], Instruction | None] | None = None,
        on_event: Callable[[EventCallback], object] | None = None,
        public_url: str | None = None,
    ) -> None:
        if auth_token is not None and (not isinstance(auth_token, str) or not auth_token):
            raise ValueError("auth_token must be the account's auth token, or None to skip the signature check")
        _checks.optional(_checks.function)("on_assignment", on_assignment)
        _checks.optional(_checks.function)("on_event", on_event)
        public = urlsplit(_checks.string("public_url", public_url)) if public_url is not None else None
        if public is not None and (public.scheme not in _STANDARD_PORTS or not public.hostname):
            raise ValueError(f"public_url must be like 'https://desk.example.com', not {public_url!r}")
        self._auth_token = auth_token
        self._on_assignment = on_assignment
        self._on_event = on_event
        self._public = public

    def receive(self, url: str, form: Form, signature_header: str | None) -> tuple[int, Instruction | None]:
        """Handle one request; blocks until the function it concerns has returned.

        Args:
            url: The complete URL of the request.
            form: Its fields.
            signature_header: Its header ``X-Twilio-Signature``; None if it has none.

        Returns:
            The status of the answer, and its JSON body; None for no body. The status is 403 for an invalid signature,
            and 400 for a form that is not a callback.

        Raises:
            Exception: Any exception of ``on_assignment`` or ``on_event``.
        """
        pairs = list(_pairs(form))
        # First: nothing of a form without a valid signature is used.
        if self._auth_token is not None and not is_signed(self._auth_token, self._seen(url), pairs, signature_header):
            return 403, {"message": "The signature is invalid for this URL, these fields and this auth token."}
        try:
            # Assignment callbacks have no such field.
            reports_event = any(name == "EventType" for name, _ in pairs)
            callback = EventCallback.from_form(pairs) if reports_event else AssignmentCallback.from_form(pairs)
        except InvalidCallbackError as error:
            return 400, {"message": str(error)}
        if isinstance(callback, AssignmentCallback):
            answer = self._on_assignment(callback) if self._on_assignment is not None else None
            # An empty object gives no instruction.
            return 200, answer or {}
        if self._on_event is not None:
            self._on_event(callback)
        return 204, None

    def _seen(self, url: str) -> str:
        """The URL as TaskRouter called it."""
        if self._public is None:
            return url
        try:
            parts = urlsplit(url)
        except ValueError:
            # As in ``_spellings``. It has no valid signature.
            return url
        return urlunsplit(parts._replace(scheme=self._public.scheme, netloc=self._public.netloc))


def flask_blueprint(receiver: Receiver, *, name: str = "taskrouter") -> Blueprint:
    """Create a Flask blueprint that receives callbacks by POST at its root.

    Args:
        receiver: Handles them, on the thread of the request.
        name: Name of the blueprint.

    Returns:
        The blueprint; ``app.register_blueprint(blueprint, url_prefix="/taskrouter")`` sets its address.

    Raises:
        ImportError: Flask is not installed.
    """
    from flask import Blueprint, jsonify, request

    blueprint = Blueprint(name, __name__)

    @blueprint.post("/")
    def receive() -> Any:
        header = request.headers.get("X-Twilio-Signature")
        # Every value of a repeated name, since all are signed.
        status, answer = receiver.receive(request.url, request.form.items(multi=True), header)
        return ("", status) if answer is None else (jsonify(answer), status)

    # TaskRouter signs the address that was configured, and follows no redirect to the one with a slash.
    blueprint.add_url_rule("", view_func=receive, endpoint="receive_bare", methods=["POST"])
    return blueprint


def django_view(receiver: Receiver) -> Callable[[HttpRequest], HttpResponse]:
    """Create a Django view that receives callbacks by POST.

    The view is exempt from the CSRF check, since the signature replaces it.

    Args:
        receiver: Handles them, on the thread of the request.

    Returns:
        A view for ``urlpatterns``.

    Raises:
        ImportError: Django is not installed.
    """
    from django.http import HttpResponse, JsonResponse
    from django.views.decorators.csrf import csrf_exempt
    from django.views.decorators.http import require_POST

    def receive(request: HttpRequest) -> HttpResponse:
        form = [(name, value) for name, values in request.POST.lists() for value in values]
        header = request.headers.get("X-Twilio-Signature")
        status, answer = receiver.receive(request.build_absolute_uri(), form, header)
        return HttpResponse(status=status) if answer is None else JsonResponse(answer, status=status)

    view: Callable[[HttpRequest], HttpResponse] = csrf_exempt(require_POST(receive))
    return view
