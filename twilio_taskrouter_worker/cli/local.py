"""``taskrouter local``: the service in the foreground, until a signal stops it."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from twilio_taskrouter_worker._hosts import is_loopback
from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED, LOCAL_URL
from twilio_taskrouter_worker.cli import background
from twilio_taskrouter_worker.cli.remote import DEFAULT_PORT
from twilio_taskrouter_worker.cli.snippets import SNIPPETS
from twilio_taskrouter_worker.errors import SeedError, StateError, StoreError

if TYPE_CHECKING:
    from twilio_taskrouter_worker.local import LocalTaskRouter

T = TypeVar("T")

DEFAULT_EVENT_DELAY = 0.025
"""Clients are other programs, on a machine that may be busy: they should have read an answer before its events."""
_FIRST_WORKER = "Alice"
_TOKEN_SECONDS = 24 * 3600
"""The longest that Twilio allows, so that a pasted snippet works for a whole day."""

_SHOWN = (
    "account_sid",
    "auth_token",
    "signing_key_sid",
    "signing_key_secret",
    "workspace_sid",
    "workflow_sid",
    "task_queue_sid",
)


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Further host name by which it is reached, such as that of a container; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="When ready, one JSON line instead of the text.")
@click.option(
    "--db",
    type=click.Path(dir_okay=False),
    default=None,
    help="Keep everything in this file; an existing one is continued.",
)
@click.option(
    "--seed",
    "seed_file",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="Start with the workspaces, queues, workers ... of this JSON or YAML file.",
)
@click.option(
    "--random-seed",
    type=int,
    default=None,
    help="Makes other sids and secrets, the same at every start. The default is the documented ones for development,"
    " except with --db, or on an address that others can reach.",
)
@click.option("--detach", is_flag=True, help="Run in the background; 'taskrouter stop' stops it.")
@click.option(
    "--snippets",
    type=click.Choice(["python", "rest", "js", "curl"]),
    multiple=True,
    help="Print this snippet to paste, too; may be repeated.",
)
@click.option("--console/--no-console", default=True, help="Serve the console, a page in the browser. The default.")
@click.option("--open", "open_console", is_flag=True, help="Open the console in the browser.")
@click.option("--quiet", is_flag=True, help="Do not log requests, connections, events and webhooks.")
@click.option("--verbose", is_flag=True, help="Log debug messages, too.")
@click.option(
    "--event-delay",
    type=click.FloatRange(0, 1),
    default=DEFAULT_EVENT_DELAY,
    show_default=True,
    help="Seconds between the answer to a request and its events.",
)
@click.option("--account-sid", default=None, help="Use this account sid.")
@click.option("--auth-token", default=None, help="Use this auth token for REST.")
@click.option("--signing-key-sid", default=None, help="Use this API key sid; it signs the workers' tokens.")
@click.option("--signing-key-secret", default=None, help="Use this API key secret.")
@click.pass_context
def local(
    context: click.Context,
    port: int,
    host: str,
    allowed_hosts: tuple[str, ...],
    as_json: bool,
    db: str | None,
    seed_file: str | None,
    random_seed: int | None,
    detach: bool,
    snippets: tuple[str, ...],
    console: bool,
    open_console: bool,
    quiet: bool,
    verbose: bool,
    event_delay: float,
    account_sid: str | None,
    auth_token: str | None,
    signing_key_sid: str | None,
    signing_key_secret: str | None,
) -> None:
    """Run a local TaskRouter until Ctrl-C.

    It answers the REST API and the event bridge on one port. It starts with a workspace with one workflow, one queue
    and one worker, or with the content of a seed file. The state is in memory, or kept in a file. Prints its addresses
    and credentials, then a line for each request, connection, event and webhook. Ctrl-C or SIGTERM ends it with exit
    code 0. The console's link is a secret: it opens the service in any browser.
    """
    if open_console and not console:
        raise click.UsageError("--open opens the console, which --no-console leaves out")
    if detach:
        _start_in_background(as_json, open_console)
        return
    from twilio_taskrouter_worker.local.collector import seldom

    # The documented credentials are no secret: they are for a service that only this machine reaches, and keeps
    # nothing.
    if random_seed is None and db is None and is_loopback(host):
        random_seed = DEVELOPMENT_SEED
    # With --json a program reads the output: a pipe with log lines that it does not read would fill up, and block the
    # service.
    _log_to_terminal(logging.WARNING if quiet or (as_json and not verbose) else logging.INFO, verbose)

    # Before the start: with a long journal it takes seconds, in which Ctrl-C must not leave a half-open file.
    with stop_signals() as stop:
        try:
            router = _router_class()(
                host=host,
                port=port,
                allowed_hosts=allowed_hosts,
                seed=random_seed,
                db=db,
                event_delay=event_delay,
                console=console,
                seed_file=seed_file,
                account_sid=account_sid,
                auth_token=auth_token,
                signing_key_sid=signing_key_sid,
                signing_key_secret=signing_key_secret,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        try:
            _start(router, stop)
        # Ended before it was ready, as asked: no failure.
        except KeyboardInterrupt:
            context.exit(0)
        try:
            facts = _facts(router)
            click.echo(json.dumps(facts) if as_json else _welcome(facts, router, db, snippets))
            if open_console:
                _open(facts)
            with seldom():
                stop.wait()
        finally:
            router.stop()
    context.exit(0)


def _start_in_background(as_json: bool, open_console: bool) -> None:
    # The options as they were given: the child parses them again, with the same defaults.
    options = [argument for argument in sys.argv[2:] if argument not in ("--detach", "--json", "--open")]
    facts = background.detach(options)
    if open_console:
        _open(facts)
    click.echo(json.dumps(facts) if as_json else f"Local TaskRouter is ready at {facts['url']}, log in {facts['log']}")


def _router_class() -> type[LocalTaskRouter]:
    """Return the class of a router whose initial state, also after a reset, has the worker whose token is printed."""
    # Imported here, so that --help and --detach do not wait for aiohttp.
    from twilio_taskrouter_worker.local import LocalTaskRouter

    class WithFirstWorker(LocalTaskRouter):
        def reset(self) -> None:
            super().reset()
            _first_worker(self)

    return WithFirstWorker


def _start(router: LocalTaskRouter, stop: _Stop) -> None:
    """Start the router; a signal meanwhile raises KeyboardInterrupt, a failure a ClickException."""
    try:
        with _warnings_in_words(), stop.raising():
            router.start()
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    except (StoreError, SeedError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Print the service's warnings as plain lines, without their place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        # Python shows a warning once for each place; here each start is a new program.
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in caught:
                click.echo(f"Warning: {warning.message}", err=True)


class _Stop(threading.Event):
    """Set by a signal. While the service starts, the signal also raises an exception, which ends the start at once."""

    def __init__(self) -> None:
        super().__init__()
        self._raises = False

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise KeyboardInterrupt for a signal in the ``with`` block, or at its start for an earlier signal."""
        self._raises = True
        try:
            if self.is_set():
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        first = not self.is_set()
        self.set()
        # Only the first signal: a second one must not interrupt the clean-up after the first.
        if self._raises and first:
            raise KeyboardInterrupt


