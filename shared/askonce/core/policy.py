"""What is decided about caching: permit (may this request read or write?), plan (what is already answered?), keep and
admit (may this answer, may these entries be stored?), room and lifetime (how much, how long?). Values in, verdicts out;
the clock is an argument.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from askonce.core.control import CacheControl
from askonce.core.entry import SSE, Entry, Found


class Why(StrEnum):
    """Why a request may not read, or not write. The word is the log field, the metric label and the header's detail."""

    OFF = "cache-off"
    CALL_TYPE = "call-type-off"
    NOT_ASKED = "not-asked-for"  # mode: default_off, and the request did not say use-cache
    NO_CACHE = "no-cache"
    NO_STORE = "no-store"
    TTL_ZERO = "ttl-zero"
    UNREPEATABLE = "unrepeatable"  # the same request would ask something else another time
    ROUTE = "not-a-cached-route"


@dataclass(frozen=True, slots=True)
class Permit:
    """`why` is the reason that nothing may be written or, where only reading is denied, the reason for that; None when
    both are permitted.
    """

    read: bool
    write: bool
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's side of `permit` and `keep`. `call_types` are the names in CALL_TYPES that caching is on for."""

    enabled: bool
    call_types: frozenset[str]
    opt_in: bool
    ttl: float | None
    max_entry_bytes: int


def permit(rules: Rules, call_type: str, control: CacheControl) -> Permit:
    if not rules.enabled:
        return Permit(read=False, write=False, why=Why.OFF)
    if call_type not in rules.call_types:
        return Permit(read=False, write=False, why=Why.CALL_TYPE)
    if rules.opt_in and not control.use_cache:
        return Permit(read=False, write=False, why=Why.NOT_ASKED)
    read = not control.no_cache
    ttl = rules.ttl if control.ttl is None else control.ttl
    write = not control.no_store and ttl != 0
    if read and write:
        return PERMITTED
    if write:
        return Permit(read, write, Why.NO_CACHE)
    return Permit(read, write, Why.NO_STORE if control.no_store else Why.TTL_ZERO)


PERMITTED = Permit(read=True, write=True)
UNREPEATABLE = Permit(read=False, write=False, why=Why.UNREPEATABLE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found, in the order asked; None where the answer must come from upstream."""

    found: tuple[Found | None, ...]

    @property
    def missing(self) -> list[int]:
        """Positions that must be asked upstream."""
        return [position for position, found in enumerate(self.found) if found is None]


def plan(found: Sequence[Found | None], control: CacheControl, *, now: float, streamed: bool) -> Plan:
    """Which of the found entries may be served: alive, young enough, and of a form that this request can be given.

    An entry that is a stream serves streams only.
    """
    return Plan(
        tuple(
            one if one is not None and _serves(one.entry, control, now=now, streamed=streamed) else None
            for one in found
        )
    )


def _serves(entry: Entry, control: CacheControl, *, now: float, streamed: bool) -> bool:
    if not entry.fresh(now) or (entry.media_type == SSE and not streamed):
        return False
    # "within" N seconds, and zero accepts nothing: as in LiteLLM, where 0 always misses. An entry from a machine whose
    # clock is ahead has no negative age.
    return control.max_age is None or max(0.0, now - entry.stored_at) < control.max_age


class SkipReason(StrEnum):
    """Why an answer was not kept."""

    STATUS = "status"
    INCOMPLETE = "incomplete"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    UNCERTAIN = "uncertain-assembly"
    MALFORMED = "malformed"
    DELETED = "deleted"  # its key was deleted, or all were, after it had been asked for


@dataclass(frozen=True, slots=True)
class Store:
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    reason: SkipReason | Why


@dataclass(frozen=True, slots=True)
class Finished:
    """How an upstream answer ended: `complete` when its last byte came, and nothing broke before.

    `size` is in bytes as it came; `room` is the most that could be held of it.
    """

    status: int
    complete: bool
    size: int
    room: int


# A chunk of a stream says a word in some 250 bytes; what is assembled from it is judged by `max_entry_bytes` again.
_STREAM_OVERHEAD: Final = 16


def room(rules: Rules, *, parts: int, streamed: bool) -> int:
    """Bytes of an arriving answer that are worth holding: `parts` is one for most routes, one per embedded item."""
    return rules.max_entry_bytes * parts * (_STREAM_OVERHEAD if streamed else 1)


def keep(allowed: Permit, ended: Finished) -> SkipReason | Why | None:
    """Whether an answer may be kept at all, before anyone looks inside: None when it may."""
    if not allowed.write:
        return allowed.why
    if ended.status != 200:
        return SkipReason.STATUS
    if not ended.complete:
        return SkipReason.INCOMPLETE
    if ended.size == 0:
        return SkipReason.EMPTY
    return SkipReason.TOO_LARGE if ended.size > ended.room else None


def admit(rules: Rules, entries: Collection[Entry]) -> Store | Skip:
    """The entries of one answer that fit. An answer of several parts loses only the parts that do not."""
    if not entries:
        return Skip(SkipReason.EMPTY)
    fitting = tuple(entry for entry in entries if len(entry.payload) <= rules.max_entry_bytes)
    return Store(fitting) if fitting else Skip(SkipReason.TOO_LARGE)


def lifetime(rules: Rules, control: CacheControl) -> float | None:
    """Seconds an entry of this request lives: `cache.ttl`, else the configured ttl; None is no end."""
    return rules.ttl if control.ttl is None else control.ttl
