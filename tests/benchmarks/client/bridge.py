"""An event bridge that does as little as possible, so that what is measured is the client.

    python -m tests.benchmarks.client.bridge [--certificate FILE --key FILE]

It prints its two ports, plain and (or 0) TLS, and serves until stdin ends. Websockets get ``init``; the tunnel answers
what a Worker asks for. A POST to ``/control`` says what to do next:

    {"open": 100, "delay": 0.02}      open reservations of each worker that connects, and seconds before each answer
    {"burst": "churn", "events": 20000}
                                      prepare events for the latest websocket
    {"go": true, "rate": 0}           send them: all at once, or with a rate in events/s
    {"stats": true}                   answer with the times of the latest burst

Each event carries its number, and with a rate the moment it was sent, in the task's attributes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import ssl
import sys
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.tools import payloads

PING_SECONDS = 0.1
BEAT_SECONDS = 15.0
FRAMES_AT_ONCE = 200
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def frame(opcode: int, body: bytes) -> bytes:
    """A frame from a server."""
    size = len(body)
    if size < 126:
        return bytes((0x80 | opcode, size)) + body
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + body
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + body


class World:
    """What there is to be told."""

    def __init__(self) -> None:
        self.open = 0
        self.delay = 0.0
        self.sessions: list[Session] = []
        self.stats: dict[str, float] = {}
        self.init = payloads.load("event.init")
        self.pages = {
            name: payloads.load(f"rest.page.{name}") for name in ("activities", "channels", "reservations")
        }  # fmt: skip
        self.worker = payloads.load("rest.worker")
        self._created = payloads.event("reservation.created")
        self._updated = payloads.event("task.updated")
        self._used = 1_000_000
        self._templates = {
            "updated": self._template("task.updated", ""),
            "created": self._template("reservation.created", "pending"),
            "accepted": self._template("reservation.accepted", "accepted"),
            "canceled": self._template("reservation.canceled", "canceled"),
        }
        self.prepared: list[tuple[bytes, dict[bytes, Any]]] = []
        self.ready: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []

    def reservation(self, number: int, status: str, version: int, attributes: dict[str, Any]) -> dict[str, Any]:
        """The payload of a reservation with its task; the number makes it another one."""
        changes = {"sid": f"WT{number:032x}", "version": version, "attributes": json.dumps(attributes)}
        task = {**self._created["task"], **changes}
        changed = {"sid": f"WR{number:032x}", "reservation_status": status, "version": version, "task": task}
        return {**self._created, **changed}

    def answer(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
        """The payload for a tunnelled request."""
        path = urlsplit(url).path.strip("/").split("/")
        if "Reservations" in path:
            if path[-1] != "Reservations":
                number = int(path[-1][2:], 16)
                return self.reservation(number, str(params.get("ReservationStatus", "pending")), 1, {})
            first = int(params["AfterSid"][2:], 16) + 1 if params.get("AfterSid") else 0
            last = min(self.open, first + int(params.get("PageSize", 50)))
            contents = [self.reservation(number, "pending", 0, {"seq": -1}) for number in range(first, last)]
            after = contents[-1]["sid"] if last < self.open else None
            return {**self.pages["reservations"], "contents": contents, "after_sid": after}
        for name, page in (("Activities", "activities"), ("WorkerChannels", "channels")):
            if name in path:
                return {**self.pages[page], "after_sid": None}
        return self.worker  # type: ignore[no-any-return]

    def events(self, kind: str, count: int) -> Iterator[tuple[bytes, dict[bytes, Any]]]:
        """The events of a burst, each as a template and what to fill in, but for the moment it is sent."""
        first = self._used
        self._used += count
        template = self._templates[kind if kind in ("updated", "accepted") else "created"]
        for seq in range(count):
            # Of reservations that end, each burst has its own: a sid does not come again.
            number = seq % max(1, self.open) if kind in ("updated", "accepted") else first + seq
            version = seq // max(1, self.open) + 1 if kind in ("updated", "accepted") else 0
            if kind == "churn":
                number = first + seq // 2
                template, version = self._templates["canceled" if seq % 2 else "created"], seq % 2
            yield template, {b"seq": seq, b"number": b"%032x" % number, b"version": version}

    def _template(self, event: str, status: str) -> bytes:
        """A message with places for what differs; made once, since rendering JSON costs more than sending it."""
        attributes = {"seq": "@seq@", "sent_ns": "@sent_ns@", "from": "+15550100021", "languages": ["en", "es"]}
        changes = {"sid": "WT@number@", "version": "@version@", "attributes": json.dumps(attributes)}
        if event == "task.updated":
            payload = {**self._updated, **changes}
        else:
            task = {**self._created["task"], **changes}
            own = {"sid": "WR@number@", "reservation_status": status, "version": "@version@", "task": task}
            payload = {**self._created, **own}
        text = dumps({"event_type": event, "payload": payload}).replace(b"%", b"%%").replace(b"@number@", b"%(number)b")
        for name in (b"seq", b"sent_ns", b"version"):
            for quote in (b'"', b'\\"'):
                text = text.replace(quote + b"@" + name + b"@" + quote, b"%(" + name + b")d")
        return text


def rendered(template: bytes, values: dict[bytes, Any]) -> bytes:
    return frame(1, template % {**values, b"sent_ns": time.monotonic_ns()})


class Session(asyncio.Protocol):
    """One connection: HTTP requests one after the other, or a websocket."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._buffer = b""
        self._websocket = False
        self.transport: Any = None
        self.pinged: list[float] = []
        self.rtts: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._world.sessions:
            self._world.sessions.remove(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._websocket:
            self._frames()
            return
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        while found:
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            size = int(headers.get("content-length", "0"))
            if len(rest) < size:
                return
            body, self._buffer = rest[:size], rest[size:]
            if "sec-websocket-key" in headers:
                self._upgrade(headers["sec-websocket-key"])
                return
            self._request(lines[0].split(" ")[1], body)
            head, found, rest = self._buffer.partition(b"\r\n\r\n")

    def _request(self, path: str, body: bytes) -> None:
        if path == "/control":
            self._control(json.loads(body or b"{}"))
        else:
            asked = json.loads(body)
            answer = dumps({"payload": self._world.answer(asked["url"], asked.get("params") or {})})
            if self._world.delay:
                asyncio.get_running_loop().call_later(self._world.delay, self._respond, answer)
            else:
                self._respond(answer)

    def _respond(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)

    # -- the websocket -------------------------------------------------------------------------------------------

    def _upgrade(self, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n" + frame(1, dumps(self._world.init))
        )
        self._websocket = True
        self._world.sessions.append(self)
        self._later(self._beat())

    async def _beat(self) -> None:
        while not self.transport.is_closing():
            await asyncio.sleep(BEAT_SECONDS)
            if not self.transport.is_closing():
                self.transport.write(frame(1, b" "))

    def _frames(self) -> None:
        """A client's frames are small and masked: pongs, and the close frame."""
        while len(self._buffer) >= 6:
            size = self._buffer[1] & 0x7F
            if len(self._buffer) < 6 + size:
                return
            opcode = self._buffer[0] & 0x0F
            self._buffer = self._buffer[6 + size :]
            if opcode == 10 and self.pinged:
                self.rtts.append(time.monotonic() - self.pinged.pop(0))
            elif opcode == 8:
                self.transport.write(frame(8, b""))
                self.transport.close()

    # -- bursts --------------------------------------------------------------------------------------------------

    def _control(self, wanted: dict[str, Any]) -> None:
        world = self._world
        world.open = wanted.get("open", world.open)
        world.delay = wanted.get("delay", world.delay)
        if "burst" in wanted:
            world.prepared = list(world.events(wanted["burst"], wanted["events"]))
            world.ready = [] if wanted.get("rate") else [rendered(*each) for each in world.prepared]
        if "go" in wanted:
            target = world.sessions[-1]
            if wanted.get("rate"):
                self._later(self._paced(target, wanted["rate"]))
            else:
                self._later(self._at_once(target, world.ready))
            if wanted.get("ping"):
                self._later(self._ping(target))
        self._respond(dumps(world.stats if "stats" in wanted else {}))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._world.tasks.append(asyncio.get_running_loop().create_task(work))

    async def _at_once(self, target: Session, frames: list[bytes]) -> None:
        begun = time.monotonic()
        self._world.stats = {"drained_ms": 0.0, "ping_ms": 0.0}
        # Whole frames, and not all into one buffer: a ping or a heartbeat has to find its way between them.
        left = deque(b"".join(frames[at : at + FRAMES_AT_ONCE]) for at in range(0, len(frames), FRAMES_AT_ONCE))
        while (left or target.transport.get_write_buffer_size()) and not target.transport.is_closing():
            if left and target.transport.get_write_buffer_size() < 1 << 20:
                target.transport.write(left.popleft())
            await asyncio.sleep(0 if left else 0.0005)
        self._world.stats["drained_ms"] = 1e3 * (time.monotonic() - begun)

    async def _ping(self, target: Session) -> None:
        target.rtts.clear()
        while not target.transport.is_closing():
            target.pinged.append(time.monotonic())
            target.transport.write(frame(9, b"p"))
            await asyncio.sleep(PING_SECONDS)
            waiting = time.monotonic() - target.pinged[0] if target.pinged else 0.0
            self._world.stats["ping_ms"] = 1e3 * max([waiting, *target.rtts])

    async def _paced(self, target: Session, rate: int) -> None:
        begun = time.monotonic()
        for sent, each in enumerate(self._world.prepared):
            ahead = begun + sent / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            if target.transport.is_closing():
                return
            target.transport.write(rendered(*each))


async def serve(certificate: str, key: str) -> None:
    loop, world = asyncio.get_running_loop(), World()
    plain = await loop.create_server(lambda: Session(world), "127.0.0.1", 0, backlog=1024)
    tls_port = 0
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        tls = await loop.create_server(lambda: Session(world), "127.0.0.1", 0, ssl=context, backlog=1024)
        tls_port = tls.sockets[0].getsockname()[1]
    print(plain.sockets[0].getsockname()[1], tls_port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.certificate, chosen.key))


if __name__ == "__main__":
    main()
