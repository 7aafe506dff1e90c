"""What a hostile peer does to the local TaskRouter, and what it must get for it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import os
import random
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt

from tests.chaos.peers import Target, connect, exchange, http, status, whole

REFUSALS = {400, 401, 403, 404, 405, 408, 413, 415}
"""The documented statuses of what a client does wrong."""

FORM = "application/x-www-form-urlencoded"
_BOMB = gzip.compress(bytes(256 * 1024 * 1024), 1)


@dataclass
class Outcome:
    """What came of an attack."""

    counts: Counter[Any] = field(default_factory=Counter)
    """Statuses, or other ends."""
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, what: str, got: int | str, allowed: set[Any]) -> None:
        """Count an end, and complain if it is not allowed."""
        self.counts[got] += 1
        if got not in allowed:
            self.wrong.append(f"{what}: {got}")

    def answered(self, what: str, answer: bytes, allowed: set[Any]) -> None:
        """The same for an HTTP answer; a refusal must have its whole body."""
        got = status(answer)
        self.expect(what, got, allowed)
        if got in REFUSALS and answer:
            try:
                body = json.loads(answer.partition(b"\r\n\r\n")[2])
                assert set(body) == {"code", "message", "more_info", "status"}
                assert body["status"] == got
            except (ValueError, AssertionError):
                self.wrong.append(f"{what}: {got} without a whole body")


# -- tokens --------------------------------------------------------------------------------------------------------


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _assemble(header: dict[str, Any], claims: dict[str, Any], key: str | None) -> str:
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    mac = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest() if key is not None else b""
    return f"{signed}.{_b64(mac)}"


def forged_tokens(target: Target, rounds: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Names and tokens, none of which may be taken."""
    good = target.token_for(target.worker_sid)
    claims = jwt.decode(good, options={"verify_signature": False})
    raised = json.loads(json.dumps(claims))
    raised["grants"]["task_router"]["role"] = "admin"
    secret = target.signing_key_secret
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS1", "HS384", "RS256", "ES256", None, 1, ["HS256"]):
        header = {"alg": algorithm, "typ": "JWT", "cty": "twilio-fpa;v=1"}
        yield f"alg {algorithm} without signature", _assemble(header, claims, None)
        if algorithm != "HS256":
            yield f"alg {algorithm} with the key", _assemble(header, claims, secret)
    yield "other key", _assemble({"alg": "HS256"}, claims, "x" * 32)
    yield "key id that is a path", _assemble({"alg": "HS256", "kid": "../../dev/null"}, claims, "")
    own_key = {"kty": "oct", "k": _b64(b"x" * 32)}
    yield "key in the header", _assemble({"alg": "HS256", "jwk": own_key}, claims, "x" * 32)
    head, _, mac = good.split(".")
    yield "role raised", f"{head}.{_b64(json.dumps(raised).encode())}.{mac}"
    yield "signature cut off", good.rpartition(".")[0]
    yield "signature empty", good.rpartition(".")[0] + "."
    yield "other workspace", target.token_for(target.worker_sid, workspace_sid=target.other_workspace_sid)
    yield "worker of another workspace", target.token_for(target.other_worker_sid)
    yield "far too long", good + "A" * 15000
    for _ in range(rounds):
        # The last character has bits that mean nothing.
        place = chance.randrange(len(good) - 1)
        other = chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
        if other != good[place]:
            yield f"character {place} changed", good[:place] + other + good[place + 1 :]


def tokens(target: Target, rounds: int, chance: random.Random) -> Outcome:
    """Change a worker with tokens that are forged: every one is refused, at the handshake too, and nothing changes."""
    outcome = Outcome()
    own = f"Workspaces/{target.workspace_sid}/Workers/{target.worker_sid}"
    before = target.rest("GET", f"{target.url}/v1/{own}")
    for name, token in forged_tokens(target, rounds, chance):
        document = {"url": own, "method": "POST", "params": {"Attributes": {"owned": True}}, "token": token}
        request = http("POST", "/v1/wschannels", json.dumps(document).encode())
        outcome.answered(name, exchange(target, request), {401, 403})
        outcome.answered(f"{name}, handshake", exchange(target, upgrade(token)), {400, 401, 403})
    if target.rest("GET", f"{target.url}/v1/{own}") != before:
        outcome.wrong.append("a forged token has changed something")
    return outcome


