"""Every input of the corpus, and mutations of it from a fixed seed, are handled as they must be."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, checked

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus(name: str) -> None:
    """What was once found stays mended, and its neighbours are right too."""
    inputs = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert len(inputs) >= 5
    rand = random.Random(name)
    with checked(name) as target:
        for data in inputs:
            target(data)
        for _ in range(100):
            target(mutated(rand.choice(inputs), rand))


def mutated(data: bytes, rand: random.Random) -> bytes:
    """A neighbour: some bytes changed, taken out or doubled."""
    changed = bytearray(data)
    for _ in range(rand.randint(1, 4)):
        at = rand.randrange(len(changed) + 1)
        kind = rand.randrange(3)
        if kind == 0:
            changed[at : at + 1] = bytes([rand.randrange(256)])
        elif kind == 1:
            del changed[at : at + rand.randint(1, 8)]
        else:
            changed[at:at] = changed[at : at + rand.randint(1, 8)]
    return bytes(changed)
