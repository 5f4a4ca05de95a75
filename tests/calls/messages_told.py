"""Messages of Anthropic's API with extras at every level, and their streams, cut finer than any provider does.

The streams are written here without a look at the code under test: every character is an event of its own.
"""

import json
from itertools import cycle

from hypothesis import strategies as st

from tests.calls.answers import extended, maybe_prose, prose

PING = {"type": "ping"}
END = {"type": "message_stop"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 5},
}

# Beyond 64 bits too: a tool may be called with such a number.
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | prose,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(prose, inner, max_size=3),
    max_leaves=6,
)
inputs = st.dictionaries(prose, values, max_size=3)
citations = st.fixed_dictionaries(
    {"type": st.just("char_location"), "cited_text": prose, "document_index": st.integers(0, 9)},
    optional={"document_title": maybe_prose},
)
callers = {"caller": st.just({"type": "direct"})}


def kind(name, required, **optional):
    return extended({"type": st.just(name), **required}, **optional)


said = kind("text", {"text": prose.filter(bool)}, citations=st.none() | st.lists(citations, max_size=3))
calls = kind("tool_use", {"id": prose, "name": prose, "input": inputs}, **callers)
blocks = st.one_of(
    said,
    calls,
    kind("text", {"text": prose}, citations=st.none() | st.lists(citations, max_size=2)),
    kind("thinking", {"thinking": prose}, signature=prose),
    kind("redacted_thinking", {"data": prose}),
    kind("server_tool_use", {"id": prose, "name": st.just("web_search"), "input": inputs}),
    kind("mcp_tool_use", {"id": prose, "name": prose, "server_name": prose, "input": inputs}),
    kind("web_search_tool_result", {"tool_use_id": prose, "content": st.lists(values, max_size=2)}),
    kind("of_tomorrow", {"text": values, "input": values}),
)
counts = st.integers(0, 999)
usages = extended(
    {"input_tokens": counts, "output_tokens": counts},
    cache_creation_input_tokens=st.none() | counts,
    cache_read_input_tokens=st.none() | counts,
    cache_creation=st.none() | st.fixed_dictionaries({"ephemeral_5m_input_tokens": counts}),
    server_tool_use=st.none() | st.fixed_dictionaries({"web_search_requests": counts}),
    output_tokens_details=st.none() | st.fixed_dictionaries({"thinking_tokens": counts}),
    service_tier=st.none() | st.just("standard"),
)
messages = st.tuples(
    extended(
        {
            "id": prose,
            "type": st.just("message"),
            "role": st.just("assistant"),
            "model": prose,
            "stop_sequence": maybe_prose,
            "usage": usages,
        },
        container=st.none(),
        stop_details=st.none() | st.fixed_dictionaries({"category": prose}),
        context_management=st.none() | st.fixed_dictionaries({"applied_edits": st.lists(values, max_size=2)}),
    ),
    st.lists(blocks, max_size=3),
    said | calls,
    st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"]),
).map(lambda parts: {**parts[0], "content": [*parts[1], parts[2]], "stop_reason": parts[3]})


def sse(*events):
    """As Anthropic writes them; `json`, because orjson writes no integer beyond 64 bits."""
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)


def start(**members):
    usage = {"input_tokens": 10, "output_tokens": 1}
    return {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": usage} | members,
    }


def opened(block, index=0):
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(kind, index=0, **said):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def closed(index=0):
    return {"type": "content_block_stop", "index": index}


def stopped(reason="end_turn", **members):
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}, **members}


def block(start, *pieces):
    """The events of the first block."""
    return [opened(start), *pieces, closed()]


TEXT = {"type": "text", "text": ""}
HELLO = block(TEXT, piece("text_delta", text="Hel"), piece("text_delta", text="lo"))


def letters(message, pauses=(0,)):
    """The message, character by character, with as many pings before each event as `pauses` says, in turn."""
    turns = cycle(pauses)
    for event in _events(message):
        yield from [PING] * next(turns)
        yield event


def _events(message):
    late = ("stop_reason", "stop_sequence", "stop_details")
    usage = message["usage"]
    yield {
        "type": "message_start",
        "message": {**message, **{name: None for name in late if name in message}, "content": []}
        | {"usage": {**usage, "output_tokens": 1}},
    }
    for index, one in enumerate(message["content"]):
        blank, deltas = _pieces(one)
        yield opened(blank, index)
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield closed(index)
    delta = {name: message[name] for name in late if name in message}
    yield {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 0}}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
    yield END


def _pieces(one):
    match one:
        case {"type": "text", "citations": list(quoted)} if all(isinstance(one, dict) for one in quoted):
            deltas = [{"type": "text_delta", "text": letter} for letter in one["text"]]
            return {**one, "text": "", "citations": []}, [
                *deltas,
                *({"type": "citations_delta", "citation": citation} for citation in quoted),
            ]
        case {"type": "text"}:
            return {**one, "text": ""}, [{"type": "text_delta", "text": letter} for letter in one["text"]]
        case {"type": "thinking"}:
            deltas = [{"type": "thinking_delta", "thinking": letter} for letter in one["thinking"]]
            signed = [{"type": "signature_delta", "signature": one["signature"]}] if "signature" in one else []
            return {**one, "thinking": ""}, [*deltas, *signed]
        case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use"}:
            text = json.dumps(one["input"], ensure_ascii=False)
            return {**one, "input": {}}, [
                {"type": "input_json_delta", "partial_json": letter} for letter in ("", *text)
            ]
        case _:
            return one, []
