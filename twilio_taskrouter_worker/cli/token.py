"""``taskrouter token``: creates access tokens for workers, and shows the claims of a token."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED
from twilio_taskrouter_worker.cli.remote import Printer, Remote, with_remote
from twilio_taskrouter_worker.errors import TokenError
from twilio_taskrouter_worker.tokens import create_worker_token, decode_unverified


@click.command()
@click.argument("worker", required=False)
@click.option("--ttl", type=int, default=3600, show_default=True, help="Seconds until it expires.")
@click.option("--role", type=click.Choice(["worker", "supervisor"]), default="worker", show_default=True)
@click.option("--signing-key-sid", envvar="TWILIO_API_KEY", show_envvar=True, help="The API key that signs it.")
@click.option("--signing-key-secret", envvar="TWILIO_API_SECRET", show_envvar=True, help="Its secret.")
@click.option("--decode", metavar="TOKEN", default=None, help="Show the claims of TOKEN instead, without verifying it.")
@with_remote
def token(
    remote: Remote,
    printer: Printer,
    worker: str | None,
    ttl: int,
    role: str,
    signing_key_sid: str | None,
    signing_key_secret: str | None,
    decode: str | None,
) -> None:
    """Print an access token for WORKER, by name or sid."""
    if decode is not None:
        _show(printer, decode)
        return
    if worker is None:
        raise click.UsageError("Name a WORKER, or give --decode TOKEN")
    if signing_key_sid is None or signing_key_secret is None:
        if remote.is_twilio:
            raise click.UsageError("A token for the real account needs TWILIO_API_KEY and TWILIO_API_SECRET")
        from twilio_taskrouter_worker.local.credentials import credentials

        # The key of "taskrouter local" without options; a service with other credentials refuses the token, and says
        # why.
        known = credentials(DEVELOPMENT_SEED)
        signing_key_sid, signing_key_secret = known.signing_key_sid, known.signing_key_secret
    workspace_sid = remote.workspace.rpartition("/")[2]
    try:
        made = create_worker_token(
            remote.account_sid,
            signing_key_sid,
            signing_key_secret,
            workspace_sid,
            remote.sid("worker", worker),
            role=role,
            ttl=ttl,
        )
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    printer.record({"token": made}, made)


def _show(printer: Printer, text: str) -> None:
    try:
        claims: dict[str, Any] = dict(decode_unverified(text))
    except (TokenError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    expiry = claims.get("exp")
    if isinstance(expiry, (int, float)):
        left = expiry - time.time()
        printer.note(f"expires in {left:.0f} s" if left > 0 else f"expired {-left:.0f} s ago")
    if printer.as_json:
        printer.record(claims)
    else:
        click.echo(json.dumps(claims, indent=2))
