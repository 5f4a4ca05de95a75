"""Streams of messages that leave a doubt: none becomes an answer by a guess."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.endpoint import Malformed, Uncertain
from askonce.calls.messages import MESSAGES
from askonce.core.entry import JSON
from tests.calls.answers import quick
from tests.calls.chunks import ROOM
from tests.calls.messages_told import (
    END,
    HELLO,
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
    values,
)

CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
SAID = piece("text_delta", text="a")


def input_of(text):
    return piece("input_json_delta", partial_json=text)


def around(*events):
    return sse(start(), *events, stopped(), END)


UNCERTAIN = {
    "an unknown kind of delta": around(*block(TEXT, piece("video_delta", data="a"))),
    "a delta without a kind": around(*block(TEXT, {"type": "content_block_delta", "index": 0, "delta": {}})),
    "a kind that is no text": around(*block(TEXT, piece(["text_delta"], text="a"))),
    "a delta for another kind of block": around(*block(CALL, SAID)),
    "a delta for a block without a kind": around(*block({}, SAID)),
    "a delta that says more": around(*block(TEXT, piece("text_delta", text="a", logprobs=[1]))),
    "input for a block that takes none": around(*block({"type": "web_search_tool_result"}, input_of("{}"))),
    "a block out of turn": around(opened(TEXT, 1), closed(1)),
    "the same block twice": around(*HELLO, *HELLO),
    "a block whose index is no number": around(opened(TEXT, "0"), closed("0")),
    "a block whose index is a truth": around(opened(TEXT, False), closed(False)),
    "a piece of a block to come": around(*HELLO, piece("text_delta", 1, text="a")),
    "a piece of the last block from behind": around(*HELLO, piece("text_delta", -1, text="a")),
    "a piece of a block that is over": around(*HELLO, SAID),
    "a piece of no block": around(*HELLO, {"type": "content_block_delta", "delta": {"type": "text_delta"}}),
    "two signatures": around(*block(THOUGHT, *(piece("signature_delta", signature=one) for one in "ab"))),
    "a tool's input twice": around(*block({**CALL, "input": {"a": 1}}, input_of('{"b":2}'))),
    "content before the first block": sse(start(content=[{"type": "text", "text": "a"}]), *HELLO, stopped(), END),
    "two reasons": around(*HELLO, stopped("max_tokens")),
    "another id at the end": around(*HELLO, {"type": "message_delta", "delta": {"id": "msg_2"}, "usage": {}}),
    "an unknown kind of event": around(*HELLO, {"type": "message_moderated"}),
    "a second message": around(*HELLO, start()),
    "an end before the end": around(*HELLO, {"type": "message_delta", "delta": {}, "verdict": "safe"}),
    "no usage": sse(start(usage=None), *HELLO, stopped(usage=None), END),
    "a prompt that was not counted": sse(start(usage={}), *HELLO, stopped(), END),
    "a count that is no number": sse(start(), *HELLO, stopped(usage={"output_tokens": "5"}), END),
}

MALFORMED = {
    "a tool's input that is no JSON": around(*block(CALL, input_of('{"city": Rome}'))),
    "a tool's input that is cut off": around(*block(CALL, input_of('{"city": "Ro'))),
    "a tool's input with more behind it": around(*block(CALL, input_of("{}"), input_of("{}"))),
    "a tool's input that is a list": around(*block(CALL, input_of("[1]"))),
    "a tool's input that is no number": around(*block(CALL, input_of('{"a": NaN}'))),
    "a tool's input beyond all doubles": around(*block(CALL, input_of('{"a": 1e400}'))),
    "a tool's input nested too deeply": around(*block(CALL, input_of('{"a":' + "[" * 300 + "]" * 300 + "}"))),
    "a tool's input nested more deeply than can be read": around(*block(CALL, input_of('{"a":' + "[" * 2000))),
    "text that is none": around(*block(TEXT, piece("text_delta", text=1))),
    "text that is missing": around(*block(TEXT, piece("text_delta"))),
    "a citation that is none": around(*block(TEXT, piece("citations_delta", citation="a"))),
    "citations that are none": around(*block({**TEXT, "citations": "a"}, piece("citations_delta", citation={}))),
    "a piece without a delta": around(*block(TEXT, {"type": "content_block_delta", "index": 0, "delta": "a"})),
    "a block that is no object": around(opened("text"), closed()),
    "a start without a message": sse({"type": "message_start"}, *HELLO, stopped(), END),
    "a message that is none": sse(start(type="completion"), *HELLO, stopped(), END),
    "a message_delta without a delta": around(*HELLO, {"type": "message_delta", "usage": {}}),
    "usage that is a word at the start": sse(start(usage="5"), *HELLO, stopped(), END),
    "usage that is no object": around(*HELLO, {"type": "message_delta", "delta": {}, "usage": [1]}),
    "a reason that is no text": sse(start(), *HELLO, stopped(1), END),
}


@pytest.mark.parametrize("stream", UNCERTAIN.values(), ids=UNCERTAIN)
def test_a_doubt_is_uncertain(stream):
    with pytest.raises(Uncertain):
        MESSAGES.assemble(stream, ROOM)


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
def test_what_the_api_does_not_say_is_malformed(stream):
    with pytest.raises(Malformed):
        MESSAGES.assemble(stream, ROOM)


@pytest.mark.parametrize("stream", [UNCERTAIN["an unknown kind of delta"], MALFORMED["a tool's input that is no JSON"]])
def test_a_stream_may_be_complete_and_yet_in_doubt(stream):
    assert MESSAGES.complete(stream)


FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
NOT_WHOLE = {
    "nothing": b"",
    "a comment": b": hello\n\n",
    "no start": sse(*HELLO, stopped(), END),
    "no stop": sse(start(), *HELLO, stopped()),
    "no reason": sse(start(), *HELLO, END),
    "a reason that says nothing": sse(start(), *HELLO, stopped(None), END),
    "a reason in the start only": sse(start(stop_reason="end_turn"), *HELLO, END),
    "a block that is open": sse(start(), *HELLO[:-1], stopped(), END),
    "a block that ends twice": sse(start(), *HELLO, closed(), stopped(), END),
    "a block that was never begun": sse(start(), *HELLO, closed(1), stopped(), END),
    "an error": sse(start(), *HELLO[:2], FAILED),
    "an error before the end": sse(start(), *HELLO, FAILED, stopped(), END),
    "an error after the end": sse(start(), *HELLO, stopped(), END, FAILED),
    "an error by its name": sse(start(), *HELLO) + b'event: error\ndata: {"type":"x"}\n\n' + sse(stopped(), END),
    "an error by its type": sse(start(), *HELLO) + b'data: {"type":"error"}\n\n' + sse(stopped(), END),
    "a delta after the end": sse(start(), *HELLO, stopped(), END, SAID),
    "a second answer": 2 * sse(start(), *HELLO, stopped(), END),
    "a [DONE] before the end": sse(start(), *HELLO, stopped()) + b"data: [DONE]\n\n" + sse(END),
    "a broken event": sse(start(), *HELLO, stopped()) + b'event: ping\ndata: {"type"\n\n' + sse(END),
    "an event that is no object": sse(start(), *HELLO, stopped()) + b"data: []\n\n" + sse(END),
    "an event without a type": sse(start(), *HELLO, stopped()) + b"data: {}\n\n" + sse(END),
    "an event of two names": sse(start(), *HELLO, stopped()) + b'event: ping\ndata: {"type":"message_stop"}\n\n',
    "the word of the end in the text": sse(start(), *block(TEXT, piece("text_delta", text="message_stop"))),
    "another API's stream": b"data: " + orjson.dumps({"choices": []}) + b"\n\ndata: [DONE]\n\n",
    "the end, and a broken piece": sse(start(), *HELLO, stopped(), END) + b"event: err",
}


@pytest.mark.parametrize("stream", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_whole_is_neither_complete_nor_an_answer(stream):
    assert not MESSAGES.complete(stream)
    with pytest.raises((Malformed, Uncertain)):
        MESSAGES.assemble(stream, ROOM)


def spoil(holder, draw):
    """Something in it becomes something else."""
    while True:
        at = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[at], dict | list) or not holder[at] or draw(st.booleans()):
            holder[at] = draw(values)
            return
        holder = holder[at]


@quick
@given(messages, st.data())
def test_whatever_stands_in_an_event_it_is_an_answer_or_a_doubt(message, data):
    events = json.loads(json.dumps(list(letters(message))))
    spoil(events, data.draw)
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    complete = MESSAGES.complete(stream)
    try:
        kept = MESSAGES.assemble(stream, 0)
    except (Malformed, Uncertain):
        return
    assert complete
    if kept is not None:
        again = MESSAGES.assemble(MESSAGES.frames(kept, {}), 0)
        assert json.loads(again.payload) == json.loads(kept.payload)


@quick
@given(messages, st.data())
def test_whatever_stands_in_an_answer_it_can_be_streamed_or_is_not_kept(message, data):
    answer = json.loads(json.dumps(message))
    spoil(answer, data.draw)
    try:
        kept = MESSAGES.answers({}, json.dumps(answer).encode(), JSON)
    except (Malformed, Uncertain):
        return
    for one in kept:
        assert MESSAGES.complete(MESSAGES.frames(one, {}))
