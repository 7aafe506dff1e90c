"""The tables that the processes share: what is on the desk, and what TaskRouter reported."""

from __future__ import annotations

from django.db import models


class Job(models.Model):
    """A task that came to the desk."""

    task_sid = models.CharField(max_length=34, primary_key=True)
    attributes = models.JSONField()
    open = models.BooleanField(default=True)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        """The oldest first."""

        ordering = ("since",)


class Event(models.Model):
    """An event of the workspace."""

    sid = models.CharField(max_length=34, unique=True)
    type = models.CharField(max_length=64)
    description = models.TextField()

    class Meta:
        """The latest first."""

        ordering = ("-id",)
