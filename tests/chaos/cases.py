"""Garbage: good payloads with one thing wrong in them, texts that are nearly JSON, and bytes that are nothing."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

from tests.chaos.raw_http import RawAnswer, answered
from tests.oracle.bridge import frame
from tests.tools import payloads

SECRET = "PRIVATE-DATA-OF-A-CUSTOMER"
"""Stands in every attribute, and must not stand in any error."""

DEEP = 10_000
_PLACE = "@@HERE@@"

VALUES = {
    "null": "null", "true": "true", "false": "false", "zero": "0", "one": "1", "minus one": "-1", "seven": "7",
    "decimal": "1.5", "whole decimal": "1.0", "beyond floats": "1e400", "below floats": "-1e400", "30 digits": "9" * 30,
    "400 digits": "9" * 400, "5000 digits": "9" * 5000, "empty": '""', "text": '"x"', "NUL": '"\\u0000"',
    "lone surrogate": '"\\ud800"', "digits": '"12"', "5000 digits in a text": '"' + "9" * 5000 + '"',
    "minus three": '"-3"', "other digits": '"\\u0663"', "empty array": "[]", "array": "[1]", "empty object": "{}",
    "object": '{"a": 1}', "object text": '"{\\"a\\": 1}"', "array text": '"[1]"', "NaN text": '"{\\"a\\": NaN}"',
    "half object text": '"{\\"a\\": "', "date": '"2026-01-01T00:00:00Z"', "no date": '"2026-02-30T00:00:00Z"',
    "NaN": "NaN", "Infinity": "Infinity", "nothing": "", "deep arrays": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "deep object text": json.dumps('{"a":' * DEEP + "1" + "}" * DEEP),
}  # fmt: skip
"""Texts to put in the place of a value; not all of them are JSON."""

EVENT_EXAMPLES = sorted(
    path.stem.removeprefix("event.") for path in payloads.DIRECTORY.glob("event.*.json") if path.stem != "event.init"
)


def example(name: str) -> Any:
    """The frame of an example event, with a customer's data in its attributes."""
    document = payloads.load(f"event.{name}")
    for path in list(paths(document)):
        if path[-1] == "attributes":
            _at(document, path)["attributes"] = json.dumps({"customer": SECRET})
    return document


