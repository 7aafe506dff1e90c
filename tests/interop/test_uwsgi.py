"""The documented recipe for uWSGI: one session of several processes, taken over, and drained at the end."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.web.forked import application, check_one_session, environment
from tests.tools.programs import Program
from tests.tools.rst import block
from twilio_taskrouter_worker.local import LocalTaskRouter

UWSGI = shutil.which("pyuwsgi", path=str(Path(sys.executable).parent)) or shutil.which("pyuwsgi")


@pytest.mark.skipif(UWSGI is None, reason="it comes with the extra peers")
@pytest.mark.timeout(600)
def test_the_documented_recipe(tmp_path: Path) -> None:
    """Two processes start the worker and one is connected, for as long as it lives."""
    assert UWSGI is not None
    (tmp_path / "myapplication.py").write_text(application(block("uwsgi.rst", "uwsgi-app").text))
    (tmp_path / "uwsgi.ini").write_text(block("uwsgi.rst", "uwsgi-ini").text + "\nhttp-socket = 127.0.0.1:0\n")
    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice", activity="Available")
        variables = environment(router, alice)
        log = tmp_path / "log"
        with Program(UWSGI, "--ini", "uwsgi.ini", folder=tmp_path, log=log, **variables) as server:
            address = "http://" + server.wait_for(r"bound to TCP address (127\.0\.0\.1:\d+)")
            check_one_session(router, alice, server, tmp_path, address)
