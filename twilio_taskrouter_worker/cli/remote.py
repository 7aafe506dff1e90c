"""The service that a command works on: a local TaskRouter, or a Twilio account, over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED, LOCAL_URL, local_url, next_query, service_url
from twilio_taskrouter_worker._nearest import nearest

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_PORT = 4100
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
TWILIO_URL = "https://taskrouter.twilio.com"
TIMEOUT_SECONDS = 30.0


class Remote:
    """The service of a command. Its requests block; a refused one becomes an error of the command.

    Args:
        url: The root of the service.
        account_sid: The user.
        auth_token: The password.
        workspace: Name or sid of the workspace; None: the only one.
        confirmed: Allow changes of a Twilio account.
    """

    def __init__(self, url: str, account_sid: str, auth_token: str, workspace: str | None, *, confirmed: bool) -> None:
        import requests

        self.url = url
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.is_twilio: bool = url == TWILIO_URL
        self._confirmed = confirmed
        self._workspace = workspace
        self._session = requests.Session()
        # Set on the session: without it, requests looks for credentials in the user's .netrc.
        self._session.auth = (account_sid, auth_token)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Make one request. Blocks until the answer, for at most 30 s without data.

        Args:
            method: The method.
            path: The path below the root.
            options: Further arguments of ``requests.Session.request``.

        Returns:
            The JSON of the answer; None if it has no body.

        Raises:
            UsageError: It would change a Twilio account without ``--yes``.
            ClickException: There was no answer, or the request was refused.
        """
        import requests

        # Here, where the requests of all commands pass, so that none can forget it.
        if method != "GET" and self.is_twilio and not self._confirmed:
            raise click.UsageError("This would change a Twilio account; add --yes to do it")
        try:
            answer = self._session.request(method, f"{self.url}{path}", timeout=TIMEOUT_SECONDS, **options)
        except requests.RequestException as error:
            hint = "" if self.is_twilio else "; is it running (taskrouter local)?"
            raise click.ClickException(f"No answer from {self.url}: {_cause(error)}{hint}") from error
        if answer.status_code >= 400:
            raise click.ClickException(_message(answer) or f"{self.url} answered with status {answer.status_code}")
        # Only a change is answered without a body.
        if method != "GET" and not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise self._not_taskrouter() from error

    def control(self, method: str, path: str, **options: Any) -> Any:
        """Make a request to the control address, which only a local TaskRouter has.

        Args:
            method: The method.
            path: The path below the control address.
            options: As for :meth:`request`.

        Raises:
            UsageError: The service is Twilio's.
            ClickException: There was no answer, or the request was refused.
        """
        if self.is_twilio:
            raise click.UsageError(f"Only a local TaskRouter can do this; set {LOCAL_URL}, or give --url")
        return self.request(method, f"/control/v1/{path}", **options)

    @property
    def workspace(self) -> str:
        """The path of the chosen workspace, or of the only one. Blocks for a request.

        Raises:
            UsageError: There is no such workspace, or not exactly one; the message names the existing ones.
            ClickException: There was no answer, or the request was refused.
        """
        found = list(self.list("/v1/Workspaces", "workspaces"))
        wanted = [each for each in found if self._workspace in (None, each["sid"], each["friendly_name"])]
        # A name may belong to several workspaces; then only a sid is clear.
        if len(wanted) == 1:
            return f"/v1/Workspaces/{wanted[0]['sid']}"
        if not found:
            raise click.UsageError("The service has no workspace")
        names = ", ".join(f"{each['friendly_name']} ({each['sid']})" for each in found)
        named = "" if self._workspace is None else f" {self._workspace!r}"
        problem = f"more than one workspace{named}" if wanted else f"no workspace{named}"
        raise click.UsageError(f"There is {problem}; --workspace takes one of: {names}")

    def list(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Iterate over all records of a list, page by page; each page is a request.

        Args:
            path: The path of the list.
            key: Its name in the answer.
            query: Filters; None leaves one out.

        Raises:
            ClickException: There was no answer, or the request was refused.
        """
        parameters = {"PageSize": 100, **{name: value for name, value in query.items() if value is not None}}
        page = self.request("GET", path, params=parameters)
        while True:
            try:
                found, following = page[key], next_query(page["meta"]["next_page_url"])
            # Valid JSON, but not that of a TaskRouter list.
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise self._not_taskrouter() from error
            yield from found
            if not following:
                return
            page = self.request("GET", f"{path}?{following}")

    def _not_taskrouter(self) -> click.ClickException:
        return click.ClickException(f"{self.url} is not a TaskRouter service; check the address")

    def sid(self, kind: str, name: str) -> str:
        """Return the sid of a resource.

        Args:
            kind: ``activity``, ``queue``, ``worker`` or ``workflow``.
            name: Its name or sid.

        Raises:
            UsageError: There is no such resource; the message names the existing ones.
            ClickException: There was no answer, or the request was refused.
        """
        path, key = _KINDS[kind]
        names = []
        for each in self.list(f"{self.workspace}/{path}", key):
            if name in (each["sid"], each["friendly_name"]):
                return str(each["sid"])
            names.append(each["friendly_name"])
        close = nearest(name, names)
        hint = "" if close is None else f"did you mean {close!r}? "
        raise click.UsageError(f"There is no {kind} {name!r}; {hint}there are {', '.join(names[:20]) or 'none'}")


_KINDS = {
    "activity": ("Activities", "activities"),
    "queue": ("TaskQueues", "task_queues"),
    "worker": ("Workers", "workers"),
    "workflow": ("Workflows", "workflows"),
}


def _cause(error: Exception) -> str:
    text = str(error)
    # The texts of requests are nested reprs of several libraries; the last part is the system's own.
    return "connection refused" if "Connection refused" in text else text.rpartition(": ")[2] or type(error).__name__


def _message(answer: Any) -> str:
    """Return the service's reason for a refusal; empty if the answer is not a TaskRouter's."""
    try:
        text = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    if answer.status_code == 401:
        text = f"{text}: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    return str(text)


def with_address(function: F) -> F:
    """Add the options for the address of the service, and the account there, to a command; see :func:`find`.

    Args:
        function: The command.
    """
    options = (
        click.option("--url", help=f"Address of a local TaskRouter. [env var: {LOCAL_URL}; default: {DEFAULT_URL}]"),
        click.option("--account-sid", envvar="TWILIO_ACCOUNT_SID", show_envvar=True, help="The account."),
        click.option("--auth-token", envvar="TWILIO_AUTH_TOKEN", show_envvar=True, help="Its auth token."),
        click.option("--twilio", is_flag=True, help="Work on the real account instead, at taskrouter.twilio.com."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def with_remote(function: F) -> F:
    """Add the options of a command that works on one workspace of a service.

    Args:
        function: The command; gets a :class:`Remote` and a :class:`Printer` as its first arguments.
    """
    options = (
        click.option("--workspace", metavar="NAME", help="Name or sid; needed where there is more than one."),
        click.option("--yes", is_flag=True, help="Allow a change of a real account."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, one record a line."),
    )

    def command(
        url: str | None,
        account_sid: str | None,
        auth_token: str | None,
        twilio: bool,
        workspace: str | None,
        yes: bool,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        remote = find(url, account_sid, auth_token, twilio=twilio, workspace=workspace, confirmed=yes)
        return function(remote, Printer(as_json), **rest)

    command.__doc__, command.__name__ = function.__doc__, function.__name__
    # click keeps the options of a decorated function here until the command is made of it.
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(options):
        command = option(command)
    return with_address(command)  # type: ignore[return-value]


def find(
    url: str | None,
    account_sid: str | None,
    auth_token: str | None,
    *,
    twilio: bool = False,
    workspace: str | None = None,
    confirmed: bool = False,
) -> Remote:
    """Return the service to work on, from options, environment and defaults.

    Args:
        url: The root of a local TaskRouter; None: the environment's, else the default.
        account_sid: The account; None: the documented one for development.
        auth_token: Its auth token; None: the documented one for development.
        twilio: Use the real account instead.
        workspace: Name or sid of the workspace; None: the only one.
        confirmed: Allow changes of a Twilio account.

    Raises:
        UsageError: The URL is invalid, or credentials of the real account are missing.
    """
    if twilio:
        if not (account_sid and auth_token):
            raise click.UsageError("--twilio needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or their options")
        return Remote(TWILIO_URL, account_sid, auth_token, workspace, confirmed=confirmed)
    from twilio_taskrouter_worker.local.credentials import credentials

    try:
        address = service_url("--url", url) if url else local_url() or DEFAULT_URL
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # Those of "taskrouter local" without options, so that commands work without any setting.
    known = credentials(DEVELOPMENT_SEED)
    return Remote(
        address, account_sid or known.account_sid, auth_token or known.auth_token, workspace, confirmed=confirmed
    )


class Printer:
    """Prints records to standard output: as aligned columns for people, or as JSON, one record a line.

    Args:
        as_json: Print JSON.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Print one record.

        Args:
            record: The record, for JSON.
            text: The text for people; None: names and values of the record.
        """
        if self.as_json:
            click.echo(json.dumps(record))
        elif text is not None:
            click.echo(text)
        else:
            width = max(len(name) for name in record)
            for name, value in record.items():
                click.echo(f"{name:<{width}}  {_shown(value)}")

    def table(self, records: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """Print records as JSON or columns.

        Args:
            records: The records.
            columns: For people: the titles of the columns by the names of fields.
        """
        if self.as_json:
            for record in records:
                click.echo(json.dumps(record))
            return
        rows = [[_shown(record.get(name)) for name in columns] for record in records]
        if not rows:
            click.echo("(none)", err=True)
            return
        # Titles are for people: a pipe gets rows only, which cut and awk read without an exception for the first line.
        if sys.stdout.isatty():
            rows.insert(0, [title.upper() for title in columns.values()])
        widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show on standard error that something takes time, if that is a terminal.

        Args:
            text: What takes time.
        """
        from rich.console import Console

        # Shows nothing where standard error is no terminal; standard output stays free for the result.
        with Console(stderr=True).status(text):
            yield

    def note(self, text: str) -> None:
        """Print a remark to standard error.

        Args:
            text: The remark.
        """
        click.echo(text, err=True)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