def paths(value: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All places in nested objects, outer ones first."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*prefix, key)
            yield from paths(inner, (*prefix, key))


def with_text(document: Any, path: tuple[str, ...], text: str) -> bytes:
    """The JSON text of a document with the value at a place replaced by a text."""
    changed = copy.deepcopy(document)
    _at(changed, path)[path[-1]] = _PLACE
    return json.dumps(changed).replace(json.dumps(_PLACE), text).encode("utf-8", "surrogatepass")


def without(document: Any, path: tuple[str, ...]) -> bytes:
    """The JSON text of a document that lacks one key."""
    changed = copy.deepcopy(document)
    del _at(changed, path)[path[-1]]
    return json.dumps(changed).encode()


def twice(document: Any, path: tuple[str, ...], text: str) -> bytes:
    """The JSON text of a document that has one key twice, first good, then with another value."""
    good = json.dumps(_at(document, path)[path[-1]])
    return with_text(document, path, f"{good}, {json.dumps(path[-1])}: {text}")


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def changes(document: Any, skip: int) -> Iterator[tuple[str, bytes]]:
    """A document with each wrong value at each place (deeper than ``skip``), without each key, and with it twice."""
    for path in paths(document):
        if len(path) <= skip:
            continue
        where = ".".join(path[skip:])
        yield f"without {where}", without(document, path)
        yield f"{where} twice", twice(document, path, "[]")
        for name, text in VALUES.items():
            yield f"{where}: {name}", with_text(document, path, text)


def spoiled(good: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """A text cut off, with bytes changed, put in, taken out, or put around it."""
    for _ in range(40):
        cut = rng.randrange(len(good))
        yield f"cut at {cut}", good[:cut]
        changed = bytearray(good)
        changed[rng.randrange(len(good))] = rng.randrange(256)
        yield "a byte changed", bytes(changed)
        start, size = rng.randrange(len(good)), rng.randint(1, 30)
        yield "bytes taken out", good[:start] + good[start + size :]
        yield "bytes put in", good[:start] + rng.randbytes(rng.randint(1, 8)) + good[start:]
    for name, extra in (("NUL", b"\x00"), ("BOM", b"\xef\xbb\xbf"), ("text", b"x"), ("another", good), ("comma", b",")):
        yield f"{name} before", extra + good
        yield f"{name} behind", good + extra
    yield "UTF-16", good.decode().encode("utf-16")
    yield "Latin-1", good.replace(SECRET.encode(), b"\xe4\xf6\xfc")
    yield "a surrogate in UTF-8", good.replace(SECRET.encode(), b"\xed\xa0\x80")
    yield "an overlong slash", good.replace(SECRET.encode(), b"\xc0\xaf")
    yield "a control character", good.replace(SECRET.encode(), b"\x01")


def loose_frames(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Texts that are no good event at all."""
    for name, text in VALUES.items():
        yield f"only {name}", text.encode("utf-8", "surrogatepass")
        yield f"event_type {name}", f'{{"event_type": {text}, "payload": {{}}}}'.encode()
        yield f"unknown event with {name}", f'{{"event_type": "task.exploded", "payload": {text}}}'.encode()
        yield f"failed with {name}", f'{{"event_type": "reservation.failed", "payload": {text}}}'.encode()
        yield f"init with {name}", f'{{"event_type": "init", "payload": {text}}}'.encode()
        for event_type in EVENT_EXAMPLES:
            name_of = payloads.load(f"event.{event_type}")["event_type"]
            yield f"{name_of} with {name}", f'{{"event_type": "{name_of}", "payload": {text}}}'.encode()
    for event_type in ("error", "connected", "disconnected", "tokenExpired", "ready", "__class__", "task.updated ", ""):
        yield f"event {event_type!r}", json.dumps({"event_type": event_type, "payload": {"sid": "x"}}).encode()
    yield "no payload", b'{"event_type": "task.updated"}'
    yield "empty object", b"{}"
    for _ in range(200):
        yield "random bytes", rng.randbytes(rng.randint(1, 60))
    for blank in (b"", b" ", b"\n\t\r ", b" " * 70_000):
        yield "blank", blank


def broken_wires() -> Iterator[tuple[str, bytes]]:
    """Bytes that break the websocket protocol itself; the connection cannot go on after them."""
    yield "a reserved opcode", frame(0x3, b"x")
    yield "a reserved bit", bytes([0xC1, 1]) + b"x"
    yield "a long ping", frame(0x9, b"x" * 200)
    yield "a ping in pieces", frame(0x9, b"x", final=False)
    yield "a continuation of nothing", frame(0x0, b"x")
    yield "a text in a text", frame(0x1, b"x", final=False) + frame(0x1, b"x")
    yield "a close with one byte", frame(0x8, b"x")
    yield "a close with a reserved code", frame(0x8, struct.pack("!H", 1005))
    yield "a close whose reason is no text", frame(0x8, struct.pack("!H", 1000) + b"\xff\xfe")
    yield "HTTP", b"HTTP/1.1 200 OK\r\n\r\n"


def raw_answers(good: bytes, rng: random.Random) -> Iterator[tuple[str, list[RawAnswer], bool]]:
    """Bytes for one call whose good answer has the body ``good``: name, one answer for each try, whether the call may
    also succeed."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)
    half = len(good) // 2
    yield "nothing", [RawAnswer(b"")], False
    yield "a reset", [RawAnswer(b"", "reset")], False
    yield "half a head", [RawAnswer(answered(good)[:30])], False
    yield "no HTTP", [RawAnswer(b"\x16\x03\x01\x02\x00 what?\r\n\r\n")], False
    yield "an old HTTP", [RawAnswer(good)], False
    yield "a long header", [RawAnswer(answered(good, headers=("X: " + "x" * 100_000,)))], False
    yield "many headers", [RawAnswer(answered(good, headers=tuple(f"X{n}: x" for n in range(500))))], False
    yield "a header without a colon", [RawAnswer(answered(good, headers=("what",)))], True
    yield "a status of letters", [RawAnswer(b"HTTP/1.1 abc OK\r\n\r\n")], False
    yield "a status of 99", [RawAnswer(answered(good, status=99))], False
    yield "a status of 999", [RawAnswer(answered(good, status=999))], False
    yield "a status of 204", [RawAnswer(b"HTTP/1.1 204 No Content\r\n\r\n")], False
    yield "too long a length", [RawAnswer(answered(good, length=len(good) + 10))], False
    yield "too long a length, reset", [RawAnswer(answered(good, length=len(good) + 10), "reset")], False
    yield "too short a length", [RawAnswer(answered(good, length=half), "keep")], False
    yield "a negative length", [RawAnswer(answered(good, length=-5))], True
    yield "two lengths", [RawAnswer(answered(good, headers=("Content-Length: 3",)))], True
    yield "a length of letters", [RawAnswer(answered(good).replace(b"Content-Length: ", b"Content-Length: x"))], True
    yield "another answer behind", [RawAnswer(answered(good) + answered(b"{}"), "keep")], True
    yield "chunks", [RawAnswer(chunked + whole, "keep")], True
    yield "half of the chunks", [RawAnswer(chunked + whole[:half])], False
    yield "no last chunk", [RawAnswer(chunked + b"%x\r\n%s\r\n" % (len(good), good))], False
    yield "a chunk size of letters", [RawAnswer(chunked + b"zz\r\n" + good)], False
    yield "a huge chunk size", [RawAnswer(chunked + b"f" * 30 + b"\r\n" + good)], False
    yield "gzip that is none", [RawAnswer(answered(good, headers=("Content-Encoding: gzip",)))], False
    yield "an unknown encoding", [RawAnswer(answered(good, headers=("Content-Encoding: what",)))], True
    yield "a redirect", [RawAnswer(answered(b"", status=307, headers=("Location: http://127.0.0.1:1/",)))], False
    for status in (400, 401, 404, 412, 500):
        odd = (b"", b"<html>", good, b'{"message": 5, "code": "x"}', b"\xff\xfe", b"[" * DEEP, b'{"message": null}')
        for body in odd:
            yield f"{status} with {body[:12]!r}", [RawAnswer(answered(body, status=status))], False
    for _ in range(20):
        yield "random bytes", [RawAnswer(rng.randbytes(rng.randint(1, 300)))], False
        cut = rng.randrange(len(answered(good)) - 1)
        yield f"cut at {cut}", [RawAnswer(answered(good)[:cut])], False
