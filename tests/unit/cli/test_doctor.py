"""``taskrouter doctor``: each step that fails, with its remedy."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import jwt
import pytest
from click.testing import CliRunner

from tests.oracle.bridge import RecordingBridge
from tests.oracle.relay import Relay
from twilio_taskrouter_worker.cli import doctor

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no CA file of the machine that runs the tests."""
    for name in (*PROXIES, "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, nor can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


class Answers(BaseHTTPRequestHandler):
    """Answers OPTIONS with the date that the server was given; None leaves the header out."""

    def do_OPTIONS(self) -> None:
        """Answer."""
        self.send_response_only(204)
        date = getattr(self.server, "date", None)
        if date is not None:
            self.send_header("Date", date)
        self.end_headers()


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """An HTTP server with a date of its own."""
    with HTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = Thread(target=running.serve_forever, args=(0.01,), name="test-dated-server")
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_ca_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection would fail for it; the variable and the path are named."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(doctor.Failed, match="SSL_CERT_FILE names /no/such/file, which does not exist"):
        doctor._environment()


def test_a_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is not tried through a proxy, which would answer instead."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert "HTTPS_PROXY" in doctor._environment()
    assert doctor._tls("https://event-bridge.twilio.com") == "not tried: a proxy is in between"


def test_tokens() -> None:
    """One that is no token, one that has expired, and one without an end."""
    with pytest.raises(doctor.Failed):
        doctor._token("no.token")
    with pytest.raises(doctor.Failed, match="it expired 6.. s ago"):
        doctor._token(jwt.encode({"exp": int(time.time()) - 600}, "s" * 32, algorithm="HS256"))
    assert doctor._token(jwt.encode({"sub": "AC1"}, "s" * 32, algorithm="HS256")).endswith("no expiry")


def test_a_host_without_an_address() -> None:
    """The remedy names what the host's name is made of."""
    with pytest.raises(doctor.Failed, match="nowhere.invalid has no address"):
        doctor._name("https://nowhere.invalid")


def test_nobody_listens(closed_port: int) -> None:
    """The connection and the request are both refused."""
    with pytest.raises(doctor.Failed, match=f"127.0.0.1:{closed_port} cannot be reached"):
        doctor._tls(f"https://127.0.0.1:{closed_port}")
    with pytest.raises(doctor.Failed, match="no answer from"):
        doctor._clock(f"http://127.0.0.1:{closed_port}")


@pytest.mark.parametrize(
    ("ahead", "text"),
    [(0, "agrees"), (3600, "s behind: set it"), (-3600, "s ahead: set it")],
)
def test_clocks(server: HTTPServer, ahead: float, text: str) -> None:
    """A difference of more than some seconds is reported with its direction."""
    server.date = formatdate(time.time() + ahead, usegmt=True)  # type: ignore[attr-defined]
    assert re.search(text, doctor._clock(f"http://127.0.0.1:{server.server_port}"))


def test_an_answer_without_a_date(server: HTTPServer) -> None:
    """Then nothing is known about the service's clock."""
    assert doctor._clock(f"http://127.0.0.1:{server.server_port}").startswith("unknown")


def test_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody vouches for is refused, with the remedy; with its CA it is valid."""
    with RecordingBridge() as bridge, Relay("127.0.0.1", bridge.port, tls=True) as relay:
        with pytest.raises(doctor.Failed, match="name the CA of your network in REQUESTS_CA_BUNDLE"):
            doctor._tls(relay.url("https"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", relay.ca_file)
        assert doctor._tls(relay.url("https")).endswith("certificate valid")


def test_a_worker_that_does_not_become_ready() -> None:
    """The reason of the library is the reason of the step."""
    with RecordingBridge() as bridge:
        bridge.refuse_handshake(403)
        with pytest.raises(doctor.Failed):
            doctor._worker("no.token", None, bridge.eb_server)


def test_an_address_that_cannot_be() -> None:
    """It is wrong usage, before the first step."""
    ended = CliRunner().invoke(doctor.doctor, ["--token", "a.b.c", "--eb-server", "nowhere"])
    assert ended.exit_code == 2 and "eb_server" in ended.output
