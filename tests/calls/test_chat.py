import orjson
import pytest
from openai.types.chat import ChatCompletionChunk

from askonce.calls.chat import CHAT
from askonce.calls.endpoint import Answer, Malformed
from askonce.core.entry import JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.sse import SseParser
from tests.calls.chunks import ROOM

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 4}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": []}, "stream_options"),
    ],
)
def test_what_would_make_us_fail_is_refused_by_name(change, param):
    with pytest.raises(RequestError) as caught:
        CHAT.check({**BODY, **change})
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    "change", [{}, {"stream": None}, {"stream": True, "stream_options": None}, {"n": "many"}, {"messages": [{}]}]
)
def test_all_else_is_the_providers_to_judge(change):
    CHAT.check({**BODY, **change})


def answer(*choices, **members):
    return orjson.dumps({"id": "x", "object": "chat.completion", "choices": list(choices), **members})


def choice(message, finish_reason="stop", **members):
    return {"index": 0, "message": message, "finish_reason": finish_reason, **members}


SAYING = [
    {"content": "hi"},
    {"content": None, "tool_calls": [{"id": "1"}]},
    {"content": "", "refusal": "no"},
    {"function_call": {"name": "f", "arguments": "{}"}},
    {"content": "", "reasoning_content": "hm"},
    {"content": None, "audio": {"id": "a"}},
    {"content": [{"type": "text", "text": "hi"}]},
]


@pytest.mark.parametrize("message", SAYING)
def test_an_answer_is_kept_to_the_byte(message):
    payload = b" " + answer(choice(message), usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})
    assert CHAT.answers(BODY, payload, JSON) == [Answer(payload, JSON, Usage(3, 4))]


def test_one_choice_that_speaks_is_enough():
    assert CHAT.answers(BODY, answer(choice({"content": ""}), choice({"content": "hi"})), JSON)


def test_an_answer_that_the_filter_emptied_is_an_answer():
    assert CHAT.answers(BODY, answer(choice({"content": ""}, "content_filter")), JSON)


@pytest.mark.parametrize(
    "payload",
    [
        answer(),
        answer(choice({"content": ""})),
        answer(choice({"content": None, "tool_calls": [], "refusal": None, "audio": None})),
        answer(choice({"role": "assistant"}), choice({"annotations": [], "content": ""})),
    ],
)
def test_nothing_said_is_nothing_to_keep(payload):
    assert CHAT.answers(BODY, payload, JSON) == []


DEEP = b"[" * 300 + b"]" * 300


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"choices":null}',
        b"{}",
        b'{"choices":"x"}',
        b'{"choices":{}}',
        b'{"choices":1}',
        b'{"choices":[1]}',
        b'{"choices":[{"finish_reason":"stop"}]}',
        b'{"choices":[{"message":"hi"}]}',
        b'{"error":{"message":"no"}}',
        b'{"error":{"message":"no"},"choices":[{"message":{"content":"x"}}]}',
        answer(choice({"content": "half"}, "error")),
        answer(choice({"content": "half"}, error={"code": 502})),
        b'{"choices":[{"message":{"content":"x","deep":%s}}]}' % DEEP,
        b'{"choices":[{"message":{"content":"\xff"}}]}',
    ],
)
def test_what_is_no_answer_is_malformed(payload):
    with pytest.raises(Malformed):
        CHAT.answers(BODY, payload, JSON)


@pytest.mark.parametrize(
    "usage", [None, {}, [], "x", {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 1.5}]
)
def test_tokens_that_are_no_counts_are_none(usage):
    assert CHAT.answers(BODY, answer(choice({"content": "hi"}), usage=usage), JSON)[0].usage == Usage()


FULL = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello",
                "refusal": None,
                "annotations": [],
                "reasoning_content": "Let me see",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            "logprobs": {
                "content": [{"token": "Hello", "logprob": -0.1, "bytes": None, "top_logprobs": []}],
                "refusal": None,
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def frames(asked):
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}} if asked else {**BODY, "stream": True}
    stream = CHAT.frames(Answer(orjson.dumps(FULL), JSON, Usage(1, 2)), body)
    events = [event.data for event in SseParser().feed(stream)]
    assert events[-1] == b"[DONE]"
    return [orjson.loads(data) for data in events[:-1]]


def test_frames_come_in_openais_order():
    chunks = frames(asked=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    assert deltas[1] == {"reasoning_content": "Let me see"}
    assert deltas[2] == {"content": "Hello"}
    assert [call["index"] for call in deltas[3]["tool_calls"]] == [0, 1]
    assert deltas[4] == {}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, None, None, "tool_calls"]
    assert [chunk["choices"][0]["logprobs"] is None for chunk in chunks[:-1]] == [True, True, False, True, True]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], FULL["usage"])
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_frames_are_chunks_as_openais_library_knows_them():
    for chunk in frames(asked=True) + frames(asked=False):
        read = ChatCompletionChunk.model_validate(chunk, strict=True)
        assert (read.id, read.created, read.system_fingerprint) == ("chatcmpl-1", 1700000000, "fp_1")
        assert read.object == "chat.completion.chunk"


def test_members_keep_their_natural_order():
    stream = CHAT.frames(Answer(orjson.dumps(FULL), JSON, Usage(1, 2)), {"stream_options": {"include_usage": True}})
    again = orjson.loads(CHAT.assemble(stream, ROOM).payload)
    assert list(again)[:5] == ["id", "object", "created", "model", "choices"]
    assert list(again["choices"][0]) == ["index", "message", "logprobs", "finish_reason"]
    assert list(again["choices"][0]["message"])[:3] == ["role", "content", "refusal"]


def test_choices_without_index_are_counted():
    payload = orjson.dumps({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]})
    stream = CHAT.frames(Answer(payload, JSON, Usage()), {})
    assert [orjson.loads(e.data)["choices"][0]["index"] for e in SseParser().feed(stream)[:-1]] == [0, 0, 0, 1, 1, 1]


def test_what_only_this_provider_knows_is_sent_once():
    payload = orjson.dumps({**FULL, "prompt_filter_results": [{"prompt_index": 0}]})
    stream = CHAT.frames(Answer(payload, JSON, Usage(1, 2)), {"stream_options": {"include_usage": True}})
    chunks = [orjson.loads(event.data) for event in SseParser().feed(stream)[:-1]]
    assert ["prompt_filter_results" in chunk for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert all(chunk["service_tier"] == "default" for chunk in chunks)
