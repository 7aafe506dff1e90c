"""How this application reaches TaskRouter: tokens, and a client for views."""

from __future__ import annotations

import os
from functools import cache

from twilio_taskrouter_worker import WorkerClient
from twilio_taskrouter_worker.tokens import create_worker_token

WORKSPACE_SID = os.environ["TASKROUTER_WORKSPACE_SID"]
WORKER_SID = os.environ["TASKROUTER_WORKER_SID"]


def fetch_token() -> str:
    """Make a token; called again whenever one is about to expire."""
    return create_worker_token(
        os.environ["TWILIO_ACCOUNT_SID"],
        os.environ["TWILIO_API_KEY"],
        os.environ["TWILIO_API_SECRET"],
        WORKSPACE_SID,
        WORKER_SID,
    )


@cache
def client() -> WorkerClient:
    """Return the client for views: it needs no connection, and works in any process, also after a fork."""
    made = WorkerClient(token_provider=fetch_token, worker_sid=WORKER_SID, workspace_sid=WORKSPACE_SID)
    made.fetch_activities().result()  # set_activity() takes names from here on
    return made
