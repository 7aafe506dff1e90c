"""The official ``twilio`` package, led to a local TaskRouter by its base URL and nothing else."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.tools.openapi import check_answer
from twilio_taskrouter_worker.local import LocalTaskRouter

TWILIO = "https://taskrouter.twilio.com"


class LocalHttpClient(TwilioHttpClient):
    """Sends what is for Twilio to the local TaskRouter, and remembers what was sent."""

    def __init__(self, router: LocalTaskRouter) -> None:
        super().__init__()
        self.url = router.url
        self.requests: list[tuple[str, str]] = []
        self.responses: list[Response] = []

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """Send one request."""
        self.requests.append((method, url))
        response = super().request(method, url.replace(TWILIO, self.url), *args, **kwargs)
        self.responses.append(response)
        return response

    def close(self) -> None:
        """Close the connections that are kept."""
        if self.session is not None:
            self.session.close()


class CheckedHttpClient(LocalHttpClient):
    """Judges each answer that is not a refusal by Twilio's own description."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """Send one request, and check what comes back."""
        response = super().request(method, url, *args, **kwargs)
        if response.status_code < 400:
            path = urlsplit(url.replace(TWILIO, "").replace(self.url, "")).path
            check_answer(method, path, response.status_code, json.loads(response.text) if response.text else None)
        return response


def client_of(router: LocalTaskRouter, http: LocalHttpClient) -> Client:
    """Return a client with the account's credentials."""
    return Client(router.account_sid, router.auth_token, http_client=http)


def workspace_of(router: LocalTaskRouter, http: LocalHttpClient) -> WorkspaceContext:
    """Return the workspace that is there from the start."""
    return client_of(router, http).taskrouter.v1.workspaces(router.workspace_sid)
