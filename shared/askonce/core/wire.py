"""How entries and events are written as bytes: in the queue, in every store.

A frame is `AO1`, a kind letter, the length of the header (4 bytes, big-endian), a JSON header, and the payloads one
after another, as they are: an answer is never escaped or encoded a second time. A reader takes only what it knows
whole; anything else is a WireError.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.core.entry import MEDIA_TYPE, Entry, Lookup, Usage, Vector
from askonce.core.errors import WireError
from askonce.core.events import Answered, Cooled, Deleted, Event, Flushed, Superseded
from askonce.core.key import NAMESPACE, CacheKey

_HEAD = struct.Struct(">3scI")
_MAGIC = b"AO1"
_FLOAT = 4  # bytes
_ENTRY, _ANSWERED, _SUPERSEDED, _DELETED, _FLUSHED, _COOLED = b"E", b"A", b"S", b"D", b"F", b"C"
LEAST = _HEAD.size  # bytes of a frame that tell how many more its header has


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of an entry, what says whether a flush reaches it."""

    stored_at: float
    home: str | None


def encode_entry(entry: Entry) -> bytes:
    """One entry as a store keeps it: its vector, if it has one, goes elsewhere."""
    return _frame(_ENTRY, _describe(entry, vector=False), (entry.payload,))


def decode_entry(data: bytes) -> Entry:
    """Raises WireError for anything that `encode_entry` did not write."""
    kind, header, payload = _open(data)
    if kind != _ENTRY:
        raise WireError("not an entry")
    try:
        entries = tuple(_entries([header], payload))
    except (LookupError, TypeError, ValueError) as error:
        raise WireError(f"entry header: {type(error).__name__}") from None
    return entries[0]


def header_size(start: bytes) -> int:
    """How many of the first bytes of an entry's frame hold all but its answer; `start` has LEAST of them, or more.

    Raises WireError.
    """
    if len(start) < LEAST:
        raise WireError("shorter than a frame")
    magic, kind, length = _HEAD.unpack_from(start)
    if magic != _MAGIC or kind != _ENTRY:
        raise WireError("not an entry")
    return LEAST + int(length)


def stamp(start: bytes) -> Stamp:
    """Of an entry's frame, or of as many of its first bytes as `header_size` says. Raises WireError."""
    kind, header, _ = _open(start)
    if kind != _ENTRY:
        raise WireError("not an entry")
    try:
        return Stamp(_seconds(header["stored"]), _home(header))
    except (LookupError, TypeError, ValueError) as error:
        raise WireError(f"entry header: {type(error).__name__}") from None


def encode(event: Event) -> bytes:
    match event:
        case Answered(id=name, asked_at=asked_at, entries=entries):
            header = {"id": name, "asked": asked_at, "entries": [_describe(entry) for entry in entries]}
            payloads = (part for entry in entries for part in (entry.payload, _values(entry)))
            return _frame(_ANSWERED, header, tuple(payloads))
        case Superseded(keys=keys, at=at):
            return _frame(_SUPERSEDED, {"keys": [str(key) for key in keys], "at": at})
        case Deleted(keys=keys, at=at):
            return _frame(_DELETED, {"keys": [str(key) for key in keys], "at": at})
        case Flushed(namespace=namespace, at=at):
            return _frame(_FLUSHED, {"namespace": namespace, "at": at})
        case Cooled(deployment=deployment, until=until):
            return _frame(_COOLED, {"deployment": deployment, "until": until})


def decode(data: bytes) -> Event:
    """Raises WireError for anything that `encode` did not write."""
    kind, header, payload = _open(data)
    try:
        if kind != _ANSWERED and payload:
            raise WireError("bytes after the last payload")
        if kind == _ANSWERED:
            asked_at = _seconds(header["asked"])
            return Answered(_text(header["id"]), asked_at, tuple(_entries(header["entries"], payload)))
        if kind == _SUPERSEDED:
            return Superseded(_keys(header["keys"]), _seconds(header["at"]))
        if kind == _DELETED:
            return Deleted(_keys(header["keys"]), _seconds(header["at"]))
        if kind == _FLUSHED:
            return Flushed(_namespace(header["namespace"]), _seconds(header["at"]))
        if kind == _COOLED:
            return Cooled(_text(header["deployment"]), _seconds(header["until"]))
    except (LookupError, TypeError, ValueError) as error:
        raise WireError(f"event header: {type(error).__name__}") from None
    raise WireError("unknown kind of event")


def split(event: Answered, limit: int) -> tuple[list[Answered], list[Entry]]:
    """The event as frames of at most `limit` bytes each, and the entries that fit in none.

    Parts are named after the event, so that a retry repeats the same names.
    """
    groups: list[list[Entry]] = []
    misfits: list[Entry] = []
    room = 0
    for entry in event.entries:
        size = len(encode(Answered(event.id, event.asked_at, (entry,)))) + _SLACK
        if size > limit:
            misfits.append(entry)
            continue
        if not groups or size > room:
            groups.append([])
            room = limit
        groups[-1].append(entry)
        room -= size
    if len(groups) == 1:
        return [Answered(event.id, event.asked_at, tuple(groups[0]))], misfits
    return [Answered(f"{event.id}.{n}", event.asked_at, tuple(group)) for n, group in enumerate(groups)], misfits


