"""What the streams, subjects, consumers and headers are called. Knows no client and no server."""

import hashlib
from typing import Final

from askonce.core.key import CacheKey

STREAM: Final = "ASKONCE"
DEAD_STREAM: Final = "ASKONCE_DEAD"
TOMBSTONES: Final = "askonce-tombstones"  # the key-value bucket, as `nats kv` names it
TOMBSTONE_STREAM: Final = f"KV_{TOMBSTONES}"
TOLD: Final = "askonce.told"

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
