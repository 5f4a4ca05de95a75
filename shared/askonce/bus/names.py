"""What the streams, subjects, consumers and headers are called. Knows no client and no server."""

import hashlib
import re
from typing import Final

from askonce.core.key import CacheKey

STREAM: Final = "ASKONCE"
DEAD_STREAM: Final = "ASKONCE_DEAD"
TOMBSTONES: Final = "askonce-tombstones"  # the key-value bucket, as `nats kv` names it
TOMBSTONE_STREAM: Final = f"KV_{TOMBSTONES}"
FLUSHES: Final = f"$KV.{TOMBSTONES}.flushed"  # a part of the bucket that no key's token can be in
KEYS: Final = "askonce-keys"  # as above: the records of `protocols.Bucket`
KEY_STREAM: Final = f"KV_{KEYS}"
SPENT_STREAM: Final = "ASKONCE_SPENT"  # a stream of counters: `protocols.Tally`
SPENT: Final = "askonce.spent.>"
RECORDS: Final = f"$KV.{KEYS}.>"
TOLD: Final = "askonce.told"
HEARD: Final = "askonce.heard"  # where frontends say what they have heard: `<sequence of the flush> <listener>`

# One inbox prefix a role, so that no role can listen to what another is answered.
FRONTEND_INBOX: Final = "_INBOX.frontend"
WRITER_INBOX: Final = "_INBOX.writer"

# Headers of a dead letter.
REASON: Final = "Askonce-Reason"
SUBJECT: Final = "Askonce-Subject"
DELIVERIES: Final = "Askonce-Deliveries"
TIME: Final = "Askonce-Time"


def answered(store: str) -> str:
    """The queue's subject for one store type, such as "redis": one slow store never holds back another."""
    return f"askonce.answered.{store}"


def dead(store: str) -> str:
    return f"askonce.dead.{store}"


def confirmed(store: str) -> str:
    """Where writers say that a store has removed a key: `<sequence of the tombstone> <token of the key>`."""
    return f"askonce.confirmed.{store}"


def token(key: CacheKey) -> str:
    """The key as one token of a subject: SHA-256 of its written form, which may hold ":" and "."."""
    return hashlib.sha256(str(key).encode()).hexdigest()


def tombstone(key: CacheKey) -> str:
    return f"$KV.{TOMBSTONES}.{token(key)}"


def flushed(namespace: str) -> str:
    """Where the last flush of a configured namespace stands, which may be "", or hold ":" and "."."""
    return f"{FLUSHES}.{hashlib.sha256(namespace.encode()).hexdigest()}"


def record(name: str) -> str:
    """The subject of a record of the bucket. ValueError for a name that no subject can end in."""
    return f"{_RECORD}{_checked(name)}"


def record_name(subject: str) -> str:
    return subject.removeprefix(_RECORD)


def records(start: str) -> str:
    """What `Bucket.all` asks for. ValueError unless it is a name and a dot."""
    if not start.endswith("."):
        raise ValueError("the start of a record's name must end in a dot")
    return f"{record(start[:-1])}.>"


def spent(name: str) -> str:
    """The subject of a sum of the tally. ValueError as for a record."""
    return f"{_SUM}{_checked(name)}"


_RECORD: Final = RECORDS.removesuffix(">")
_SUM: Final = SPENT.removesuffix(">")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a record or sum must be of A-Z a-z 0-9 _ - and single dots in between")
    return name


_LISTENER: Final = "askonce frontend "


def description(listener: str) -> str:
    """How the consumer of a listening frontend is described, so that others see who listens."""
    return f"{_LISTENER}{listener}"


def listener(description: str | None) -> str | None:
    """Whose consumer it is, or None for any other."""
    if description is None or not description.startswith(_LISTENER):
        return None
    return description.removeprefix(_LISTENER)
