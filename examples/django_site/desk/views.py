"""The pages. They run in processes without a websocket, and call by the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from twilio_taskrouter_worker import TaskRouterError

from .models import Event, Job
from .taskrouter import client

P = ParamSpec("P")


def says_why(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer with the reason where TaskRouter does not do what a view asks for."""

    @wraps(view)
    def answering(request: HttpRequest, *args: P.args, **options: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except TaskRouterError as error:
            return HttpResponse(f"TaskRouter: {error}", status=502)

    return answering


@require_GET
@says_why
def desk(request: HttpRequest) -> HttpResponse:
    """Show the worker, the tasks on the desk, and the latest events."""
    worker = client().fetch().result()
    languages = " ".join(worker.attributes.get("languages", []))
    shown = {"worker": worker, "languages": languages, "jobs": Job.objects.filter(open=True)}
    return render(request, "desk.html", {**shown, "events": Event.objects.all()[:10]})


@require_POST
@says_why
def change_activity(request: HttpRequest) -> HttpResponse:
    """Go to work, or on a break."""
    client().set_activity(request.POST["activity"]).result()
    return redirect("desk")


@require_POST
@says_why
def change_languages(request: HttpRequest) -> HttpResponse:
    """Change what the worker can do."""
    attributes = dict(client().fetch().result().attributes)
    client().set_attributes({**attributes, "languages": request.POST["languages"].split()}).result()
    return redirect("desk")


@require_POST
@says_why
def complete(request: HttpRequest, task_sid: str) -> HttpResponse:
    """Complete a task; TaskRouter notifies the process with the websocket, which takes it off the desk."""
    client().complete(task_sid, request.POST.get("reason", "done")).result()
    return redirect("desk")
