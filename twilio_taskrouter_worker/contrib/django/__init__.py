"""A Django application: ``manage.py taskrouter_worker`` runs the process that owns the websocket.

::

    INSTALLED_APPS = [..., "twilio_taskrouter_worker.contrib.django"]
    TASKROUTER_WORKER = "desk.worker:worker"

The views, in other processes, call by :class:`~twilio_taskrouter_worker.WorkerClient`. Callbacks of TaskRouter are
received by :func:`twilio_taskrouter_worker.webhooks.django_view`.
"""

from __future__ import annotations

__all__ = ["fresh_connections"]

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def fresh_connections(event: str, args: tuple[Any, ...]) -> Iterator[None]:
    """Close this thread's unusable and outdated database connections before and after a callback or handler.

    Django does the same around each request; threads of a Worker it does not know. The command ``taskrouter_worker``
    registers it; elsewhere it is ``worker.around(fresh_connections)``.

    Args:
        event: Name of the event.
        args: Arguments of the callback.
    """
    from django.db import close_old_connections, reset_queries

    # With DEBUG every query is recorded, and nothing but a request ever forgets them.
    reset_queries()
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
