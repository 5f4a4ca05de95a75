"""What a writer counts, at 0 from its start. Counts nothing itself."""

from typing import Final

from askonce.telemetry.beginning import Words
from askonce.writer.settle import Refusal, RejectReason, RetryReason

PUTS: Final = ("ok", "unavailable", "refused", "failed")
"""How a write to the store ends."""


def words(store: str) -> Words:
    """All that a writer of this store may ever say."""
    whose = (store,)
    return {
        "askonce_writer_batch_entries": [whose],
        "askonce_writer_put_seconds": [whose, PUTS],
        "askonce_writer_persisted_total": [whose],
        "askonce_writer_lag_seconds": [whose],
        "askonce_writer_refused_total": [whose, Refusal],
        "askonce_writer_retries_total": [whose, RetryReason],
        "askonce_writer_dead_letters_total": [whose, RejectReason],
        "askonce_writer_deleted_total": [whose],
        "askonce_writer_swept_total": [whose],
    }
