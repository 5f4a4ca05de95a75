"""Responses of every documented shape; and their streams, cut finer than any provider does.

The streams are written here without a look at the code under test.
"""

import orjson
from hypothesis import strategies as st

from tests.calls.answers import extended, extras, maybe_prose, prose, scores

USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}
HEAD = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "completed_at": 1700000001,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "gpt-5-nano",
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "metadata": {},
}


def text(said, **members):
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": [], **members}


def message(*parts, **members):
    head = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    return {**head, "content": list(parts), **members}


def call(arguments='{"city":"Rome"}', **members):
    head = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "weather"}
    return {**head, "arguments": arguments, **members}


def answer(*items, **members):
    return {**HEAD, "output": list(items), "usage": USAGE, **members}


def hello(**members):
    return answer(message(text("Hello")), **members)


CITED = {"type": "url_citation", "url": "https://example.org", "title": "Example", "start_index": 0, "end_index": 5}
SCORE = {"token": "Hel", "logprob": -0.5, "bytes": [72], "top_logprobs": []}
SUMMARY = {"type": "summary_text", "text": "Hm."}
ANSWERS = {
    "text": hello(),
    "several parts": answer(message(text("One "), text("two"), {"type": "refusal", "refusal": "No."})),
    "several items": answer(message(text("One")), message(text("two"), id="msg_2", phase="final_answer")),
    "annotations and scores": answer(message(text("Hello", annotations=[CITED, CITED], logprobs=[SCORE]))),
    "calls": answer(call(), call("{}", id="fc_2", call_id="call_2")),
    "a call without arguments": answer(call("")),
    "a custom call": answer(
        {"id": "c", "type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    ),
    "reasoning": answer(
        {"id": "rs_1", "type": "reasoning", "summary": [SUMMARY, SUMMARY], "encrypted_content": "gAAA"},
        message(text("Hello")),
    ),
    "reasoning that is open": answer(
        {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        message(text("Hello")),
    ),
    "a search": answer(
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
        message(text("Hello")),
    ),
    "a picture": answer({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAAA"}),
}


def sse(*events):
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps({**event, "sequence_number": number}))
        for number, event in enumerate(events)
    )


EMPTY = {"content": [], "arguments": "", "summary": []}


def told(answer):
    """The events of a stream as OpenAI sends it: every text letter by letter."""
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for place, item in enumerate(answer["output"]):
        where = {"output_index": place}
        empty = {name: value for name, value in EMPTY.items() if name in item} | {"status": "in_progress"}
        yield {"type": "response.output_item.added", **where, "item": {**item, **empty}}
        yield from ({**event, **where, "item_id": item.get("id")} for event in within(item))
        yield {"type": "response.output_item.done", **where, "item": item}
    yield {"type": "response.completed", "response": answer}


def within(item):
    if item["type"] == "function_call":
        for number, letter in enumerate(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": letter, "obfuscation": "x" * number}
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}
    if item["type"] == "web_search_call":
        yield from ({"type": f"response.web_search_call.{name}"} for name in ("in_progress", "searching", "completed"))
    for number, part in enumerate(item["content"] if item["type"] == "message" else ()):
        where = {"content_index": number}
        empty = {name: "" for name in ("text", "refusal") if name in part}
        yield {"type": "response.content_part.added", "part": {**part, **empty}, **where}
        if part["type"] == "output_text":
            for letter in part["text"]:
                yield {"type": "response.output_text.delta", "delta": letter, "logprobs": [], **where}
            yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **where}
        yield {"type": "response.content_part.done", "part": part, **where}


def streamed(answer):
    return sse(*told(answer))


ids = st.uuids().map(str)
citations = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("url_citation"), "url": prose, "title": prose, "start_index": st.integers(0, 9)}
    ),
    max_size=2,
)
texts = extended(
    {"type": st.just("output_text"), "text": prose}, annotations=citations, logprobs=st.lists(scores, max_size=2)
)
refusals = extended({"type": st.just("refusal"), "refusal": prose})
unheard = extended({"type": st.sampled_from(["output_audio", "unheard_of"])}, data=prose)
messages = extended(
    {
        "id": ids,
        "type": st.just("message"),
        "role": st.just("assistant"),
        "content": st.lists(texts | refusals | unheard, max_size=3),
    },
    status=st.just("completed"),
    phase=st.sampled_from(["commentary", "final_answer"]),
)
reasonings = extended(
    {
        "id": ids,
        "type": st.just("reasoning"),
        "summary": st.lists(extended({"type": st.just("summary_text"), "text": prose}), max_size=2),
    },
    content=st.none() | st.lists(extended({"type": st.just("reasoning_text"), "text": prose}), max_size=2),
    encrypted_content=maybe_prose,
)
calls = extended({"id": ids, "type": st.just("function_call"), "call_id": ids, "name": prose, "arguments": prose})
custom_calls = extended({"id": ids, "type": st.just("custom_tool_call"), "call_id": ids, "name": prose, "input": prose})
others = extended(
    {"id": ids, "type": st.sampled_from(["web_search_call", "image_generation_call", "unheard_of"])},
    status=st.just("completed"),
    result=maybe_prose,
)
items = messages | reasonings | calls | custom_calls | others
some_answers = st.builds(
    lambda extra, said, usage: {**HEAD, **extra, "output": said, "usage": usage},
    extras,
    st.lists(items, max_size=3),
    st.none() | st.just(USAGE),
)


def says(answer):
    """Told here once more: whether an answer has any words, or a call."""

    def has_words(parts):
        return any(part.get("text", part.get("refusal", part["type"])) for part in parts or ())

    return any(
        has_words(item["content"])
        if item["type"] == "message"
        else has_words(item["summary"]) or has_words(item.get("content"))
        if item["type"] == "reasoning"
        else True
        for item in answer["output"]
    )


spoken = some_answers.filter(says)