_SLACK = 8  # the part's number in its name


def floats(vector: Sequence[float]) -> bytes | None:
    """The vector packed as little-endian float32, or None when it would lose by it: a number that needs more bits,
    or one that is written as an integer.
    """
    if not all(type(number) is float for number in vector):
        return None
    try:
        packed = struct.pack(f"<{len(vector)}f", *vector)
    except OverflowError:
        return None
    return packed if unpack_floats(packed) == list(vector) else None


def unpack_floats(packed: bytes) -> list[float]:
    """The vector that `floats` packed. The length must be a multiple of four."""
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _frame(kind: bytes, header: dict[str, Any], payloads: Sequence[bytes] = ()) -> bytes:
    written = orjson.dumps(header)
    return b"".join((_HEAD.pack(_MAGIC, kind, len(written)), written, *payloads))


def _open(data: bytes) -> tuple[bytes, dict[str, Any], bytes]:
    if len(data) < _HEAD.size:
        raise WireError("shorter than a frame")
    magic, kind, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if magic != _MAGIC or len(data) < end:
        raise WireError("not a frame, or a cut one")
    try:
        header = orjson.loads(data[_HEAD.size : end])
    except orjson.JSONDecodeError:
        raise WireError("the header is not JSON") from None
    if not isinstance(header, dict):
        raise WireError("the header is not an object")
    return kind, header, data[end:]


def _values(entry: Entry) -> bytes:
    return b"" if entry.lookup.vector is None else entry.lookup.vector.values


def _describe(entry: Entry, *, vector: bool = True) -> dict[str, Any]:
    """What an entry has none of is left out: most have no part that is matched by meaning. Readers of another version
    pass over members that they do not know.
    """
    described: dict[str, Any] = {
        "key": str(entry.key),
        "size": len(entry.payload),
        "media": entry.media_type,
        "stored": entry.stored_at,
        "ttl": entry.ttl,
        "model": entry.model,
        "call": entry.call_type,
        "usage": [entry.usage.prompt, entry.usage.completion],
    }
    lookup = entry.lookup
    if lookup.scope:
        described |= {"scope": lookup.scope, "text": lookup.text}
    if entry.home is not None:
        described["home"] = entry.home
    if entry.usage.cached:
        described["cached"] = entry.usage.cached
    if entry.cost is not None:
        described["cost"] = entry.cost
    if vector and lookup.vector is not None:
        described["vector"] = [lookup.vector.space, len(lookup.vector.values)]
    return described


def _entries(described: Sequence[dict[str, Any]], payload: bytes) -> Iterator[Entry]:
    sizes = [(_count(one["size"]), _count(one["vector"][1]) if "vector" in one else 0) for one in described]
    if sum(map(sum, sizes)) != len(payload):
        raise ValueError("payload and header disagree")
    at = 0
    for one, (size, values) in zip(described, sizes, strict=True):
        prompt, completion = one["usage"]
        end = at + size
        yield Entry(
            lookup=_lookup(one, payload[end : end + values]),
            payload=payload[at:end],
            media_type=_media_type(one["media"]),
            stored_at=_seconds(one["stored"]),
            ttl=None if one["ttl"] is None else _seconds(one["ttl"]),
            model=_text(one["model"]),
            call_type=_text(one["call"]),
            usage=Usage(_count(prompt), _count(completion), _count(one.get("cached", 0))),
            home=_home(one),
            cost=_count(one["cost"]) if "cost" in one else None,
        )
        at = end + values


def _lookup(one: dict[str, Any], values: bytes) -> Lookup:
    vector = None
    if "vector" in one:
        if not values or len(values) % _FLOAT:
            raise ValueError("not a vector")
        vector = Vector(_text(one["vector"][0]), values)
    return Lookup(_key(one["key"]), _text(one.get("scope", "")), _text(one.get("text", "")), vector)


_LATEST = 1e12  # seconds; what is later is no date and no life, and neither is what is not finite


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _media_type(value: object) -> str:
    if not isinstance(value, str) or not MEDIA_TYPE.fullmatch(value):
        raise TypeError("not a media type")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise TypeError("not a time")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("not a count")
    return value


def _home(header: dict[str, Any]) -> str | None:
    return _namespace(header["home"]) if "home" in header else None


def _namespace(value: object) -> str:
    if not isinstance(value, str) or not (value == "" or NAMESPACE.fullmatch(value)):
        raise TypeError("not a configured namespace")
    return value


def _keys(written: Sequence[object]) -> tuple[CacheKey, ...]:
    return tuple(_key(text) for text in written)


def _key(text: object) -> CacheKey:
    key = CacheKey.parse(text) if isinstance(text, str) else None
    if key is None:
        raise ValueError("not a cache key")
    return key
