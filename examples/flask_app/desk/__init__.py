"""A person's desk: a web page to serve tasks, beside a process that owns the websocket."""

from __future__ import annotations

from flask import Flask

from twilio_taskrouter_worker.contrib.flask import worker_command
from twilio_taskrouter_worker.webhooks import flask_blueprint

from . import callbacks, jobs, views


def create_app() -> Flask:
    """Make the application; connects to nothing."""
    app = Flask(__name__)
    app.config.from_mapping(DATABASE="desk.sqlite", TASKROUTER_WORKER="desk.worker:worker")
    app.config.from_prefixed_env("DESK")
    jobs.prepare(app)
    app.register_blueprint(views.pages)
    app.register_blueprint(flask_blueprint(callbacks.receiver()), url_prefix="/taskrouter")
    app.cli.add_command(worker_command)  # flask taskrouter-worker
    return app
