"""``taskrouter doctor``: checks each step from a token to a working connection."""

from __future__ import annotations

import json
import os
import platform
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import click

from twilio_taskrouter_worker._local_url import LOCAL_URL
from twilio_taskrouter_worker._version import __version__
from twilio_taskrouter_worker.errors import TaskRouterError

CONNECT_SECONDS = 15.0
SKEW_SECONDS = 30.0
"""A larger difference between the clocks is reported."""
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


class Failed(Exception):
    """A step failed; the text has the reason and a remedy."""


@click.command()
@click.option("--token", envvar="TASKROUTER_TOKEN", show_envvar=True, required=True, help="The worker's access token.")
@click.option("--region", default=None, help="Twilio region.")
@click.option("--eb-server", default=None, help=f"Address of the bridge. [default: Twilio's, or that of {LOCAL_URL}]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one step a line.")
@click.pass_context
def doctor(context: click.Context, token: str, region: str | None, eb_server: str | None, as_json: bool) -> None:
    """Check each step from a token to a worker that is ready, and report the first problem with a remedy.

    Nothing is changed: the worker stays in its activity, and its other sessions stay open. Exit code 1 if a step fails.
    """
    from twilio_taskrouter_worker.options import Options

    try:
        address = Options(region=region, eb_server=eb_server).urls()[0]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # Each step needs those before it, so the first failure is the cause, and the later ones would only repeat it.
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("versions", _versions),
        ("environment", _environment),
        ("token", lambda: _token(token)),
        ("name service", lambda: _name(address)),
        ("TLS", lambda: _tls(address)),
        ("clock", lambda: _clock(address)),
        ("worker", lambda: _worker(token, region, eb_server)),
    )
    for name, step in steps:
        try:
            passed, text = True, step()
        except Failed as failure:
            passed, text = False, str(failure)
        if as_json:
            click.echo(json.dumps({"step": name, "ok": passed, "text": text}))
        else:
            click.echo(f"{'ok' if passed else 'FAIL':<5} {name:<14} {text}")
        if not passed:
            context.exit(1)


def _versions() -> str:
    from importlib.metadata import version

    parts = (f"{name} {version(name)}" for name in ("requests", "urllib3", "websocket-client", "pyjwt"))
    return ", ".join((f"twilio_taskrouter_worker {__version__}", f"Python {platform.python_version()}", *parts))


def _environment() -> str:
    found = [name for name in (LOCAL_URL, *_PROXIES) if os.environ.get(name)]
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        # requests fails on a missing CA file with an OSError that does not name the variable.
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            raise Failed(f"{name} names {path}, which does not exist: correct it, or unset it")
    return f"set: {', '.join(found)}" if found else "no proxy, no CA file, no local address"


def _token(token: str) -> str:
    from twilio_taskrouter_worker.tokens import decode_unverified, expiry

    try:
        # Not verified: only the service has the key. That it takes the token is the last step's result.
        claims: dict[str, Any] = dict(decode_unverified(token))
    except (TaskRouterError, ValueError) as error:
        raise Failed(f"{error}") from error
    end = expiry(token)
    if end is not None and end <= time.time():
        raise Failed(f"it expired {time.time() - end:.0f} s ago (by this machine's clock): get a new one")
    left = "no expiry" if end is None else f"expires in {end - time.time():.0f} s"
    return f"account {claims.get('sub', '?')}, signed by {claims.get('iss', '?')}, {left}"


def _place(address: str) -> tuple[str, int, bool]:
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if secure else 80), secure


def _name(address: str) -> str:
    host, port, _ = _place(address)
    try:
        found = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        raise Failed(
            f"{host} has no address ({error.strerror}): check region, the network and its name server"
        ) from None
    return f"{host} is {', '.join(found)}"


def _tls(address: str) -> str:
    host, port, secure = _place(address)
    # With a proxy, this machine may have no direct way to the host, and need none.
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return "not tried: a proxy is in between"
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            if not secure:
                return "not used: the address is http://"
            ca_file = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
            context = ssl.create_default_context(cafile=ca_file or None)
            with context.wrap_socket(connection, server_hostname=host) as secured:
                return f"{secured.version()}, certificate valid"
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
        raise Failed(f"{reason}: name the CA of your network in REQUESTS_CA_BUNDLE") from None
    except OSError as error:
        raise Failed(
            f"{host}:{port} cannot be reached ({error.strerror or error}): check the network and proxy"
        ) from None


def _clock(address: str) -> str:
    import requests

    before = time.time()
    try:
        # OPTIONS needs no credentials.
        date = requests.options(address, timeout=CONNECT_SECONDS).headers.get("Date")
    except requests.RequestException as error:
        raise Failed(f"no answer from {address} ({type(error).__name__})") from None
    if date is None:
        return "unknown: the service's answer has no Date header"
    # The Date header has whole seconds, and the answer takes its time: far less than what is reported.
    skew = before - parsedate_to_datetime(date).timestamp()
    if abs(skew) > SKEW_SECONDS:
        return f"this machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}: set it"
    return "agrees with the service's"


def _worker(token: str, region: str | None, eb_server: str | None) -> str:
    from twilio_taskrouter_worker import Worker

    # Without options that change something: no activity, and other sessions stay open.
    worker = Worker(token, region=region, eb_server=eb_server)
    try:
        worker.connect(CONNECT_SECONDS)
        held = len(worker.reservations)
        available = "available" if worker.available else "not available: it gets no reservations"
        return f"{worker.name} is ready, {worker.activity_name} ({available}), {held} open reservations"
    except TaskRouterError as error:
        raise Failed(error.message) from None
    finally:
        worker.disconnect()
