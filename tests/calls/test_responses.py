"""The requests and the plain answers of the route."""

import orjson
import pytest

from askonce.calls.endpoint import Answer, Malformed, Uncertain
from askonce.calls.responses import RESPONSES
from askonce.core.entry import JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.key import canonical
from tests.calls.responses import answer, call, hello, message, streamed, text

ASKED = {"model": "gpt-5-nano", "input": "Hi"}


def asked(**members):
    return {**ASKED, **members}


@pytest.mark.parametrize(
    "body",
    [
        ASKED,
        asked(input=[{"role": "user", "content": "Hi"}], stream=True),
        asked(input=[], stream_options={"include_obfuscation": False}),
        {"model": "m", "prompt": {"id": "pmpt_1"}},
        {"model": "m", "previous_response_id": "resp_1"},
        {"model": "m"},
    ],
)
def test_what_the_provider_may_judge_is_left_to_it(body):
    RESPONSES.check(body)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": 7}, "input"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
    ],
)
def test_a_wrong_type_is_refused_by_name(change, param):
    with pytest.raises(RequestError) as caught:
        RESPONSES.check(asked(**change))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_streamed():
    assert RESPONSES.streamed(asked(stream=True))
    assert not RESPONSES.streamed(asked(stream=False))
    assert not RESPONSES.streamed(ASKED)


def test_a_stream_has_no_usage_to_ask_for():
    body = asked(stream=True)
    assert RESPONSES.with_usage(body) is body
    assert not RESPONSES.only_usage(b'{"choices":[],"usage":{}}')


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"conversation": None, "background": False},
        {"background": None},
        {"previous_response_id": "resp_1"},
        {"store": True},
        {"store": False},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}, {"type": "file_search"}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
        {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}, {"type": "image_generation"}]},
        {"tools": [7], "input": ["no object", {"tools": 7}]},
        {"tools": "none"},
    ],
)
def test_what_asks_the_same_another_time_is_repeatable(change):
    assert RESPONSES.repeatable(asked(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "mail", "require_approval": "never"}]},
        {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
        {"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}]},
        {"input": [{"type": "additional_tools", "tools": [{"type": "mcp", "server_label": "mail"}]}]},
    ],
)
def test_what_changes_something_or_is_answered_elsewhere_is_not_repeatable(change):
    assert not RESPONSES.repeatable(asked(**change))


def key(**members):
    [part] = RESPONSES.parts(asked(**members))
    return canonical(part)


def test_streamed_and_plain_share_an_entry():
    assert key() == key(stream=True) == key(stream=False, stream_options={"include_obfuscation": True})


@pytest.mark.parametrize(
    "change",
    [
        {"previous_response_id": "resp_1"},
        {"store": False},
        {"instructions": "Be brief."},
        {"reasoning": {"effort": "low"}},
        {"include": ["reasoning.encrypted_content"]},
        {"prompt_cache_key": "k"},
    ],
)
def test_whatever_else_is_asked_is_another_entry(change):
    assert key(**change) != key()


def test_nothing_of_the_route_is_compared_by_meaning():
    assert not RESPONSES.comparable
    assert RESPONSES.compared(ASKED) is None


@pytest.mark.parametrize(
    "whole",
    [
        hello(),
        hello(status=None),
        {name: value for name, value in hello().items() if name not in ("status", "error")},
        answer(call()),
        answer(message({"type": "refusal", "refusal": "No."})),
        answer({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}),
        answer({"id": "ws_1", "type": "web_search_call", "status": "completed"}),
        answer(message({"type": "unheard_of"})),
        answer(message(content="Hello")),
    ],
)
def test_an_answer_is_kept_to_the_byte(whole):
    payload = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    kept = RESPONSES.answers(ASKED, payload, JSON)
    assert kept == [Answer(payload, JSON, Usage(10, 5))]
    assert RESPONSES.combine(ASKED, kept) == (payload, JSON)


@pytest.mark.parametrize(("usage", "counted"), [(None, Usage()), ([], Usage()), ({"input_tokens": 3}, Usage(3, 0))])
def test_tokens_are_those_that_the_answer_counts(usage, counted):
    [kept] = RESPONSES.answers(ASKED, orjson.dumps(hello(usage=usage)), JSON)
    assert kept.usage == counted


@pytest.mark.parametrize(
    "items",
    [
        [],
        [message()],
        [message(text(""))],
        [message(text(""), {"type": "refusal", "refusal": ""})],
        [message(text(None))],
        [message(content=None)],
        [{"id": "rs_1", "type": "reasoning", "summary": []}, message(text(""))],
        [{"id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA"}],
    ],
)
def test_an_answer_without_words_or_calls_is_nothing_to_keep(items):
    assert RESPONSES.answers(ASKED, orjson.dumps(answer(*items)), JSON) == []


@pytest.mark.parametrize(
    "broken",
    [
        *(hello(status=status) for status in ("incomplete", "failed", "queued", "in_progress", "cancelled", 7)),
        hello(error={"code": "server_error", "message": "no"}),
        hello(output=None),
        hello(output=["Hello"]),
        hello(output={"text": "Hello"}),
        {name: value for name, value in hello().items() if name != "output"},
        {"error": {"message": "no", "type": "t", "param": None, "code": None}},
        [],
        None,
    ],
)
def test_what_is_no_whole_answer_is_not_kept(broken):
    with pytest.raises(Malformed):
        RESPONSES.answers(ASKED, orjson.dumps(broken), JSON)


@pytest.mark.parametrize(
    "item",
    [
        {"id": "ci_1", "type": "code_interpreter_call", "container_id": "cntr_1", "code": "1", "status": "completed"},
        {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_1"}},
    ],
)
def test_an_answer_that_goes_on_in_a_container_is_not_kept(item):
    whole = answer(item, message(text("Hello")))
    with pytest.raises(Uncertain):
        RESPONSES.answers(ASKED, orjson.dumps(whole), JSON)
    stream = streamed(whole)
    assert RESPONSES.complete(stream)
    with pytest.raises(Uncertain):
        RESPONSES.assemble(stream, len(stream))
    elsewhere = answer({"type": "shell_call", "environment": {"type": "local"}})
    assert RESPONSES.answers(ASKED, orjson.dumps(elsewhere), JSON)


def test_what_is_not_json_is_malformed():
    with pytest.raises(Malformed):
        RESPONSES.answers(ASKED, orjson.dumps(hello())[:-1], JSON)


@pytest.mark.parametrize(("levels", "fits"), [(252, True), (253, False), (300, False)])
def test_an_answer_that_is_kept_can_be_told_as_events(levels, fits):
    deep = b'{"output":[{"type":"function_call"}],"x":' + b"[" * levels + b"]" * levels + b"}"
    if fits:
        [kept] = RESPONSES.answers(ASKED, deep, JSON)
        assert RESPONSES.complete(RESPONSES.frames(kept, ASKED))
    else:
        with pytest.raises(Malformed):
            RESPONSES.answers(ASKED, deep, JSON)
