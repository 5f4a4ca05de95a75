"""The cached routes, one row each, and what LiteLLM calls them."""

from collections.abc import Iterable
from typing import Final

from askonce.calls.chat import CHAT
from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.endpoint import Endpoint
from askonce.calls.messages import MESSAGES
from askonce.calls.rerank import RERANK
from askonce.calls.responses import RESPONSES
from askonce.calls.speech import SPEECH
from askonce.calls.text import TEXT
from askonce.calls.transcription import TRANSCRIPTION

ENDPOINTS: Final[tuple[Endpoint, ...]] = (CHAT, TEXT, EMBEDDINGS, TRANSCRIPTION, RERANK, SPEECH, RESPONSES, MESSAGES)
CALL_TYPES: Final = frozenset(endpoint.name for endpoint in ENDPOINTS)


def call_types(names: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """LiteLLM's names (`acompletion` is `completion`) as ours, and those that name no route of ours, as given."""
    ours = {name: name.removeprefix("a") if name not in CALL_TYPES else name for name in names}
    known = frozenset(own for own in ours.values() if own in CALL_TYPES)
    return known, [name for name, own in ours.items() if own not in CALL_TYPES]
