"""Entries as points, filters, and requests of a size that a server takes. Knows no client's state."""

import math
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from typing import Any, Final

from qdrant_client import models as m

from askonce.core.entry import Entry, Vector
from askonce.core.flushes import reaches
from askonce.core.key import CacheKey
from askonce.core.wire import encode_entry, unpack_floats
from askonce.stores.qdrant.collections import CONSTANT
from askonce.stores.qdrant.names import ENTRY, EXPIRES_AT, HOME, KEY, SCOPE, STORED_AT

LARGEST: Final = 31 << 20  # bytes of one point; Qdrant's own limit of a request is 32 MB
_AT_ONCE: Final = 8 << 20  # bytes of one request, where several points share it
_POINTS_AT_ONCE: Final = 256
_SLACK: Final = 1024  # bytes, of a point's JSON beside its entry and its vector
_DIGITS: Final = 24  # bytes of a number and its comma, at most


def exact_point(name: str, entry: Entry) -> m.PointStruct:
    payload = _expiring(entry) | {
        ENTRY: b64encode(encode_entry(entry)).decode(),
        KEY: str(entry.key),
        STORED_AT: repr(entry.stored_at),
    }
    if entry.home is not None:
        payload[HOME] = entry.home
    return m.PointStruct(id=name, vector=list(CONSTANT), payload=payload)


def vector_point(name: str, entry: Entry, vector: Vector) -> m.PointStruct:
    payload = _expiring(entry) | {SCOPE: entry.lookup.scope, KEY: str(entry.key)}
    return m.PointStruct(id=name, vector=unpack_floats(vector.values), payload=payload)


def _expiring(entry: Entry) -> dict[str, Any]:
    return {} if entry.expires_at is None else {EXPIRES_AT: _milliseconds(entry.expires_at)}


def _milliseconds(seconds: float) -> int:
    # rounded down on both sides: whatever has ended is met, and what has not a millisecond early at most
    return math.floor(seconds * 1000)


def frame(payload: dict[str, Any] | None) -> bytes | None:
    """The entry's frame in the payload of its point, or None when there is none."""
    try:
        return b64decode((payload or {})[ENTRY], validate=True)
    except (KeyError, TypeError, ValueError, Base64Error):
        return None


def stored_at(payload: dict[str, Any] | None) -> float | None:
    try:
        return float((payload or {})[STORED_AT])
    except (KeyError, TypeError, ValueError):
        return None


def flushable(payload: dict[str, Any] | None, namespace: str, before: float) -> bool:
    """Whether the entry of this payload was stored by then and a flush of the namespace reaches it."""
    at, key = stored_at(payload), CacheKey.parse(str((payload or {}).get(KEY)))
    return at is not None and at <= before and key is not None and reaches(namespace, key, (payload or {}).get(HOME))


def size(point: m.PointStruct) -> int:
    """About how many bytes its JSON has; never less. Base64 needs no escapes."""
    entry = (point.payload or {}).get(ENTRY, "")
    return _SLACK + len(entry) + _DIGITS * len(point.vector)  # type: ignore[arg-type]


def by_size(points: Sequence[m.PointStruct]) -> Iterator[list[m.PointStruct]]:
    """The points in order, as many to a request as it takes."""
    batch: list[m.PointStruct] = []
    room = _AT_ONCE
    for point in points:
        needed = size(point)
        if batch and (needed > room or len(batch) == _POINTS_AT_ONCE):
            yield batch
            batch, room = [], _AT_ONCE
        batch.append(point)
        room -= needed
    if batch:
        yield batch


def expired(now: float) -> m.FieldCondition:
    """What has no end has no such member, and never meets this."""
    return m.FieldCondition(key=EXPIRES_AT, range=m.Range(lte=_milliseconds(now)))


def alive_in(scope: str, now: float) -> m.Filter:
    of_scope = m.FieldCondition(key=SCOPE, match=m.MatchValue(value=scope))
    return m.Filter(must=[of_scope], must_not=[expired(now)])
