import pytest

from askonce.calls.endpoint import Endpoint
from askonce.calls.table import CALL_TYPES, ENDPOINTS, call_types


def test_every_row_is_one_route():
    rows: tuple[Endpoint, ...] = ENDPOINTS
    assert [(row.name, row.path, row.multipart) for row in rows] == [
        ("completion", "/chat/completions", False),
        ("text_completion", "/completions", False),
        ("embedding", "/embeddings", False),
        ("transcription", "/audio/transcriptions", True),
        ("rerank", "/rerank", False),
        ("speech", "/audio/speech", False),
        ("responses", "/responses", False),
        ("anthropic_messages", "/messages", False),
    ]
    assert frozenset(row.name for row in rows) == CALL_TYPES


@pytest.mark.parametrize(
    ("names", "known", "unknown"),
    [
        ([], set(), []),
        ([f"a{name}" for name in sorted(CALL_TYPES)], CALL_TYPES, []),
        (["completion", "acompletion"], {"completion"}, []),
        (["rerank", "arerank", "embedding", "ocr"], {"rerank", "embedding"}, ["ocr"]),
        (["aacompletion", "", "a", "Completion"], set(), ["aacompletion", "", "a", "Completion"]),
    ],
)
def test_litellms_names(names, known, unknown):
    assert call_types(names) == (frozenset(known), unknown)
    assert call_types(iter(names)) == (frozenset(known), unknown)
