"""``taskrouter token``: wrong usage, and the claims of tokens of every age."""

from __future__ import annotations

import json
import time

import jwt
import pytest
from click.testing import CliRunner, Result

from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED
from twilio_taskrouter_worker.cli.app import taskrouter
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.credentials import credentials


def run(*arguments: str) -> Result:
    """Run the command without the variables of the terminal that runs the tests."""
    unset: dict[str, str | None] = dict.fromkeys(("TWILIO_API_KEY", "TWILIO_API_SECRET", "TASKROUTER_LOCAL_URL"))
    return CliRunner().invoke(taskrouter, ["token", *arguments], env=unset)


def signed(**claims: object) -> str:
    """A token with these claims."""
    return jwt.encode(claims, "s" * 32, algorithm="HS256")


def test_a_worker_or_a_token_must_be_named() -> None:
    """Without either there is nothing to do."""
    ended = run()
    assert ended.exit_code == 2 and "Name a WORKER, or give --decode TOKEN" in ended.output


@pytest.mark.parametrize(
    ("seconds", "text"), [(600, "expires in"), (-600, "expired 6"), (None, None)], ids=["valid", "expired", "no end"]
)
def test_claims(seconds: float | None, text: str | None) -> None:
    """The claims are shown as JSON, with a note on the time that is left or has passed."""
    claims: dict[str, object] = {"iss": "SK1", "sub": "AC1"}
    if seconds is not None:
        claims["exp"] = int(time.time() + seconds)
    ended = run("--decode", signed(**claims))
    assert ended.exit_code == 0
    note, brace, rest = ended.output.partition("{")
    assert json.loads(brace + rest) == claims
    assert note.startswith(text) if text else note == ""


def test_text_that_is_not_a_token() -> None:
    """The message says so; there is no traceback."""
    ended = run("--decode", "no.token")
    assert ended.exit_code == 1 and ended.output.startswith("Error: ")


def test_claims_for_programs() -> None:
    """With ``--json`` the claims are one line."""
    ended = run("--decode", signed(iss="SK1"), "--json")
    assert ended.exit_code == 0 and json.loads(ended.output) == {"iss": "SK1"}


def test_a_real_account_needs_its_signing_key() -> None:
    """There is no documented key for it, as there is for a local TaskRouter."""
    ended = run("--twilio", "--account-sid", "AC" + "1" * 32, "--auth-token", "2" * 32, "Alice")
    assert ended.exit_code == 2 and "needs TWILIO_API_KEY and TWILIO_API_SECRET" in ended.output


def test_the_documented_key_of_a_local_taskrouter() -> None:
    """Without a key the one for development is taken; a lifetime that no token may have is wrong usage."""
    known = credentials(DEVELOPMENT_SEED)
    with LocalTaskRouter(
        account_sid=known.account_sid,
        auth_token=known.auth_token,
        signing_key_sid=known.signing_key_sid,
        signing_key_secret=known.signing_key_secret,
    ) as router:
        router.add_worker("Alice")
        made = run("--url", router.url, "Alice")
        assert made.exit_code == 0
        with Worker(made.output.strip(), **router.connection) as worker:
            assert worker.name == "Alice"
        refused = run("--url", router.url, "Alice", "--ttl", "0")
        assert refused.exit_code == 2 and "ttl" in refused.output
