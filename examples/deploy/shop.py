"""A worker to be deployed: ``taskrouter run shop:worker``."""

from __future__ import annotations

import logging
import os

from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.tokens import create_worker_token

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
log = logging.getLogger("shop")


# Read at once: without one of them the program ends here, and its supervisor reports it.
ACCOUNT_SID = os.environ["TWILIO_ACCOUNT_SID"]
KEY_SID, KEY_SECRET = os.environ["TWILIO_API_KEY"], os.environ["TWILIO_API_SECRET"]
WORKSPACE_SID, WORKER_SID = os.environ["TASKROUTER_WORKSPACE_SID"], os.environ["TASKROUTER_WORKER_SID"]


def fetch_token() -> str:
    """Make a token; called again whenever one is about to expire."""
    return create_worker_token(ACCOUNT_SID, KEY_SID, KEY_SECRET, WORKSPACE_SID, WORKER_SID)


worker = Worker(token_provider=fetch_token, connect_activity="Available", return_to_activity="Available")


@worker.serve
def ship(reservation: Reservation) -> str:
    """Do the work. It may run again for the same task after a restart."""
    log.info("shipping %s", reservation.task.sid)
    return "shipped"
