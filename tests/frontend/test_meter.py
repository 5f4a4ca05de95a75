"""Tokens of answers that nobody keeps, read as they come and however they are cut."""

import orjson
import pytest

from askonce.calls.chat import CHAT
from askonce.calls.endpoint import Endpoint
from askonce.calls.messages import MESSAGES
from askonce.calls.responses import RESPONSES
from askonce.core.entry import JSON, SSE, Usage
from askonce.frontend.accounts.meter import Meter
from askonce.frontend.recording import Recording


def events(*told: object) -> bytes:
    return b"".join(b"data: " + orjson.dumps(one) + b"\n\n" for one in told)


TOLD = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
CHUNKS = events({"choices": [{"delta": {"content": "usage"}}]}, {"choices": [], "usage": TOLD})
TYPED = events(
    {"type": "response.created", "response": {"usage": None}},
    {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 2}}},
)
SAID = events(
    {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}},
    },
    {"type": "message_delta", "usage": {"output_tokens": 2}},
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("limit", [0, 30, 100_000])
@pytest.mark.parametrize(
    ("endpoint", "answer", "media_type", "usage"),
    [
        (CHAT, CHUNKS, SSE, Usage(7, 2, 4)),
        (CHAT, orjson.dumps({"choices": [], "usage": TOLD}), JSON, Usage(7, 2, 4)),
        (CHAT, orjson.dumps({"choices": []}), JSON, None),
        (RESPONSES, TYPED, SSE, Usage(7, 2)),
        (MESSAGES, SAID, SSE, Usage(7, 2, 4)),
    ],
)
async def test_usage_is_read_however_it_is_cut_and_held(
    endpoint: Endpoint, answer: bytes, media_type: str, usage: Usage | None, limit: int, size: int
) -> None:
    recording, meter = Recording(limit), Meter(endpoint, {}, media_type, 200)
    for at in range(0, len(answer), size):
        chunk = answer[at : at + size]
        meter.watch(recording, chunk)
        recording.append(chunk)
    held = b"" if recording.overflown else recording.whole()
    assert meter.read(held).usage == usage
