"""Entries that are matched by meaning, questions near to them, and a store that matches, for tests."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from askonce.core.entry import Entry, Found, Lookup, Vector
from askonce.stores.protocols import Matcher, Writer
from tests.stores.contract import Clock, make_entry, make_key

Floats = NDArray[np.float64]

DIMENSIONS = 128
SPACE = "an-embedding-model"
CLOSE = 1e-2  # some engines keep fewer bits of a vector
SECONDS = 20.0  # a patient bound for what an engine indexes a little later


def scope_of(name: object) -> str:
    return hashlib.sha256(f"scope {name}".encode()).hexdigest()


def direction(seed: int, dimensions: int = DIMENSIONS) -> Floats:
    """A unit vector, always the same for a seed. Two of them are all but orthogonal."""
    drawn = np.random.default_rng(seed).standard_normal(dimensions)
    return drawn / np.linalg.norm(drawn)


A, B = direction(1), direction(2)


def tilted(base: Floats, cosine: float, seed: int = 0) -> Floats:
    """A unit vector whose cosine with the unit vector `base` is `cosine`; the seed says to which side it leans."""
    aside = np.random.default_rng(1_000_000 + seed).standard_normal(len(base))
    aside -= aside.dot(base) * base
    return cosine * base + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)


def vector_of(values: Floats, space: str = SPACE) -> Vector:
    return Vector(space, values.astype("<f4").tobytes())


def make_point(
    clock: Clock,
    name: object = "a question",
    values: Floats | None = None,
    *,
    scope: object = "everything else",
    text: str | None = None,
    space: str = SPACE,
    ttl: float | None = 3600.0,
    namespace: str = "",
) -> Entry:
    """An entry that is matched by meaning, and by its key only where `values` is None."""
    entry = make_entry(clock, name, namespace=namespace, payload=f'{{"answer to":"{name}"}}'.encode(), ttl=ttl)
    vector = None if values is None else vector_of(values, space)
    words = f"text of {name}" if text is None else text
    return replace(entry, lookup=Lookup(entry.key, scope_of(scope), words, vector))


def asked(values: Floats | None, *, scope: object = "everything else", space: str = SPACE) -> Lookup:
    """A question that nobody asked before in these words."""
    vector = None if values is None else vector_of(values, space)
    return Lookup(make_key("in other words"), scope_of(scope), "in other words", vector)


def exact_only(entry: Entry) -> Entry:
    """The entry without its vector: as `get` gives it back, and as it is kept where nobody could embed its text."""
    return replace(entry, lookup=replace(entry.lookup, vector=None))


def refreshed(entry: Entry, seconds: float = 1.0) -> Entry:
    return replace(entry, payload=b'"refreshed"', stored_at=entry.stored_at + seconds)


@dataclass
class Matching:
    """A store in both roles."""

    reader: Matcher
    writer: Writer
    clock: Clock

    async def exact(self, *entries: Entry) -> list[Entry | None]:
        found = await self.reader.get([Lookup(entry.key) for entry in entries])
        return [None if one is None else exact_only(one.entry) for one in found]

    async def near(self, values: Floats, limit: int = 5) -> list[Entry]:
        return entries_of(await self.reader.nearest(asked(values), limit))

    async def eventually(self, lookup: Lookup, expected: Sequence[Entry], limit: int = 5) -> list[Found]:
        """What `nearest` gives as soon as it is `expected`, in that order. Fails, showing what it was, if it never is.

        A test that something is not found expects with it something that was kept later, or in the same batch.
        """
        wanted = [exact_only(entry) for entry in expected]
        until = time.monotonic() + SECONDS
        while True:
            found = await self.reader.nearest(lookup, limit)
            if entries_of(found) == wanted or time.monotonic() > until:
                assert entries_of(found) == wanted
                return found
            await asyncio.sleep(0.02)


def entries_of(found: Sequence[Found]) -> list[Entry]:
    return [exact_only(one.entry) for one in found]


def similarities(found: Sequence[Found]) -> list[float]:
    given = [one.similarity for one in found]
    assert all(type(one) is float and -1.0 <= one <= 1.0 for one in given)
    return [one for one in given if one is not None]
