"""The files beside the example sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.web.desk import local_env, site


@pytest.mark.parametrize("name", ["django_site", "flask_app"])
def test_the_settings_are_those_of_the_service(name: str, tmp_path: Path) -> None:
    """``local.env`` has the credentials and sids of ``taskrouter local`` with the example's seed file."""
    with site(name, tmp_path / name) as desk:
        router = desk.router
        assert local_env(name) == {
            "TASKROUTER_LOCAL_URL": "http://127.0.0.1:4100",
            "TWILIO_ACCOUNT_SID": router.account_sid,
            "TWILIO_AUTH_TOKEN": router.auth_token,
            "TWILIO_API_KEY": router.signing_key_sid,
            "TWILIO_API_SECRET": router.signing_key_secret,
            "TASKROUTER_WORKSPACE_SID": router.workspace_sid,
            "TASKROUTER_WORKER_SID": router.worker("Alice").sid,
        }
