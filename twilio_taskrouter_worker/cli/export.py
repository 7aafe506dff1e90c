"""``taskrouter export``: a running service as a seed file."""

from __future__ import annotations

import json

import click

from twilio_taskrouter_worker.cli.remote import DEFAULT_PORT
from twilio_taskrouter_worker.errors import SeedError


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", show_default=True, help="Address of the service.")
@click.option("--account-sid", envvar="TWILIO_ACCOUNT_SID", required=True, help="Default: TWILIO_ACCOUNT_SID.")
@click.option("--auth-token", envvar="TWILIO_AUTH_TOKEN", required=True, help="Default: TWILIO_AUTH_TOKEN.")
@click.option("--workspace-sid", default=None, help="Only this workspace; the default is all of them.")
@click.option("--tasks", is_flag=True, help="Include the open tasks.")
def export(file: str, url: str, account_sid: str, auth_token: str, workspace_sid: str | None, tasks: bool) -> None:
    """Write the workspaces, queues, workflows and workers of a running service to a seed FILE.

    The suffix of its name selects the format: .json, .yaml or .yml; - is JSON on standard output. The service is a
    local TaskRouter, or Twilio's with --url https://taskrouter.twilio.com. Nothing there is changed.
    """
    from twilio_taskrouter_worker.local import seeds
    from twilio_taskrouter_worker.local.seeds.remote import RemoteService

    service = RemoteService(url, account_sid, auth_token, workspace_sid)
    try:
        document = seeds.export(service, tasks=tasks)
        if file == "-":
            click.echo(json.dumps(document, indent=2))
        else:
            seeds.write(document, file)
    except SeedError as error:
        raise click.ClickException(str(error)) from error
    finally:
        service.close()
