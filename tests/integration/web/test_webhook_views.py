"""The views for Flask and Django, under real servers, called by the local TaskRouter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import requests

from tests.tools.wait import eventually
from twilio_taskrouter_worker import webhooks
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.webhooks import AssignmentCallback, EventCallback, Receiver, django_view, flask_blueprint

Application = Callable[..., Any]


class Quiet(WSGIRequestHandler):
    """Writes no access log."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(application: Application) -> Iterator[str]:
    """Serve a WSGI application on a free port; gives its address."""
    with make_server("127.0.0.1", 0, application, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="tool-wsgi")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def flask_application(receiver: Receiver) -> Application:
    """A Flask application with the blueprint."""
    from flask import Flask

    application = Flask("desk")
    application.register_blueprint(flask_blueprint(receiver), url_prefix="/taskrouter")
    return application


def django_application(receiver: Receiver) -> Application:
    """A Django site with the view, without database and middleware but for the CSRF check."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path

    if not settings.configured:
        settings.configure(
            SECRET_KEY="x", ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"]
        )
        django.setup()
    # The URL configuration may be any object with this attribute.
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("taskrouter", django_view(receiver))]})
    application: Application = WSGIHandler()
    return application


@pytest.mark.parametrize("make", [flask_application, django_application], ids=["flask", "django"])
def test_callbacks_arrive_and_are_obeyed(make: Callable[[Receiver], Application]) -> None:
    """An assignment is accepted by its answer, the events arrive typed, and an unsigned request is refused."""
    assigned: list[AssignmentCallback] = []
    events: list[EventCallback] = []

    def assign(callback: AssignmentCallback) -> webhooks.Instruction:
        assigned.append(callback)
        return webhooks.accept()

    with LocalTaskRouter() as router:
        receiver = Receiver(router.auth_token, on_assignment=assign, on_event=events.append)
        with served(make(receiver)) as address:
            url = f"{address}/taskrouter"
            workspace = f"{router.url}/v1/Workspaces/{router.workspace_sid}"
            account = (router.account_sid, router.auth_token)
            for resource, field in (
                (f"{workspace}/Workflows/{router.workflow_sid}", "AssignmentCallbackUrl"),
                (workspace, "EventCallbackUrl"),
            ):
                requests.post(resource, auth=account, data={field: url}, timeout=10).raise_for_status()
            router.add_worker("Alice", activity="Available")
            task = router.create_task({"order": "tea"})
            eventually(lambda: any(event.event_type == "reservation.accepted" for event in events), timeout=15)
            (callback,) = assigned
            assert (callback.task_sid, callback.task_attributes) == (task, {"order": "tea"})
            assert requests.post(url, data=dict(callback.fields), timeout=10).status_code == 403
            assert requests.get(url, timeout=10).status_code == 405
