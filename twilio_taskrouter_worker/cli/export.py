"""``taskrouter export``: a running service as a seed file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from twilio_taskrouter_worker.cli.remote import Printer, find, with_address
from twilio_taskrouter_worker.errors import SeedError


@click.command(short_help="Write a running service to a seed file.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@with_address
@click.option("--workspace", "--workspace-sid", metavar="NAME", help="Name or sid; the default is all workspaces.")
@click.option("--tasks", is_flag=True, help="Include the open tasks.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def export(
    file: str,
    url: str | None,
    account_sid: str | None,
    auth_token: str | None,
    twilio: bool,
    workspace: str | None,
    tasks: bool,
    force: bool,
) -> None:
    """Write the workspaces, queues, workflows and workers of a running service to a seed FILE.

    The suffix of its name selects the format: .json, .yaml or .yml; - is JSON on standard output. Nothing in the
    service is changed.
    """
    from twilio_taskrouter_worker.local import seeds
    from twilio_taskrouter_worker.local.seeds.remote import RemoteService

    # Before anything is read, which may take minutes on a large account.
    if file != "-" and not force and Path(file).exists():
        raise click.ClickException(f"{file} exists already; --force replaces it")
    printer = Printer(as_json=False)
    remote = find(url, account_sid, auth_token, twilio=twilio, workspace=workspace)
    sid = None if workspace is None else remote.workspace.rpartition("/")[2]
    service = RemoteService(remote.url, remote.account_sid, remote.auth_token, sid)
    try:
        with printer.working(f"Reading {remote.url}"):
            document = seeds.export(service, tasks=tasks)
        if file == "-":
            click.echo(json.dumps(document, indent=2))
        else:
            seeds.write(document, file)
            printer.note(f"Wrote {file}: {_summary(document)}")
    except SeedError as error:
        raise click.ClickException(str(error)) from error
    finally:
        service.close()


def _summary(document: dict[str, Any]) -> str:
    workspaces = document["workspaces"]
    counts = {"workspace": len(workspaces)}
    for name, key in (("worker", "workers"), ("queue", "task_queues"), ("workflow", "workflows"), ("task", "tasks")):
        counts[name] = sum(len(each.get(key, ())) for each in workspaces)
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count)
