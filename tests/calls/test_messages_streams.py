"""Streams of messages as they are really sent, and every answer through its own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.endpoint import Answer
from askonce.calls.messages import MESSAGES
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.sse import SseParser
from tests.calls.answers import quick
from tests.calls.chunks import ROOM
from tests.calls.messages_told import (
    END,
    HELLO,
    MESSAGE,
    PING,
    TEXT,
    block,
    closed,
    letters,
    messages,
    opened,
    piece,
    sse,
    start,
    stopped,
)

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def plain(stream):
    """The plain answer that a stream tells, read from both forms of an entry."""
    assert MESSAGES.complete(stream)
    entry = MESSAGES.assemble(stream, ROOM)
    assert (entry.media_type, entry.payload) == (SSE, stream)
    written, _ = MESSAGES.combine(BODY, [entry])
    assert MESSAGES.assemble(stream, 0) == Answer(written, JSON, entry.usage)
    return json.loads(written)


def told(*events):
    return plain(sse(*events))


def read(stream):
    return [json.loads(event.data) for event in SseParser().feed(stream)]


def in_full(message):
    return Answer(json.dumps(message).encode(), JSON, Usage())


@quick
@given(messages)
def test_an_answer_survives_its_own_frames(message):
    assert plain(MESSAGES.frames(in_full(message), BODY)) == message


@quick
@given(messages, st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_an_answer_survives_the_finest_stream_with_pings_anywhere(message, pauses):
    stream = sse(*letters(message, pauses))
    assert plain(stream) == message
    entry = MESSAGES.assemble(stream, 0)
    assert plain(MESSAGES.frames(entry, BODY)) == message, "and once more, where it was too long to be kept"


@quick
@given(messages)
def test_line_endings_make_no_difference(message):
    assert plain(sse(*letters(message)).replace(b"\n", b"\r\n")) == message


@quick
@given(messages, st.booleans(), st.data())
def test_a_cut_stream_is_not_complete(message, fine, data):
    stream = sse(*letters(message)) if fine else MESSAGES.frames(in_full(message), BODY)
    assert not MESSAGES.complete(stream[: data.draw(st.integers(0, len(stream) - 1))])


def test_a_stream_cut_at_any_byte_is_not_complete():
    stream = sse(start(), PING, *HELLO, stopped(), END)
    assert MESSAGES.complete(stream)
    assert not any(MESSAGES.complete(stream[:length]) for length in range(len(stream)))


@quick
@given(messages)
def test_every_event_carries_its_name_and_each_block_ends_before_the_next(message):
    stream = MESSAGES.frames(in_full(message), BODY)
    names = [event.event.decode() for event in SseParser().feed(stream)]
    events = read(stream)
    assert names == [event["type"] for event in events]
    inner = [(event["type"], event["index"]) for event in events[1:-2] if event["type"] != "content_block_delta"]
    around = ("content_block_start", "content_block_stop")
    assert inner == [(name, index) for index in range(len(message["content"])) for name in around]
    assert (names[0], *names[-2:]) == ("message_start", "message_delta", "message_stop")
    first, last = events[0]["message"], events[-2]
    assert (first["content"], first["stop_reason"], first["usage"]["output_tokens"]) == ([], None, 0)
    assert last["delta"]["stop_reason"] == message["stop_reason"]
    assert last["usage"]["output_tokens"] == message["usage"]["output_tokens"]


def test_an_answer_is_replayed_in_the_events_of_the_api():
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Warm.", "citations": [{"type": "char_location", "cited_text": "warm"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Rome"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 5, "service_tier": "standard"}
    message = {**MESSAGE, "content": content, "stop_reason": "tool_use", "usage": usage}
    assert read(MESSAGES.frames(in_full(message), BODY)) == [
        start(usage={**usage, "output_tokens": 0}),
        opened({"type": "thinking", "thinking": "", "signature": ""}),
        piece("thinking_delta", thinking="Hm."),
        piece("signature_delta", signature="c2ln"),
        closed(),
        opened(content[1], 1),
        closed(1),
        opened({"type": "text", "text": "", "citations": []}, 2),
        piece("text_delta", 2, text="Warm."),
        piece("citations_delta", 2, citation={"type": "char_location", "cited_text": "warm"}),
        closed(2),
        opened({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, 3),
        piece("input_json_delta", 3, partial_json='{"city":"Rome"}'),
        closed(3),
        opened(content[4], 4),
        closed(4),
        stopped("tool_use", usage={"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 5}),
        END,
    ]


def test_an_answer_without_usage_is_replayed_with_numbers_that_clients_can_add_to():
    uncounted = {name: value for name, value in MESSAGE.items() if name != "usage"}
    stream = MESSAGES.frames(in_full(uncounted), BODY)
    assert plain(stream) == {**MESSAGE, "usage": {"input_tokens": 0, "output_tokens": 0}}


# -- streams as providers send them ------------------------------------------------------------------------------------


def test_text_with_a_ping():
    assert told(start(), HELLO[0], PING, *HELLO[1:], stopped(), END) == MESSAGE


def test_thinking_that_is_not_shown_says_only_its_signature():
    hidden = block(
        {"type": "thinking", "thinking": "", "signature": ""},
        piece("thinking_delta", thinking="", estimated_tokens=50),
        piece("signature_delta", signature="c2ln"),
    )
    answer = told(start(), *hidden, opened({**TEXT, "text": "4"}, 1), closed(1), stopped(), END)
    assert answer["content"] == [
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "text", "text": "4"},
    ]


def test_a_tool_that_takes_nothing_is_called_with_an_empty_object():
    call = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    assert told(start(), *block(call, piece("input_json_delta", partial_json="")), stopped("tool_use"), END)[
        "content"
    ] == [call]


def test_a_number_beyond_64_bits_is_passed_on_whole():
    call = {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"wei": 123456789012345678901234567890}}
    wanted = {**MESSAGE, "content": [call]}
    stream = MESSAGES.frames(in_full(wanted), BODY)
    assert b"123456789012345678901234567890" in stream
    assert plain(stream) == wanted


def test_blocks_that_take_turns_are_told_apart():
    answer = told(
        start(), opened(TEXT, 0), opened(TEXT, 1), piece("text_delta", 1, text="b"), piece("text_delta", 0, text="a"),
        closed(1), closed(0), stopped(), END,
    )  # fmt: skip
    assert [one["text"] for one in answer["content"]] == ["a", "b"]


def test_counts_are_totals_and_a_null_says_nothing():
    usage = {"input_tokens": 10, "cache_read_input_tokens": 4, "service_tier": "standard", "output_tokens": 1}
    late = {"input_tokens": 12, "cache_read_input_tokens": None, "output_tokens": 5, "server_tool_use": {"n": 1}}
    answer = told(start(usage=usage), *HELLO, stopped(usage=late), END)
    assert answer["usage"] == {**usage, "input_tokens": 12, "output_tokens": 5, "server_tool_use": {"n": 1}}


def test_what_was_edited_out_of_the_context_is_told_at_the_end():
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 8}]}
    answer = told(start(), *HELLO, stopped(context_management=edits), END)
    assert answer["context_management"] == edits
    assert read(MESSAGES.frames(in_full(answer), BODY))[-2]["context_management"] == edits


@pytest.mark.parametrize(
    "after",
    [b"data: [DONE]\n\n", b"data: [DONE]", b"data:[DONE]\n", b"data: [DO", b"\n\n", b": bye\n\n", sse(PING)],
)
def test_what_comes_after_the_end_and_says_nothing_is_not_kept(after):
    stream = sse(start(), *HELLO, stopped(), END)
    assert MESSAGES.complete(stream + after)
    assert MESSAGES.assemble(stream + after, len(stream)) == MESSAGES.assemble(stream, ROOM)


def test_events_without_a_name_are_told_by_their_type():
    stream = sse(start(), *HELLO, stopped(), END)
    nameless = b"\n".join(line for line in stream.split(b"\n") if not line.startswith(b"event:"))
    assert plain(nameless) == MESSAGE


@pytest.mark.parametrize("content", [[], [TEXT], [TEXT, TEXT]])
def test_a_stream_that_says_nothing(content):
    inner = [event for n, one in enumerate(content) for event in (opened(one, n), closed(n))]
    stream = sse(start(), *inner, stopped(), END)
    assert MESSAGES.complete(stream)
    assert MESSAGES.assemble(stream, ROOM) is None
