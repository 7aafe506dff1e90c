"""A commit of a service's file by hand, in the three steps of the service."""

from __future__ import annotations

from twilio_taskrouter_worker.local.store import Store


def commit(store: Store) -> None:
    """Write everything pending, and return when it is on the disk."""
    store.write()
    store.flush()
    store.settle()
