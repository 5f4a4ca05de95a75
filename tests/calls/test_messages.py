import json

import orjson
import pytest

from askonce.calls.endpoint import Answer, Malformed, Uncertain
from askonce.calls.messages import MESSAGES
from askonce.calls.table import ENDPOINTS
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.errors import RequestError
from tests.calls.chunks import ROOM
from tests.calls.messages_told import END, HELLO, MESSAGE, sse, start, stopped

ASKED = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


def asked(**members):
    return {**ASKED, **members}


def test_where_clients_find_it():
    assert MESSAGES in ENDPOINTS
    assert MESSAGES.paths == ("/v1/messages", "/messages", "/anthropic/v1/messages")
    assert MESSAGES.headers == ("anthropic-version", "anthropic-beta")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages"),
        ({"messages": {"role": "user", "content": "Hi"}}, "messages"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
    ],
)
def test_a_body_is_checked(change, param):
    with pytest.raises(RequestError) as caught:
        MESSAGES.check(asked(**change))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_all_else_is_the_providers_to_judge():
    MESSAGES.check(asked())
    MESSAGES.check({"model": "m", "messages": [{}], "stream": None, "max_tokens": "many", "cache_control": 1})


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False)])
def test_streamed(stream, expected):
    assert MESSAGES.streamed(asked(stream=stream)) is expected
    assert not MESSAGES.streamed(asked())


def test_a_body_asks_for_nothing_more_when_it_is_kept():
    body = asked(stream=True)
    assert MESSAGES.with_usage(body) is body
    assert MESSAGES.parts(body) == [body]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"container": None},
        {"container": {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}},
        {"container": {"id": None}},
        {"mcp_servers": []},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ],
)
def test_what_can_be_asked_again(more):
    assert MESSAGES.repeatable(asked(**more))


@pytest.mark.parametrize(
    "more",
    [
        {"container": "container_1"},
        {"container": {"id": "container_1", "skills": []}},
        {"thread": {"type": "create"}},
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        {"mcp_servers": [{"type": "url", "url": "https://mcp.example.com", "name": "tickets"}]},
    ],
)
def test_what_hangs_on_others_or_does_something_is_never_the_same_question(more):
    assert not MESSAGES.repeatable(asked(**more))


# -- plain answers ---------------------------------------------------------------------------------------------------


def kept(message):
    return MESSAGES.answers(asked(), orjson.dumps(message), JSON)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hello"}]},
        {"content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}], "stop_reason": "tool_use"},
        {"content": [{"type": "thinking", "thinking": "", "signature": "c2ln"}], "stop_reason": "max_tokens"},
        {"content": [{"type": "of_tomorrow"}]},
        {"stop_reason": "pause_turn"},
        {"stop_reason": "refusal"},
        {"container": None},
        {"error": None},
    ],
)
def test_an_answer_is_kept_to_the_byte(change):
    payload = json.dumps({**MESSAGE, **change}, indent=1).encode()
    entries = MESSAGES.answers(asked(), payload, JSON)
    assert entries == [Answer(payload, JSON, Usage(10, 5))]
    assert MESSAGES.combine(asked(), entries) == (payload, JSON)


def test_an_answer_need_not_say_what_it_is():
    untyped = {name: value for name, value in MESSAGE.items() if name not in {"type", "usage"}}
    assert kept(untyped) == [Answer(orjson.dumps(untyped), JSON, Usage())]


@pytest.mark.parametrize(
    "content", [[], [{"type": "text", "text": ""}], [{"type": "text", "text": None}, {"type": "text"}]]
)
def test_an_answer_without_a_word_is_nothing_to_keep(content):
    assert kept({**MESSAGE, "content": content}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"type": "error"},
        {"type": "completion"},
        {"error": {"message": "no"}},
        {"content": None},
        {"content": "Hello"},
        {"content": {"type": "text", "text": "Hello"}},
        {"content": ["Hello"]},
        {"stop_reason": None},
        {"stop_reason": 1},
    ],
)
def test_what_is_no_whole_message_is_malformed(change):
    with pytest.raises(Malformed):
        kept({**MESSAGE, **change})


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"type": "mess', b"data: {}\n\n", b"Hello"])
def test_what_is_no_json_object_is_malformed(payload):
    with pytest.raises(Malformed):
        MESSAGES.answers(asked(), payload, JSON)


def test_an_answer_that_goes_on_in_a_container_is_nobody_elses():
    container = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Uncertain):
        kept({**MESSAGE, "container": container})
    ending = stopped()
    ending["delta"]["container"] = container
    stream = sse(start(), *HELLO, ending, END)
    assert MESSAGES.complete(stream)
    with pytest.raises(Uncertain):
        MESSAGES.assemble(stream, ROOM)


def test_what_the_providers_own_cache_read_and_wrote_is_of_the_prompt():
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 100},
    }
    [one] = kept({**MESSAGE, "usage": usage})
    assert one.usage == Usage(1103, 7, 1000)
    streamed = MESSAGES.assemble(sse(start(usage=usage), *HELLO, stopped(usage={"output_tokens": 9}), END), ROOM)
    assert streamed.usage == Usage(1103, 9, 1000)


# -- an entry in both forms ------------------------------------------------------------------------------------------


def test_a_kept_stream_gives_the_plain_answer_in_the_same_bytes_each_time():
    stream = sse(start(), *HELLO, stopped(), END)
    entry = MESSAGES.assemble(stream, ROOM)
    assert (entry.payload, entry.media_type, entry.usage) == (stream, SSE, Usage(10, 5))
    first, media_type = MESSAGES.combine(asked(), [entry])
    assert media_type == JSON
    assert orjson.loads(first) == MESSAGE
    assert MESSAGES.combine(asked(stream=False), [entry]) == (first, JSON)
    assert MESSAGES.frames(entry, asked(stream=True)) == stream


def test_a_stream_too_long_to_be_kept_becomes_the_plain_answer():
    stream = sse(start(), *HELLO, stopped(), END)
    assert MESSAGES.assemble(stream, len(stream)).media_type == SSE
    entry = MESSAGES.assemble(stream, len(stream) - 1)
    assert (entry.media_type, entry.usage) == (JSON, Usage(10, 5))
    assert orjson.loads(entry.payload) == MESSAGE


# -- errors of our own ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "theirs"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "api_error"),
    ],
)
def test_an_error_is_told_in_anthropics_shape_with_openais_members(status, theirs):
    error = {"message": "No.", "type": "ours", "param": "model", "code": "c"}
    told = MESSAGES.refusal(error, status)
    assert told == {"type": "error", "error": {"type": theirs, "message": "No.", "param": "model", "code": "c"}}
    assert error["type"] == "ours", "its own object"