# -- paths and bodies ----------------------------------------------------------------------------------------------

_EVIL = (
    "", ".", "..", "%2e", "%2e%2e", "..%2f..", "..;", "%00", "%ff", "%c0%ae", "%", "%zz", "~root", "*", "\\", "C:",
    "{WorkspaceSid}", "WS1", "WS" + "g" * 32, "\u202e", "'; DROP TABLE", "a" * 2000, "__class__", "%25%32%65", ";",
)  # fmt: skip


def paths(target: Target, rounds: int, chance: random.Random) -> Outcome:
    """Ask, with good credentials, for paths that trick: each is a refusal, none reaches anything."""
    outcome = Outcome()
    plain = ["v1", "Workspaces", target.workspace_sid, "Tasks", "Workers", target.worker_sid, "Statistics"]
    for _ in range(rounds):
        segments = ["v1", "Workspaces", *chance.choices([*plain, *_EVIL], k=chance.randint(0, 4))]
        segments.insert(chance.randint(0, len(segments)), chance.choice(_EVIL))
        path = "/" + "/".join(segments).replace(" ", "%20")
        request = http(chance.choice(("GET", "POST", "DELETE")), path, Authorization=target.basic)
        outcome.answered(path[:100], exchange(target, request), {400, 401, 404, 405})
    return outcome


def mutated(text: bytes, chance: random.Random) -> bytes:
    """A text with a few bytes changed, cut out or put in."""
    data = bytearray(text)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data))
        kind = chance.randrange(3)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place : place + chance.randint(1, 9)]
        else:
            data[place:place] = chance.choice((b'"', b"{", b"[", b"\\", b"\x00", b"1e999", b"\xff\xfe", b"null", b"&"))
        data = data or bytearray(b"{")
    return bytes(data)


def bodies(target: Target, rounds: int, chance: random.Random) -> Outcome:
    """Send bodies that are broken, enormous or explosive."""
    outcome = Outcome()
    bridge, rest = "/v1/wschannels", f"/v1/Workspaces/{target.workspace_sid}/Workers"
    document = {
        "url": f"Workspaces/{target.workspace_sid}/Workers/{target.worker_sid}",
        "method": "GET",
        "params": {"PageSize": 3},
        "token": target.token_for(target.worker_sid),
    }
    envelope, form = json.dumps(document).encode(), b"FriendlyName=&Attributes=%7B%22a%22%3A%5B1%5D%7D&ActivitySid=WA1"
    for _ in range(rounds):
        answer = exchange(target, http("POST", bridge, mutated(envelope, chance)))
        outcome.answered("broken envelope", answer, {200, 400, 401, 403, 404, 405})
        request = http("POST", rest, mutated(form, chance), Authorization=target.basic, Content_Type=FORM)
        outcome.answered("broken form", exchange(target, request), {201, 400})
    for name, body, allowed in (
        ("deep JSON", b"[" * 1_000_000, {400}),
        ("deep objects", b'{"params":' * 90_000, {400}),
        ("long number", b'{"url":' + b"9" * 900_000 + b"}", {400}),
        ("many keys", json.dumps({str(n): n for n in range(60_000)}).encode(), {400}),
        ("a megabyte too much", b" " * 2**20 + envelope, {413}),
    ):
        outcome.answered(name, exchange(target, http("POST", bridge, body)), allowed)
    secret = {"Authorization": target.basic}
    anonymous: dict[str, str] = {}
    for path, headers in ((bridge, anonymous), (rest, secret)):
        request = http("POST", path, _BOMB, Content_Encoding="gzip", Content_Type=FORM, **headers)
        outcome.answered("compressed bomb", exchange(target, request), {413, 415})
        head = http("GET", path, b"", Content_Length="10737418240", Content_Type=FORM, **headers)
        request = head.replace(b"GET", b"POST", 1) + bytes(2**20)
        outcome.answered("says ten gigabytes", exchange(target, request), {413})
        head = http("GET", path, b"", Transfer_Encoding="chunked", Content_Type=FORM, **headers)
        head = head.replace(b"GET", b"POST", 1)
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        outcome.answered("endless chunks", endless(target, head, chunk), {413, "closed"})
    for expression in (b"(" * 4000, b" OR ".join([b"a==1"] * 900), b"a HAS [" + b"1," * 1900 + b"1]", b"NOT " * 1000):
        body = b"FriendlyName=q%d&TargetWorkers=" % chance.randrange(10**9) + expression.replace(b" ", b"+")
        request = http("POST", rest.replace("Workers", "TaskQueues"), body, Content_Type=FORM, **secret)
        outcome.answered("expression", exchange(target, request), {201, 400})
    return outcome


