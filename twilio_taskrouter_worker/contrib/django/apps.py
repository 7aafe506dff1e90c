"""The configuration of the Django application."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["TaskRouterConfig"]


class TaskRouterConfig(AppConfig):
    """Brings the command ``taskrouter_worker``; it has no models."""

    name = "twilio_taskrouter_worker.contrib.django"
    label = "taskrouter"
    verbose_name = "TaskRouter"
