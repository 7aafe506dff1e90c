"""``manage.py taskrouter_worker``: the process that owns the websocket."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from twilio_taskrouter_worker._running import RunError, run_program
from twilio_taskrouter_worker.contrib.django import fresh_connections

__all__ = ["Command"]


class Command(BaseCommand):
    """Runs the project's Worker until a signal."""

    help = (
        "Runs this project's TaskRouter Worker until SIGINT or SIGTERM. MODULE:WORKER names it, or the setting "
        "TASKROUTER_WORKER does. Database connections are checked around each callback and handler."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of ``taskrouter run``.

        Args:
            parser: The parser of the command line.
        """
        parser.add_argument(
            "program", metavar="MODULE:WORKER", nargs="?", help="default: the setting TASKROUTER_WORKER"
        )
        parser.add_argument("--reload", action="store_true", default=None, help="restart it when a Python file changes")
        parser.add_argument("--noreload", action="store_false", dest="reload", help="do not; default: with DEBUG only")
        parser.add_argument("--grace", type=float, default=10.0, help="seconds that handlers get after a signal; 10")
        parser.add_argument("--drain-activity", metavar="NAME", help="activity to take first after a signal")
        parser.add_argument("--health-port", type=int, help="answer /live and /ready on this port")
        parser.add_argument("--health-host", default="127.0.0.1", help="interface of that port; 0.0.0.0 is all")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the Worker; blocks until it has been stopped.

        Args:
            *args: Unused.
            **options: Those of the command line.

        Raises:
            CommandError: There is no such Worker, or its connection ended for good, or work was given up.
        """
        program = options["program"] or getattr(settings, "TASKROUTER_WORKER", None)
        if program is None:
            raise CommandError("Name a MODULE:WORKER, or set TASKROUTER_WORKER in the settings")
        # The system checks may have used the database, and this thread only waits from here on.
        connections.close_all()
        try:
            code = run_program(
                program,
                reload=settings.DEBUG if options["reload"] is None else options["reload"],
                note=self.stderr.write,
                around=fresh_connections,
                **{name: options[name] for name in ("grace", "drain_activity", "health_port", "health_host")},
            )
        except RunError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)
