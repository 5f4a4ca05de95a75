"""Streams of the route as they come: whole ones, broken ones, and those of which only a guess would make an answer."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.endpoint import Malformed, Uncertain
from askonce.calls.responses import RESPONSES
from askonce.core.entry import JSON, SSE, Usage
from tests.calls.answers import quick
from tests.calls.chunks import ROOM
from tests.calls.responses import USAGE, answer, call, hello, message, spoken, sse, streamed, text, told

BODY = {"model": "m", "input": "Hi", "stream": True}
WHOLE = streamed(hello())
EVENTS = list(told(hello()))
DONE = b"data: [DONE]\n\n"


@quick
@given(spoken)
def test_a_stream_is_kept_to_the_byte_and_tells_the_plain_answer(one):
    stream = streamed(one)
    assert RESPONSES.terminal in stream
    assert RESPONSES.complete(stream)
    kept = RESPONSES.assemble(stream, len(stream))
    assert (kept.payload, kept.media_type) == (stream, SSE)
    assert kept.usage == (Usage() if one["usage"] is None else Usage(10, 5))
    assert RESPONSES.frames(kept, BODY) is kept.payload
    payload, media_type = RESPONSES.combine(BODY, [kept])
    assert (orjson.loads(payload), media_type) == (one, JSON)
    assert RESPONSES.combine(BODY, [kept])[0] == payload


@quick
@given(spoken)
def test_a_stream_without_room_is_kept_as_the_plain_answer(one):
    stream = streamed(one)
    kept = RESPONSES.assemble(stream, len(stream) - 1)
    assert kept.media_type == JSON
    assert orjson.loads(kept.payload) == one
    assert kept.usage == RESPONSES.assemble(stream, ROOM).usage
    assert kept.payload == RESPONSES.combine(BODY, [RESPONSES.assemble(stream, ROOM)])[0]


def test_a_stream_that_is_cut_at_any_byte_is_not_complete():
    for at in range(len(WHOLE)):
        assert not RESPONSES.complete(WHOLE[:at])
    assert RESPONSES.complete(WHOLE)


@quick
@given(spoken, st.data())
def test_any_stream_that_is_cut_is_not_complete(one, data):
    stream = streamed(one)
    cut = stream[: data.draw(st.integers(0, len(stream) - 1))]
    assert not RESPONSES.complete(cut)
    with pytest.raises(Malformed):
        RESPONSES.assemble(cut, ROOM)


@pytest.mark.parametrize(
    "done", [DONE, b"data:[DONE]\n\n", b"data: [DONE]", b"data: [DONE]\r\n", b"\n: bye\n\n" + DONE]
)
def test_what_compatible_servers_add_after_the_end_is_no_part_of_it(done):
    for at in range(len(done) + 1) if b": bye" not in done else (0, 1, len(done)):
        stream = WHOLE + done[:at]
        assert RESPONSES.complete(stream), done[:at]
        assert RESPONSES.assemble(stream, len(WHOLE)).payload == WHOLE


@pytest.mark.parametrize(
    "as_sent",
    [
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + WHOLE,
        b": ping\n\n" + WHOLE.replace(b"\n\n", b"\n\n: ping\n\n", 3),
        b"".join(line + b"\n" for line in WHOLE.split(b"\n")[:-1] if not line.startswith(b"event:")),
        WHOLE.replace(b'{"type"', b'{\ndata:"type"'),
        WHOLE.replace(b"event: ", b"id: 1\nretry: 5\nevent:"),
    ],
    ids=["CR LF", "CR", "byte order mark", "pings", "no names", "data in two lines", "other fields"],
)
def test_however_a_stream_is_written_it_is_read_alike(as_sent):
    # A lone CR at the end of all may be half of a CR LF.
    stream = as_sent + b"\n" if as_sent.endswith(b"\r") else as_sent
    assert RESPONSES.complete(stream)
    kept = RESPONSES.assemble(stream, ROOM)
    assert kept.payload == stream
    assert orjson.loads(RESPONSES.combine(BODY, [kept])[0]) == hello()


def test_events_that_nobody_has_heard_of_are_passed_on():
    stream = sse(*EVENTS[:4], {"type": "response.unheard.of", "x": [1]}, *EVENTS[4:])
    assert RESPONSES.assemble(stream, ROOM).payload == stream
    odd = sse(*EVENTS[:4]) + b'data: {"type":["x"],"output_index":{}}\n\n' + sse(*EVENTS[4:])
    assert RESPONSES.assemble(odd, ROOM).payload == odd
    nameless = WHOLE.replace(b'"type":"response.in_progress",', b"")
    assert RESPONSES.assemble(nameless, ROOM).payload == nameless


ERROR = {"type": "error", "code": "server_error", "message": "overloaded", "param": None}
FAILED = {"type": "response.failed", "response": answer(status="failed", error={"code": "x", "message": "y"})}
CUT_SHORT = {"type": "response.incomplete", "response": hello(status="incomplete")}
COMPLETED = EVENTS[-1]


def ended(response):
    return sse(*EVENTS[:-1], {"type": "response.completed", "response": response})


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b": ping\n\n",
        DONE,
        sse(*EVENTS[:-1]),
        sse(*EVENTS[:-1]) + DONE,
        sse(*EVENTS[:-1], ERROR),
        sse(*EVENTS[:5], ERROR, *EVENTS[5:]),
        WHOLE.replace(b"event: ", b"x: ").replace(b'"type":"response.in_progress"', b'"type":"error"'),
        sse(*EVENTS[:5], FAILED),
        sse(*EVENTS[:-1], FAILED, COMPLETED),
        sse(*EVENTS[:-1], CUT_SHORT),
        sse(*EVENTS[:-1], CUT_SHORT, COMPLETED),
        WHOLE + sse(ERROR),
        WHOLE + sse(EVENTS[5]),
        WHOLE + sse(COMPLETED),
        WHOLE + DONE + sse(EVENTS[5]),
        WHOLE + b"event: error",
        WHOLE + b"data: [DONE],",
        sse(*EVENTS[:5]) + DONE + sse(*EVENTS[5:]),
        sse(*EVENTS[:5]) + b'data: {"error":{"message":"overloaded"}}\n\n' + sse(*EVENTS[5:]),
        sse(*EVENTS[:5]) + b'event: error\ndata: {"message":"overloaded"}\n\n' + sse(*EVENTS[5:]),
        sse(*EVENTS[:5]) + b"data: not json\n\n" + sse(*EVENTS[5:]),
        sse(*EVENTS[:5]) + b"data: [1]\n\n" + sse(*EVENTS[5:]),
        sse(*EVENTS[:5]) + b'data: {"type":"response.output_text.del\n\n' + sse(*EVENTS[5:]),
        *(ended(response) for response in (None, [], "whole", {}, {"status": "completed"})),
        *(ended(hello(status=status)) for status in ("in_progress", "failed", "incomplete", "cancelled", "queued")),
        ended(hello(error={"code": "server_error", "message": "no"})),
        ended(hello(output=None)),
        ended(hello(output=["Hello"])),
        b'data: {"object":"chat.completion.chunk","choices":[]}\n\n' + DONE,
    ],
)
def test_a_stream_without_a_whole_answer_at_its_end_is_not_complete(stream):
    assert not RESPONSES.complete(stream)
    with pytest.raises(Malformed):
        RESPONSES.assemble(stream, ROOM)


def test_a_whole_answer_without_words_is_nothing_to_keep():
    silent = streamed(answer())
    assert RESPONSES.complete(silent)
    assert RESPONSES.assemble(silent, ROOM) is None
    assert RESPONSES.assemble(ended(answer()), ROOM) is None, "words before the end that the end has not"


@pytest.mark.parametrize(
    "last",
    [
        answer(message(text("o"))),
        answer(message(text("Hello!"))),
        answer(call()),
        answer(message(text("Hel")), message(text("o"))),
    ],
)
def test_an_end_that_says_something_else_than_the_stream_did_is_uncertain(last):
    stream = ended(last)
    assert RESPONSES.complete(stream)
    with pytest.raises(Uncertain):
        RESPONSES.assemble(stream, ROOM)


def test_an_end_with_other_arguments_than_the_stream_had_is_uncertain():
    events = list(told(answer(call())))
    other = {"type": "response.completed", "response": answer(call("{}"))}
    with pytest.raises(Uncertain):
        RESPONSES.assemble(sse(*events[:-1], other), ROOM)


def test_a_stream_without_any_deltas_is_what_its_end_says():
    stream = sse(*(event for event in EVENTS if "delta" not in event))
    assert RESPONSES.assemble(stream, ROOM).payload == stream


def test_items_that_take_turns_are_joined_each_by_itself():
    two = answer(message(text("ab")), message(text("cd"), text("ef"), id="msg_2"), usage=USAGE)
    events = list(told(two))
    deltas = [event for event in events if event["type"].endswith("output_text.delta")]
    rest = [event for event in events if event not in deltas]
    stream = sse(*rest[:-1], *deltas[4:], *deltas[:4:2], *deltas[1:4:2], rest[-1])
    assert RESPONSES.assemble(stream, ROOM).payload == stream


@pytest.mark.parametrize("numbered", [slice(0, 0), slice(6, None)], ids=["none", "some"])
def test_deltas_without_numbers_are_joined_as_they_came(numbered):
    events = list(told(hello()))
    bare = [{name: event[name] for name in event if not name.endswith("_index")} for event in events]
    bare[numbered] = events[numbered]
    deltas = [event for event in bare if "delta" in event]
    assert sum("output_index" in event for event in deltas) == (3 if numbered.start else 0)
    assert RESPONSES.assemble(sse(*bare), ROOM).media_type == SSE


def test_nesting_that_cannot_be_written_is_malformed():
    deep = b'data: {"type":"x","y":' + b"[" * 300 + b"]" * 300 + b"}\n\n"
    assert not RESPONSES.complete(deep + WHOLE)
