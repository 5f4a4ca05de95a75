"""The chunks of OpenAI's streams, said shortly; and what our endpoint makes of them."""

import orjson

from askonce.calls.chat import CHAT
from askonce.core.entry import JSON
from tests.calls.answers import sse

ROOM = 1 << 20
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o-mini"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 0}}


def chunk(delta, finish_reason=None, *, index=0, head=HEAD, **members):
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**head, "choices": [choice], **members}


def total(usage=USAGE, *, head=HEAD, **members):
    return {**head, "choices": [], "usage": usage, **members}


def assembled(*chunks, endpoint=CHAT):
    stream = sse(*chunks)
    assert endpoint.complete(stream)
    return endpoint.assemble(stream, ROOM)


def message(*chunks):
    answer = assembled(*chunks)
    assert answer.media_type == JSON
    return orjson.loads(answer.payload)["choices"][0]["message"]
