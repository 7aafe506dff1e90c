"""A request of the inspector as a program to paste: for curl, for the official Python helper, and for our client.

Credentials are read from the environment, so that nothing secret is copied.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from urllib.parse import parse_qsl

from ...._json import dumps
from ....options import BRIDGE_PATH
from ..bridge.tunnel import Envelope
from .secrets import Secrets
from .wire import Exchange

# Before a capital letter: FriendlyName is friendly_name in the helper library.
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VERBS = {
    ("GET", "instance"): "fetch",
    ("GET", "list"): "list",
    ("POST", "instance"): "update",
    ("POST", "list"): "create",
    ("DELETE", "instance"): "delete",
}
_SINGLE = ("statistics", "real_time_statistics", "cumulative_statistics")
"""Resources of which there is one below each instance."""

_K = r"Workspaces/\w+/Workers/(?P<worker>\w+)"
_RESERVATION = rf"{_K}/Reservations/(?P<sid>\w+)"
_TASK = r"Workspaces/\w+/Tasks/(?P<sid>\w+)"
_CLIENT_CALLS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("GET", _K, {}, "worker.fetch_latest_version()"),
    ("POST", _K, {"ActivitySid": ""}, "worker.set_activity({ActivitySid!r})"),
    ("POST", _K, {"Attributes": ""}, "worker.set_attributes(json.loads({Attributes!r}))"),
    ("GET", _RESERVATION, {}, "worker.reservations[{sid!r}].fetch_latest_version()"),
    ("POST", _RESERVATION, {"ReservationStatus": "accepted"}, "worker.reservations[{sid!r}].accept()"),
    ("POST", _RESERVATION, {"ReservationStatus": "rejected"}, "worker.reservations[{sid!r}].reject()"),
    ("POST", _RESERVATION, {"ReservationStatus": "wrapping"}, "worker.reservations[{sid!r}].wrap()"),
    ("POST", _RESERVATION, {"ReservationStatus": "completed"}, "worker.reservations[{sid!r}].complete()"),
    (
        "POST",
        r"Workspaces/\w+/Tasks",
        {"TaskQueueSid": "", "WorkflowSid": ""},
        "worker.create_task({To!r}, {From!r}, {WorkflowSid!r}, {TaskQueueSid!r})",
    ),
    ("POST", _TASK, {"AssignmentStatus": "completed"}, "task({sid!r}).complete({Reason!r})"),
    ("POST", _TASK, {"AssignmentStatus": "wrapping"}, "task({sid!r}).wrap_up(reason={Reason!r})"),
    ("POST", _TASK, {"Attributes": ""}, "task({sid!r}).set_attributes(json.loads({Attributes!r}))"),
)
"""Method, path, parameters with a certain value (empty: any), and the call of our client."""


def as_curl(entry: Exchange, secrets: Secrets, base: str) -> str | None:
    """Return a curl command that makes the request again; None for a frame and a webhook.

    Args:
        entry: The entry.
        secrets: Hides confidential values.
        base: The root of the service.
    """
    if entry.kind in ("rest", "control"):
        url = f"{base}{secrets.query(entry.path)}"
        parts = ["curl", "-u", '"$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN"']
        if entry.method not in ("GET", "POST"):
            parts += ["-X", entry.method]
        form = _form(entry) if entry.kind == "rest" else {}
        body = secrets.body(entry.sent.decode(errors="replace"))
        for name, value in form.items():
            parts += ["--data-urlencode", shlex.quote(f"{name}={secrets.value(name, value)}")]
        if body and not form:
            parts += ["-H", "'Content-Type: application/json'", "--data", shlex.quote(body)]
        # curl makes a POST of its own accord only if there is a body.
        if entry.method == "POST" and not body:
            parts += ["-X", "POST"]
        return " ".join([*parts, shlex.quote(url)])
    envelope = entry.envelope
    if envelope is not None:
        document = {"url": envelope.url, "method": envelope.method, "params": envelope.params}
        text = secrets.text(dumps({**document, "token": "TOKEN"}).decode())
        # The token is put in by the shell.
        body = shlex.quote(text).replace('"TOKEN"', '"\'"$TASKROUTER_TOKEN"\'"')
        return f"curl -H 'Content-Type: application/json' --data {body} {base}{BRIDGE_PATH}"
    return None


def as_python(entry: Exchange, secrets: Secrets, base: str) -> str | None:
    """Return a program with the official helper library; None if that has no such request.

    Args:
        entry: The entry.
        secrets: Hides confidential values.
        base: The root of the service.
    """
    call = _official_call(entry, secrets) if entry.kind == "rest" else None
    if call is None:
        return None
    return (
        "import os\n"
        "from twilio.rest import Client\n\n"
        'client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])\n'
        f'client.taskrouter.base_url = "{base}"\n'
        f"print({call})\n"
    )


def as_client(entry: Exchange, secrets: Secrets, base: str) -> str | None:
    """Return a program with our client; None if it has no such request.

    Args:
        entry: The entry.
        secrets: Hides confidential values.
        base: The root of the service.
    """
    envelope = entry.envelope
    if envelope is None:
        return None
    call = _client_call(envelope, secrets)
    if call is None:
        return None
    bridge = f"{base}{BRIDGE_PATH}"
    lines = ["import os", "from twilio_taskrouter_worker import Worker", ""]
    if "json.loads" in call:
        lines.insert(0, "import json")
    lines += [
        f'eb_server, ws_server = "{bridge}", "ws{bridge[len("http") :]}"',
        'with Worker(os.environ["TASKROUTER_TOKEN"], eb_server=eb_server, ws_server=ws_server) as worker:',
    ]
    if call.startswith("task("):
        # A worker has its tasks by its reservations only.
        lines.append("    task = {each.task.sid: each.task for each in worker.reservations.values()}.__getitem__")
    return "\n".join([*lines, f"    print({call}.result())", ""])


def _client_call(envelope: Envelope, secrets: Secrets) -> str | None:
    given = {name: secrets.value(name, str(value)) for name, value in envelope.params.items()}
    for method, path, wanted, call in _CLIENT_CALLS:
        found = re.fullmatch(path, envelope.url)
        fits = all(name in given and value in ("", given[name]) for name, value in wanted.items())
        if envelope.method == method and found and fits:
            # Empty for parameters that the request left out.
            values = defaultdict(str, {**given, **found.groupdict()})
            return call.format_map(values)
    return None


def _official_call(entry: Exchange, secrets: Secrets) -> str | None:
    path, _, query = entry.path.partition("?")
    words, target = "client.taskrouter.v1", "list"
    # Lists and sids (or unique names) take turns.
    for index, segment in enumerate(path.removeprefix("/v1/").split("/")):
        name = _snake(segment)
        if index % 2:
            if name in _SINGLE:
                return None  # statistics of a whole list, which the helper spells in its own way
            words, target = f'{words}("{segment}")', "instance"
        elif name in _SINGLE:
            words, target = f"{words}.{name}()", "instance"
        else:
            # The one name in a path that the helper does not share.
            name = "worker_channels" if name == "channels" else name
            words, target = f"{words}.{name}", "list"
    verb = _VERBS.get((entry.method, target))
    if verb is None:
        return None
    given = dict(parse_qsl(query)) if entry.method == "GET" else _form(entry)
    # What pages through a list is the helper's own business.
    fields = {_snake(name): value for name, value in given.items() if name not in ("Page", "PageSize", "PageToken")}
    arguments = ", ".join(
        f"{name}={secrets.value(name, value)!r}" for name, value in fields.items() if name.isidentifier()
    )
    return f"{words}.{verb}({arguments})"


def _form(entry: Exchange) -> dict[str, str]:
    kind = {name.lower(): value for name, value in entry.sent_headers}.get("content-type", "")
    if not kind.startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(entry.sent.decode(errors="replace"), keep_blank_values=True))


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()