@contextmanager
def stop_signals() -> Iterator[_Stop]:
    """Turn SIGINT and SIGTERM into an event, from before the service's start until after its end."""
    stop = _Stop()

    before = {number: signal.signal(number, stop.request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _facts(router: LocalTaskRouter) -> dict[str, Any]:
    """Return addresses, sids and credentials for clients by their names in the Python API; None: missing."""
    worker = _first_worker(router)
    return {
        "url": router.url,
        "console_url": _or_none(lambda: router.console_url),
        "eb_server": router.connection["eb_server"],
        "ws_server": router.connection["ws_server"],
        "account_sid": router.account_sid,
        "auth_token": router.auth_token,
        "signing_key_sid": router.signing_key_sid,
        "signing_key_secret": router.signing_key_secret,
        "workspace_sid": _or_none(lambda: router.workspace_sid),
        "workflow_sid": _or_none(lambda: router.workflow_sid),
        "task_queue_sid": _or_none(lambda: router.task_queue_sid),
        "activities": _or_none(lambda: dict(router.activities)) or {},
        "worker_sid": worker,
        "token": router.token(worker, ttl=_TOKEN_SECONDS) if worker is not None else None,
    }


def _open(facts: dict[str, Any]) -> None:
    """Open the console in the browser; where there is none, the link is on the screen."""
    if not webbrowser.open(facts["console_url"]):
        click.echo("No browser was found: open the link of the console yourself.", err=True)


def _first_worker(router: LocalTaskRouter) -> str | None:
    """Return the worker of the snippets: the oldest one, else a new one if there is an activity Offline."""
    workers = _or_none(router.workers)
    if workers:
        return workers[0].sid
    if "Offline" in (_or_none(lambda: router.activities) or {}):
        return router.add_worker(_FIRST_WORKER, activity="Offline")
    return None


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except StateError:
        return None


def _welcome(facts: dict[str, Any], router: LocalTaskRouter, db: str | None, snippets: tuple[str, ...]) -> str:
    """Return the text for people; it fits a terminal of 80 by 24, with the address last."""
    lines = [*(f"  {name:<20}{facts[name] or 'none'}" for name in _SHOWN), ""]
    # At most five: the whole text fits a terminal, so that the credentials stay visible.
    workers = _or_none(router.workers) or []
    lines += [f"  {each.sid}  {each.activity_name:<12} {each.friendly_name}" for each in workers[:5]]
    if len(workers) > 5:
        lines.append(f"  and {len(workers) - 5} more workers")
    for name in snippets if facts["worker_sid"] and facts["workflow_sid"] else ():
        lines += ["", SNIPPETS[name](facts)]
    console = [f"  {'console':<8}{facts['console_url']}"] if facts["console_url"] else []
    end = "everything is in memory" if db is None else f"everything is kept in {db}"
    lines += [
        "",
        f"  export {LOCAL_URL}={facts['url']}",
        *console,
        f"  --snippets python|rest|js|curl: programs to paste; {end}",
        "",
        f"Local TaskRouter is ready at {facts['url']}, Ctrl-C ends it",
    ]
    return "\n".join(lines)


def _log_to_terminal(level: int, verbose: bool) -> None:
    """Write the service's log to standard error, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("twilio_taskrouter_worker.local")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else level)
    # Otherwise a handler of the root logger, if a program has called logging.basicConfig(), writes each line again.
    logger.propagate = False
