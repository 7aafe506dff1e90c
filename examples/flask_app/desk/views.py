"""The pages. They run in processes without a websocket, and call by the client."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from twilio_taskrouter_worker import TaskRouterError

from . import jobs
from .taskrouter import client

pages = Blueprint("pages", __name__)


@pages.get("/")
def desk() -> str:
    """Show the worker, the tasks on the desk, and the latest events."""
    worker = client().fetch().result()
    return render_template("desk.html", worker=worker, jobs=jobs.on_the_desk(), events=jobs.latest_events())


@pages.post("/activity")
def change_activity() -> Response:
    """Go to work, or on a break."""
    client().set_activity(request.form["activity"]).result()
    return redirect(url_for("pages.desk"))


@pages.post("/languages")
def change_languages() -> Response:
    """Change what the worker can do."""
    attributes = dict(client().fetch().result().attributes)
    client().set_attributes({**attributes, "languages": request.form["languages"].split()}).result()
    return redirect(url_for("pages.desk"))


@pages.post("/tasks/<task_sid>/complete")
def complete(task_sid: str) -> Response:
    """Complete a task; TaskRouter notifies the process with the websocket, which takes it off the desk."""
    client().complete(task_sid, request.form.get("reason", "done")).result()
    return redirect(url_for("pages.desk"))


@pages.errorhandler(TaskRouterError)
def failed(error: TaskRouterError) -> tuple[str, int]:
    """Say why TaskRouter did not do what a view asked for."""
    return f"TaskRouter: {error}", 502