def endless(target: Target, head: bytes, part: bytes, most: int = 64 * 2**20) -> bytes:
    """Send the same part on and on until there is an answer or an end, and return the answer."""
    received = b""
    with closing(connect(target)) as connection:
        try:
            connection.sendall(head)
            sent = 0
            while sent < most and not select.select([connection], [], [], 0)[0]:
                connection.sendall(part)
                sent += len(part)
            if sent >= most:
                return b"HTTP/1.1 999 took-it-all\r\n"
            while not whole(received) and (data := connection.recv(65536)):
                received += data
        except ConnectionError:
            pass
    return received


def headers(target: Target, rounds: int, chance: random.Random) -> Outcome:
    """Send headers without end: many, long, and on many connections at a time."""
    outcome = Outcome()
    start = b"GET /v1/Workspaces HTTP/1.1\r\nHost: localhost\r\n"
    for _ in range(max(1, rounds // 100)):
        many = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
        outcome.answered("twenty thousand headers", exchange(target, start + many + b"\r\n"), {400, "closed"})
        lines = b"A-Header: of-some-length\r\n" * 500
        outcome.answered("headers without end", endless(target, start, lines), {400, "closed"})
        outcome.answered("a header without end", endless(target, start + b"X: ", b"y" * 65536), {400, "closed"})
        outcome.answered("a path without end", endless(target, b"GET /", b"y" * 65536), {400, "closed"})
        trailers = start.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        outcome.answered("trailers without end", endless(target, trailers, b"T: y\r\n" * 5000), {400, 401, "closed"})
    parts = [b"Cookie: " + b"c" * 8000 + b"\r\n"] * 99
    together = [connect(target) for _ in range(50)]
    for part in [start, *parts, b"\r\n"]:
        for connection in together:
            with _ignored():
                connection.sendall(part)
    for connection in together:
        with _ignored():
            outcome.expect("big headers", status(connection.recv(65536)), {400, 401, "closed"})
        connection.close()
    return outcome


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except OSError:
        pass


# -- many and slow -------------------------------------------------------------------------------------------------


def slow(target: Target, sockets: int, seconds: float) -> Outcome:
    """Open many connections that say nothing, or drip headers or a body; then leave."""
    outcome = Outcome()
    half = b"GET /v1/Workspaces HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    begun = http("GET", "/v1/wschannels", Content_Length="100000").replace(b"GET", b"POST", 1)
    openings = (b"", half, begun)
    start, held = time.monotonic(), []
    for number in range(sockets):
        try:
            connection = connect(target)
            connection.setblocking(False)
            held.append((connection, openings[number % 3]))
            connection.send(openings[number % 3])
        except OSError as error:
            outcome.counts[f"not connected: {type(error).__name__}"] += 1
    outcome.notes.append(f"{len(held)} sockets in {time.monotonic() - start:.1f} s")
    end = time.monotonic() + seconds
    while held and time.monotonic() < end:
        # A drop for each dripping connection; those that are over are found by the way.
        left = []
        for connection, opening in held:
            try:
                if opening:
                    connection.send(b"a")
                left.append((connection, opening))
            except OSError:
                outcome.counts["closed"] += 1
                connection.close()
        held = left
        time.sleep(0.2)  # the pace of the drip, not a wait
    for connection, _ in held:
        try:
            answer = connection.recv(65536)
        except BlockingIOError:
            outcome.counts["still open"] += 1
        except OSError:
            outcome.counts["closed"] += 1
        else:
            got = status(answer)
            outcome.expect("slow", got, {"closed", 400, 408})
        connection.close()
    return outcome


def deaf(target: Target, connections: int, requests: int, seconds: float) -> Outcome:
    """Ask for large lists, many times on many connections, and never read an answer."""
    outcome = Outcome()
    request = http("GET", f"/v1/Workspaces/{target.workspace_sid}/Workers?PageSize=1000", Authorization=target.basic)
    held = []
    for _ in range(connections):
        connection = connect(target)
        connection.setblocking(False)
        for _ in range(requests):
            with _ignored():
                connection.send(request)
        held.append(connection)
    outcome.notes.append(f"{connections} connections with {requests} requests each")
    time.sleep(seconds)  # the time in which the service may pile up answers, not a wait
    for connection in held:
        connection.close()
    return outcome


# -- websockets ----------------------------------------------------------------------------------------------------


def upgrade(token: str) -> bytes:
    """The handshake of a websocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    path = f"/v1/wschannels?token={token}&closeExistingSessions=false"
    wanted = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": key}
    return http("GET", path, b"", **wanted)


def frame(opcode: int, data: bytes, *, bits: int = 0x80, masked: bool = True, size: int | None = None) -> bytes:
    """A client's frame; ``size`` is what it says, if not the truth. The mask is zero, so the data stays as it is."""
    size = len(data) if size is None else size
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", bits | opcode, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", bits | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", bits | opcode, bit | 127, size)
    return head + (bytes(4) if masked else b"") + data


INVALID: dict[str, bytes] = {
    "too long a message": frame(1, b"x" * (64 * 1024 + 1)),
    "says 2**62 bytes": frame(1, b"x" * 1024, size=2**62),
    "says 2**64-1 bytes": frame(1, b"x" * 1024, size=2**64 - 1),
    "fragments without end": frame(1, b"x" * 1000, bits=0) + frame(0, b"x" * 1000, bits=0) * 2000,
    "empty fragments, then a new message": frame(1, b"", bits=0) * 2,
    "continuation of nothing": frame(0, b"x"),
    "reserved opcode": frame(3, b"x"),
    "reserved control opcode": frame(0xB, b""),
    "reserved bits": frame(1, b"x", bits=0xF0),
    "text that is not UTF-8": frame(1, b"\xff\xfe\xfd"),
    "long ping": frame(9, b"x" * 126),
    "fragmented ping": frame(9, b"x", bits=0),
    "close with one byte": frame(8, b"\x03"),
    "close with a code that is none": frame(8, struct.pack("!H", 999)),
    "close with bad text": frame(8, struct.pack("!H", 1000) + b"\xff\xfe"),
    "HTTP again": http("GET", "/v1/Workspaces"),
    "noise": bytes(range(256)) * 64,
}
"""Frames that end a session."""


def session(target: Target, worker_sid: str) -> socket.socket:
    """Return the socket of an open session."""
    connection = connect(target)
    try:
        connection.sendall(upgrade(target.token_for(worker_sid)))
        received = b""
        while b"init" not in received:
            part = connection.recv(65536)
            assert part, received
            received += part
    except BaseException:
        connection.close()
        raise
    return connection


def invalid_frames(target: Target) -> Outcome:
    """Send what is no websocket: each ends its own session, with the right code or at once."""
    outcome = Outcome()
    for name, data in INVALID.items():
        with closing(session(target, target.worker_sid)) as connection:
            received = b""
            try:
                connection.sendall(data)
                while part := connection.recv(65536):
                    received += part
                code = struct.unpack("!H", received[2:4])[0] if received[:1] == b"\x88" else "closed"
            except ConnectionError:
                code = "closed"
            except TimeoutError:
                code = "stays open"
            outcome.expect(name, code, {1000, 1002, 1003, 1007, 1008, 1009, "closed"})
    return outcome


def flood(target: Target, kind: str, connections: int, seconds: float) -> Outcome:
    """Send frames as fast as the service takes them, on several sessions; read nothing, come back when thrown out."""
    data = {
        "small texts": frame(1, b"x") * 8000,
        "empty texts": frame(1, b"") * 10000,
        "pings": frame(9, b"x" * 100) * 600,
        "large texts": frame(1, b"x" * 65000),
        "tiny fragments": frame(1, b"", bits=0) + frame(0, b"", bits=0) * 10000,
    }[kind]
    outcome = Outcome()
    held: dict[socket.socket, int] = {}
    end = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < end:
        while len(held) < connections:
            connection = session(target, target.worker_sid)
            connection.setblocking(False)
            held[connection] = 0
        for connection in select.select([], list(held), [], 0.1)[1]:
            try:
                count = connection.send(data[held[connection] % len(data) :])
                held[connection] += count
                sent += count
            except OSError:
                outcome.counts["thrown out"] += 1
                del held[connection]
                connection.close()
    outcome.notes.append(f"{sent / 2**20:.0f} MiB")
    for connection in held:
        connection.close()
    return outcome
