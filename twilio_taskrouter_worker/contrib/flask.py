"""A command for Flask: ``flask taskrouter-worker`` runs the process that owns the websocket.

::

    from twilio_taskrouter_worker.contrib.flask import worker_command

    app.config["TASKROUTER_WORKER"] = "desk.worker:worker"
    app.cli.add_command(worker_command)

The views of the application, in other processes, call by :class:`~twilio_taskrouter_worker.WorkerClient`. Callbacks of
TaskRouter are received by :func:`twilio_taskrouter_worker.webhooks.flask_blueprint`.
"""

from __future__ import annotations

from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ..cli.programs import run_as_command, worker_options

__all__ = ["worker_command"]


@click.command("taskrouter-worker")
@click.argument("program", metavar="[MODULE:WORKER]", required=False)
@click.option("--reload/--no-reload", default=None, help="Restart it when a file changes. [default: in debug mode]")
@worker_options
@click.pass_context
@with_appcontext
def worker_command(context: click.Context, /, program: str | None, reload: bool | None, **options: Any) -> None:
    """Run this application's Worker until a signal: the process that owns the websocket.

    MODULE:WORKER names it, or the application's setting TASKROUTER_WORKER does. Each callback and handler runs in an
    application context of its own.
    """
    # The application itself: current_app is a proxy, which means nothing on the threads of a Worker.
    application: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    chosen = program or application.config.get("TASKROUTER_WORKER")
    if chosen is None:
        raise click.UsageError("Name a MODULE:WORKER, or set TASKROUTER_WORKER in the application's configuration")
    run_as_command(
        context,
        chosen,
        reload=application.debug if reload is None else reload,
        # A new context for each callback, as Flask has one for each request: extensions clean up at its end.
        around=lambda event, args: application.app_context(),
        **options,
    )
