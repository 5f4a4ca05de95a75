"""Streams that are no answer, and streams that only a guess would make one."""

import orjson
import pytest

from askonce.calls.chat import CHAT
from askonce.calls.endpoint import Malformed, Uncertain, Unfinished
from askonce.calls.text import TEXT
from askonce.core.entry import JSON, SSE, Usage
from tests.calls.answers import sse
from tests.calls.chunks import HEAD, ROOM, USAGE, assembled, chunk, message, total


def test_azure_that_changes_its_mind_on_severity_is_uncertain():
    def judged(text, severity):
        choice = {"index": 0, "delta": {"content": text}, "content_filter_results": {"hate": {"severity": severity}}}
        return {**HEAD, "choices": [choice]}

    with pytest.raises(Uncertain, match="severity"):
        assembled(judged("a", "safe"), judged("b", "low"), chunk({}, "stop"), total())


def test_groq_with_two_request_ids_is_uncertain():
    with pytest.raises(Uncertain, match="x_groq: id"):
        assembled(chunk({"content": "Hi"}, x_groq={"id": "req_1"}), chunk({}, "stop", x_groq={"id": "req_2"}), total())


def test_usage_that_shrinks_is_uncertain():
    less = {**USAGE, "completion_tokens": 1}
    with pytest.raises(Uncertain, match="usage"):
        assembled(chunk({"content": "a"}, usage=USAGE), chunk({}, "stop", usage=less))


def test_two_calls_under_one_index_are_uncertain():
    def call(name):
        return chunk({"tool_calls": [{"index": 0, "id": name, "function": {"name": "f", "arguments": "{}"}}]})

    with pytest.raises(Uncertain, match="tool_calls: id"):
        assembled(call("a"), call("b"), chunk({}, "tool_calls"), total())


def test_calls_without_index_are_taken_whole_or_not_at_all():
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert message(chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), total())["tool_calls"] == [call]
    other = {**call, "id": "b"}
    with pytest.raises(Uncertain, match="tool_calls"):
        assembled(chunk({"tool_calls": [call]}), chunk({"tool_calls": [other]}), chunk({}, "stop"), total())


def test_thinking_blocks_in_fragments_are_uncertain():
    def block(text):
        return chunk({"thinking_blocks": [{"type": "thinking", "thinking": text}]})

    with pytest.raises(Uncertain, match="thinking_blocks"):
        assembled(block("a"), block("b"), chunk({"content": "x"}, "stop"), total())


def test_a_whole_message_in_a_stream_is_uncertain():
    choice = {"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}, "finish_reason": "stop"}
    with pytest.raises(Uncertain, match="message"):
        assembled({**HEAD, "choices": [choice]}, total())


def test_chunks_of_two_answers_are_uncertain():
    with pytest.raises(Uncertain, match="id"):
        assembled(chunk({"content": "a"}), chunk({}, "stop", head={**HEAD, "id": "chatcmpl-2"}), total())


@pytest.mark.parametrize(
    "broken",
    [
        {"error": {"message": "overloaded"}},
        chunk({"content": ""}, "error"),
        {**HEAD, "choices": [{"index": 0, "delta": {}, "error": {"code": 502}, "finish_reason": None}]},
        {**HEAD, "choices": [1]},
    ],
)
def test_a_stream_with_an_error_is_never_an_answer(broken):
    stream = sse(chunk({"content": "half"}), broken, chunk({}, "stop"), total())
    with pytest.raises((Malformed, Uncertain)):
        CHAT.assemble(stream, ROOM)


def test_a_stream_that_ends_in_an_error_is_not_complete():
    assert not CHAT.complete(sse(chunk({"content": "half"}, "stop"), {"error": {"message": "overloaded"}}))
    assert not CHAT.complete(sse(chunk({"content": "half"}, "stop"), done=False) + b'event: error\ndata: {"x":1}\n\n')
    assert not CHAT.complete(
        sse(chunk({"content": "half"}, "stop"), done=False) + b"data: not json\n\ndata: [DONE]\n\n"
    )
    assert not CHAT.complete(sse(chunk({"content": "half"}, "stop")) + sse(chunk({"content": "more"}, "stop")))
    assert not CHAT.complete(b"")
    assert not CHAT.complete(b": ping\n\n")


def test_unknown_kinds_of_events_are_uncertain():
    stream = b'event: ping\ndata: {"type":"ping"}\n\n' + sse(chunk({"content": "a"}, "stop"), total())
    with pytest.raises(Uncertain):
        CHAT.assemble(stream, ROOM)


@pytest.mark.parametrize(
    "chunks",
    [
        [total()],
        [{**HEAD, "choices": [], "usage": None}],
        [chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), total()],
    ],
)
def test_a_stream_that_says_nothing(chunks):
    assert CHAT.assemble(sse(*chunks), ROOM) is None


def test_a_stream_that_the_filter_emptied_is_an_answer():
    answer = assembled(chunk({"role": "assistant", "content": ""}), chunk({}, "content_filter"), total())
    assert answer.media_type == JSON


def test_a_stream_without_usage_is_kept_as_it_is():
    stream = sse(chunk({"content": "a"}), chunk({}, "stop"))
    answer = CHAT.assemble(stream, ROOM)
    assert (answer.payload, answer.media_type, answer.usage) == (stream, SSE, Usage())


def test_a_chat_stream_on_the_text_route_is_malformed():
    with pytest.raises(Malformed):
        assembled(chunk({"content": "a"}, "stop"), total(), endpoint=TEXT)


def test_nesting_that_cannot_be_written_is_malformed():
    deep = (
        b'{"choices":[{"index":0,"delta":{"content":"a","x":' + b"[" * 300 + b"]" * 300 + b'},"finish_reason":"stop"}]}'
    )
    with pytest.raises(Malformed):
        CHAT.assemble(b"data: " + deep + b"\n\ndata: [DONE]\n\n", ROOM)


def test_nesting_that_can_just_be_written_is_joined():
    def deep(leaf):
        value = leaf
        for _ in range(240):
            value = {"a": value}
        return value

    one = chunk({"content": "a"}, x=deep({"b": 1}))
    other = chunk({}, "stop", x=deep({"c": 2}))
    assert orjson.loads(assembled(one, other, total()).payload)["x"] == deep({"b": 1, "c": 2})


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "abort"])
def test_a_choice_that_a_server_gave_up_is_not_whole(finish):
    with pytest.raises(Unfinished):
        CHAT.assemble(sse(chunk({"role": "assistant", "content": "half"}), chunk({}, finish), total()), ROOM)
