"""The documented recipe for gunicorn: one session of several processes, taken over, and drained at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.web.forked import application, check_one_session, environment
from tests.tools.programs import Program
from tests.tools.rst import block
from twilio_taskrouter_worker.local import LocalTaskRouter

pytest.importorskip("gunicorn", reason="a web server to fork")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["plain", "preload"])
def test_the_documented_recipe(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Two processes start the worker and one is connected, for as long as it lives."""
    (tmp_path / "myapplication.py").write_text(application(block("gunicorn.rst", "gunicorn-app").text))
    (tmp_path / "gunicorn.conf.py").write_text(block("gunicorn.rst", "gunicorn-conf").text)
    arguments = ("--workers=2", "--threads=4", "--graceful-timeout=10", "--bind=127.0.0.1:0", *options)
    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice", activity="Available")
        variables = environment(router, alice)
        log = tmp_path / "log"
        with Program("gunicorn", *arguments, "myapplication:app", folder=tmp_path, log=log, **variables) as server:
            address = server.wait_for(r"Listening at: (http://127\.0\.0\.1:\d+)")
            check_one_session(router, alice, server, tmp_path, address)
