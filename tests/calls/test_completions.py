"""What chat and text completions have in common: answers that survive being streamed, however the stream is cut."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.chat import CHAT
from askonce.calls.endpoint import Answer
from askonce.calls.text import TEXT
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.sse import SseParser
from tests.calls.answers import chat_answers, chat_pieces, quick, sse, streamed, text_answers, text_pieces
from tests.calls.chunks import ROOM

ASKED = {"stream": True, "stream_options": {"include_usage": True}}
NOT_ASKED = {"stream": True}
KINDS = {
    "chat": (CHAT, "chat.completion.chunk", chat_pieces),
    "text": (TEXT, "text_completion", text_pieces),
}
either = st.tuples(st.just("chat"), chat_answers) | st.tuples(st.just("text"), text_answers)


def kept(answer):
    usage = answer["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    counts = Usage(usage["prompt_tokens"], usage["completion_tokens"], min(cached, usage["prompt_tokens"]))
    return Answer(orjson.dumps(answer), JSON, counts)


def same(one, other):
    """Equal as JSON, where true is not 1."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def chunks_of(stream):
    return [orjson.loads(event.data) for event in SseParser().feed(stream) if event.data != b"[DONE]"]


@quick
@given(either)
def test_an_answer_survives_its_own_frames(drawn):
    kind, answer = drawn
    endpoint = KINDS[kind][0]
    stream = endpoint.frames(kept(answer), ASKED)
    assert endpoint.complete(stream)
    again = endpoint.assemble(stream, ROOM)
    assert same(orjson.loads(again.payload), answer)
    assert (again.media_type, again.usage) == (JSON, kept(answer).usage)
    assert endpoint.frames(again, ASKED).count(b"data: ") == stream.count(b"data: ")


@quick
@given(either, st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_a_stream_is_the_answer_whatever_its_pieces(drawn, order):
    kind, answer = drawn
    endpoint, name, pieces = KINDS[kind]
    stream = sse(*streamed(answer, name, pieces, order))
    assert endpoint.complete(stream)
    assembled = endpoint.assemble(stream, ROOM)
    assert same(orjson.loads(assembled.payload), answer)


@quick
@given(either)
def test_who_did_not_ask_for_usage_gets_none(drawn):
    kind, answer = drawn
    endpoint = KINDS[kind][0]
    stream = endpoint.frames(kept(answer), NOT_ASKED)
    assert stream.endswith(b"data: [DONE]\n\n")
    assert all("usage" not in chunk and len(chunk["choices"]) == 1 for chunk in chunks_of(stream))
    again = endpoint.assemble(stream, ROOM)
    assert again == Answer(stream, SSE, Usage())
    assert endpoint.frames(again, NOT_ASKED) == endpoint.frames(again, ASKED) == stream


@quick
@given(either)
def test_the_withheld_event_is_the_only_difference(drawn):
    kind, answer = drawn
    endpoint, name, pieces = KINDS[kind]
    stream = sse(*streamed(answer, name, pieces, [0]))
    events = SseParser().feed(stream)
    withheld = [event for event in events if endpoint.only_usage(event.data)]
    assert withheld == events[-2:-1]


@quick
@given(either, st.data())
def test_a_stream_cut_before_its_usage_is_not_complete(drawn, data):
    kind, answer = drawn
    endpoint = KINDS[kind][0]
    stream = endpoint.frames(kept(answer), ASKED)
    without_done = stream.removesuffix(b"data: [DONE]\n\n")
    assert endpoint.complete(without_done)
    assert endpoint.assemble(without_done, ROOM) == endpoint.assemble(stream, ROOM)
    assert not endpoint.complete(without_done[: data.draw(st.integers(0, len(without_done) - 1))])


@quick
@given(either)
def test_an_unfinished_choice_is_not_complete_whatever_follows(drawn):
    kind, answer = drawn
    endpoint = KINDS[kind][0]
    unfinished = {**answer, "choices": [*answer["choices"][:-1], {**answer["choices"][-1], "finish_reason": None}]}
    assert not endpoint.complete(endpoint.frames(kept(unfinished), ASKED))


@quick
@given(either)
def test_line_endings_and_comments_mean_nothing(drawn):
    kind, answer = drawn
    endpoint, name, pieces = KINDS[kind]
    stream = sse(*streamed(answer, name, pieces, [0]))
    whole = endpoint.assemble(stream, ROOM)
    for other in (
        stream.replace(b"\n", b"\r\n"),
        stream.replace(b"\n", b"\r") + b"\r",
        b"\xef\xbb\xbf" + stream,
        b": OPENROUTER PROCESSING\n\n" + stream.replace(b"\n\n", b"\n\n: ping\n\n"),
        stream.replace(b"data: ", b"data:"),
        stream.removesuffix(b"\n"),
        stream.removesuffix(b"\n\n"),
    ):
        assert endpoint.complete(other)
        assert endpoint.assemble(other, ROOM) == whole


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
def test_a_saved_blank_line_is_put_back_where_the_stream_itself_is_kept(endpoint):
    choice = {"delta": {"content": "hi"}, "text": "hi", "index": 0, "finish_reason": "stop"}
    stream = sse({"choices": [choice]})
    assert endpoint.assemble(stream.removesuffix(b"\n\n"), ROOM) == Answer(stream, SSE, Usage())


@pytest.mark.parametrize("endpoint", [CHAT, TEXT])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stream_options": None},
        {"stream_options": {}},
        {"stream_options": {"include_usage": False, "include_obfuscation": False}},
        {"stream_options": {"include_usage": None}},
    ],
)
def test_usage_is_asked_for_beside_all_else(endpoint, body):
    before = orjson.dumps(body)
    asking = endpoint.with_usage(body)
    assert asking["stream_options"] == {**(body.get("stream_options") or {}), "include_usage": True}
    assert orjson.dumps(body) == before
    assert endpoint.with_usage(asking) is asking


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"choices":[],"usage":{"total_tokens":1}}', True),
        (b'{"choices": [], "usage": {"total_tokens": 1}}', True),
        (b'{"choices":[],"usage":null}', False),
        (b'{"choices":[],"prompt_filter_results":[]}', False),
        (b'{"choices":[{"delta":{"content":"[]"}}],"usage":{"total_tokens":1}}', False),
        (b'{"choices":[{"delta":{"content":"\\"usage\\" []"}}]}', False),
        (b"[DONE]", False),
        (b'[] "usage"', False),
        (b'["usage", []]', False),
        (b"", False),
    ],
)
def test_only_usage(data, expected):
    assert CHAT.only_usage(data) is expected


def test_the_endpoints_stream_only_when_asked():
    assert CHAT.streamed({"stream": True})
    assert not CHAT.streamed({"stream": False})
    assert not CHAT.streamed({"stream": None})
    assert not CHAT.streamed({})


def test_one_request_is_one_part():
    body = {"model": "m"}
    assert CHAT.parts(body) == [body]
    assert CHAT.narrow(body, [0]) is body
    answer = Answer(b"{}", JSON, Usage())
    assert CHAT.combine(body, [answer]) == (b"{}", JSON)
