"""CA settings and TLS contexts shared by the process."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest

from tests.tools.certificates import make_certificates
from tests.tools.shortage import refuse_threads
from twilio_taskrouter_worker._bridge import tls
from twilio_taskrouter_worker._bridge.http import Exchange
from twilio_taskrouter_worker._bridge.settings import Settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no CAs."""
    for name in tls.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_certifi_is_trusted_without_a_word_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    """Nothing set: the CAs are certifi's, and the peer's certificate and name are checked."""
    context = tls.context(tls.ca_path())
    assert tls.ca_path() == certifi.where()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


def test_the_first_variable_that_is_set_counts(environment: pytest.MonkeyPatch) -> None:
    """From the last to the first, each overrules the one before; an empty one counts as not set."""
    for name in reversed(tls.CA_VARIABLES):
        environment.setenv(name, f"/{name}")
        assert tls.ca_path() == f"/{name}"
    environment.setenv(tls.CA_VARIABLES[0], "")
    assert tls.ca_path() == f"/{tls.CA_VARIABLES[1]}"


def test_one_context_for_each_bundle(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bundle is read once, and again when the file has changed."""
    bundle = tmp_path / "bundle.pem"
    shutil.copy(certifi.where(), bundle)
    first = tls.context(str(bundle))
    assert tls.context(str(bundle)) is first
    os.utime(bundle, ns=(1, 1))
    assert tls.context(str(bundle)) is not first


def test_the_number_of_contexts_is_bounded(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bundle that is replaced over and over does not fill the memory."""
    bundle = tmp_path / "bundle.pem"
    text = Path(certifi.where()).read_text().split("-----END CERTIFICATE-----", 1)[0] + "-----END CERTIFICATE-----\n"
    bundle.write_text(text)
    for moment in range(1, 40):
        os.utime(bundle, ns=(moment, moment))
        tls.context(str(bundle))
    assert len(tls._contexts) <= 32


@pytest.mark.parametrize("variable", tls.CA_VARIABLES)
def test_a_missing_file_is_named_with_its_variable(environment: pytest.MonkeyPatch, variable: str) -> None:
    """Who mistyped a path learns which one, and where it stands."""
    environment.setenv(variable, "/no/such/bundle.pem")
    with pytest.raises(tls.CaError, match=rf"'/no/such/bundle.pem' \(from {variable}\) .*No such file"):
        tls.context(tls.ca_path())


def test_a_file_without_certificates_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bundle that holds none would trust nobody: better an error than a failed handshake."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here\n")
    environment.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(tls.CaError, match=r"empty\.pem' \(from SSL_CERT_FILE\) .*holds no certificate"):
        tls.context(tls.ca_path())


def test_the_cas_are_read_beside_an_import(environment: pytest.MonkeyPatch) -> None:
    """On a thread that has ended by the end of the block, for an address that needs them; then never again."""
    read_on: list[str] = []

    def load(path: str) -> ssl.SSLContext:
        read_on.append(threading.current_thread().name)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    environment.setattr(tls, "_contexts", {})
    environment.setattr(tls, "_load", load)
    for urls in (["http://bridge.example", "ws://bridge.example"], ["http://b.example", "wss://b.example"]) * 2:
        with tls.loading(*urls):
            pass
        assert "taskrouter-ca" not in {thread.name for thread in threading.enumerate()}
    assert read_on == ["taskrouter-ca"]
    tls.context(tls.ca_path())
    assert read_on == ["taskrouter-ca"]


def test_cas_that_cannot_be_read_beside_an_import(environment: pytest.MonkeyPatch) -> None:
    """Whether it is the file or the thread that is missing: the one who connects learns of it."""
    environment.setenv("SSL_CERT_FILE", "/no/such/bundle.pem")
    with tls.loading("https://bridge.example"):
        pass
    with environment.context() as shortage:
        refuse_threads(shortage, lambda name: name == "taskrouter-ca")
        with tls.loading("https://bridge.example"):
            pass
    with pytest.raises(tls.CaError, match="No such file"):
        tls.context(tls.ca_path())


def test_the_number_of_sessions_is_bounded() -> None:
    """The session kept longest gives way; those that cannot be resumed, or were resumed themselves, are not kept."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def connection(session: Any, *, resumed: bool = False) -> Any:
        return SimpleNamespace(
            context=trusting, server_hostname="peer.example", session=session, session_reused=resumed
        )

    session: Any = SimpleNamespace(has_ticket=True)
    tls.remember(connection(None), 443)
    tls.remember(connection(SimpleNamespace(has_ticket=False)), 443)
    tls.remember(connection(session, resumed=True), 443)
    assert tls.resumable(trusting, "peer.example", 443) is None
    for port in range(tls._KEPT + 1):
        tls.remember(connection(session), port)
    assert tls.resumable(trusting, "peer.example", 0) is None
    assert tls.resumable(trusting, "peer.example", tls._KEPT) is session
    assert len(tls._sessions.pop(trusting)) == tls._KEPT


def test_a_call_resumes_the_session_of_the_one_before(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each over a connection of its own, since the peer closes it; the first handshake is a full one."""
    certificates = make_certificates(tmp_path)
    context, resumed = certificates.server_context(), []

    def serve(listener: socket.socket) -> None:
        for _ in range(3):
            with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
                resumed.append(peer.session_reused)
                while not peer.recv(65536).endswith(b"{}"):
                    pass
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,), name="tool-peer", daemon=True)
        server.start()
        url = f"https://localhost:{listener.getsockname()[1]}/v1"
        for _ in range(3):
            exchange = Exchange(url, Settings({}, str(certificates.ca_file)), time.monotonic() + 30.0)
            assert exchange.post(b"{}", {}).body == b"{}"
        server.join(30)
    assert resumed == [False, True, True]
