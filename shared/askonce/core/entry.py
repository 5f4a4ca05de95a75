"""The nouns of the cache: what is looked up, what is kept, what is found."""

import re
from dataclasses import dataclass, field
from typing import Final

from askonce.core.key import CacheKey

JSON: Final = "application/json"
SSE: Final = "text/event-stream"
FLOATS: Final = "application/x-float32"  # an embedding, packed: see calls.embeddings for the layout


# RFC 6838 4.2, with the parameters that sound is played by (`audio/L16; rate=24000`); text is kept without. Nothing
# else may become a Content-Type: it stands in the head of a hit as it is.
MEDIA_TYPE: Final = re.compile(
    r"(?!text/[^;]*;)[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r'(?:; ?[A-Za-z0-9_-]{1,32}=(?:[A-Za-z0-9_.+-]{1,64}|"[A-Za-z0-9_.,+ -]{0,64}")){0,8}',
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted for an answer. `cached` are those of the prompt that it read from a cache of its
    own, which it sells for less.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.completion + other.completion, self.cached + other.cached)


@dataclass(frozen=True, slots=True)
class Vector:
    """What a text means, as an embedding model says it.

    `space` names the model; vectors of two spaces, or of two lengths, are never compared. `values` are packed
    little-endian float32.
    """

    space: str
    values: bytes

    @property
    def dimensions(self) -> int:
        return len(self.values) // 4


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to a store.

    Where questions are matched by meaning, `text` is what is compared, `scope` a digest of everything else that was
    asked (64 hex digits), and `vector` the text's meaning once somebody has worked it out. All three are empty for a
    question that only its exact key answers.
    """

    key: CacheKey
    scope: str = ""
    text: str = ""
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer as it is kept.

    `payload` is the provider's answer without streaming: JSON as a rule; the text of a transcription; the packed
    vector of an embedding; or, where a stream could not be turned into JSON without a guess, the stream itself.
    `media_type` says which. `stored_at` is when the answer was complete, in seconds since the epoch; an entry's
    life is counted from there, so that a late or repeated delivery never lengthens it. `ttl` is in seconds, and
    None is an entry without an end. `home` is the namespace that the proxy which kept it is configured with, "" for
    none: its key does not tell that from a namespace of the request. None where nobody said. `cost` is what the
    provider took for it, in pico-dollars (see `core.money`), None where nobody says what the model costs.
    """

    lookup: Lookup
    payload: bytes
    media_type: str
    stored_at: float
    ttl: float | None
    model: str
    call_type: str
    usage: Usage = Usage()
    home: str | None = None
    cost: int | None = None

    @property
    def key(self) -> CacheKey:
        return self.lookup.key

    @property
    def expires_at(self) -> float | None:
        return None if self.ttl is None else self.stored_at + self.ttl

    def fresh(self, now: float) -> bool:
        return self.ttl is None or now < self.stored_at + self.ttl

    def age(self, now: float) -> int:
        """Whole seconds since the answer, never negative: clocks of two machines may disagree."""
        return max(0, int(now - self.stored_at))


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a store gave back. `source` names the tier or the store.

    `forms` keeps what has been rendered from the entry (its reply as JSON, as a stream), so that a reply is made
    once and served often. It lives and dies with this object and is no part of the entry.
    """

    entry: Entry
    source: str
    similarity: float | None = None
    forms: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
