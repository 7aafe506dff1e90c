"""Limits: the numbers of Twilio's documentation, and those of the local TaskRouter."""

from __future__ import annotations

import attrs

from twilio_taskrouter_worker.local.engine import DEFAULT_RULES, rules
from twilio_taskrouter_worker.local.server.events import event_log, posting
from twilio_taskrouter_worker.local.server.http import page_size


@attrs.frozen
class Limit:
    """One limit."""

    what: str
    twilio: str
    """What the documentation says, or what was seen."""
    here: float
    switch: str = ""
    differs: str = ""
    """Why it is another one here."""


def _switch(what: str, name: str, twilio: str) -> Limit:
    return Limit(what, twilio, getattr(DEFAULT_RULES, name), name)


LIMITS = (
    _switch("workers in a workspace", "max_workers", "15000"),
    _switch("task queues in a workspace", "max_queues", "5000"),
    _switch("activities in a workspace", "max_activities", "100"),
    _switch("workflows in a workspace", "max_workflows", "1000"),
    _switch("task channels in a workspace", "max_task_channels", "15"),
    _switch("capacity of a channel", "max_capacity", "50"),
    _switch("assignments of a task", "max_assignments", "1000"),
    _switch("seconds a task may be assigned", "assigned_limit", "86400"),
    _switch("seconds until a finished task is removed", "purge_finished_after", "300"),
    Limit("characters of a name", "64", rules.MAX_NAME),
    Limit("characters of attributes", "4096", rules.MAX_ATTRIBUTES),
    Limit("characters of a configuration", "1000000", rules.MAX_CONFIGURATION),
    Limit("highest priority", "2147483647", rules.MAX_PRIORITY),
    Limit("seconds a task may wait", "1209600", rules.MAX_TASK_TIMEOUT),
    Limit("seconds a reservation may wait", "86400", rules.MAX_RESERVATION_TIMEOUT),
    Limit("workers reserved at once", "50", rules.MAX_RESERVED_WORKERS),
    Limit("entries of a page", "1000", page_size.LARGEST_PAGE_SIZE),
    Limit("entries of a page unless told", "50", page_size.DEFAULT_PAGE_SIZE),
    Limit("seconds a callback may take", "15", posting.ANSWER_SECONDS),
    Limit("events in the log", "30 days", event_log.KEPT_EVENTS, differs="counted, so that memory is bounded"),
)
