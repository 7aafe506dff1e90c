"""The snippets that ``taskrouter local`` prints: they run as pasted, against the service that printed them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def _activity(facts: Mapping[str, Any]) -> str:
    """Return the activity that the worker takes: Available, or in other workspaces the first one but Offline."""
    names = [*facts["activities"]]
    return "Available" if "Available" in names else next((name for name in names if name != "Offline"), names[0])


def python_snippet(facts: Mapping[str, Any]) -> str:
    """Return a worker that accepts and completes every task it is offered.

    Args:
        facts: The addresses, sids and credentials of the service.
    """
    # A seed file may have other activities; the name of one that is missing is an error.
    drain = 'drain_activity="Offline"' if "Offline" in facts["activities"] else ""
    return f'''\
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.tokens import create_worker_token

def fetch_token():
    return create_worker_token("{facts["account_sid"]}", "{facts["signing_key_sid"]}",
                               "{facts["signing_key_secret"]}",
                               "{facts["workspace_sid"]}", "{facts["worker_sid"]}")

worker = Worker(token_provider=fetch_token, connect_activity={json.dumps(_activity(facts))},
                eb_server="{facts["eb_server"]}",
                ws_server="{facts["ws_server"]}")

@worker.serve
def work(reservation):
    print("working on", dict(reservation.task.attributes))
    return "done"

worker.run_forever({drain})'''


def rest_snippet(facts: Mapping[str, Any]) -> str:
    """Return the creation of a task with the official REST library.

    Args:
        facts: The addresses, sids and credentials of the service.
    """
    return f'''\
from twilio.rest import Client

client = Client("{facts["account_sid"]}", "{facts["auth_token"]}")
client.taskrouter.base_url = "{facts["url"]}"
workspace = client.taskrouter.v1.workspaces("{facts["workspace_sid"]}")
task = workspace.tasks.create(workflow_sid="{facts["workflow_sid"]}", attributes='{{"order": 1}}')
print(task.sid, task.assignment_status)'''


def js_snippet(facts: Mapping[str, Any]) -> str:
    """Return the same worker with the official JS SDK.

    Args:
        facts: The addresses, sids and credentials of the service.
    """
    return f'''\
const {{ Worker }} = require("twilio-taskrouter");
const worker = new Worker("{facts["token"]}", {{
  ebServer: "{facts["eb_server"]}",
  wsServer: "{facts["ws_server"]}",
  connectActivitySid: "{facts["activities"][_activity(facts)]}",
}});
worker.on("reservationCreated", async (reservation) => {{
  console.log("offered", reservation.task.attributes);
  await reservation.accept();
  await reservation.task.complete("done");
}});'''


def curl_snippet(facts: Mapping[str, Any]) -> str:
    """Return the creation of a task with curl.

    Args:
        facts: The addresses, sids and credentials of the service.
    """
    return f'''\
curl -u "{facts["account_sid"]}:{facts["auth_token"]}" \\
     -d 'Attributes={{"order": 1}}' -d "WorkflowSid={facts["workflow_sid"]}" \\
     {facts["url"]}/v1/Workspaces/{facts["workspace_sid"]}/Tasks'''


SNIPPETS = {"python": python_snippet, "rest": rest_snippet, "js": js_snippet, "curl": curl_snippet}
"""By their names on the command line."""
