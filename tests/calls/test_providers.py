"""Streams as providers really send them, and what becomes of them."""

import orjson

from askonce.calls.chat import CHAT
from askonce.calls.text import TEXT
from askonce.core.entry import JSON, Usage
from tests.calls.answers import sse
from tests.calls.chunks import HEAD, ROOM, USAGE, assembled, chunk, message, total


def test_openai_with_parallel_tools():
    def call(index, **members):
        return chunk({"tool_calls": [{"index": index, **members}]}, usage=None, obfuscation="kJ9")

    opening = {"type": "function"}
    answer = assembled(
        chunk({"role": "assistant", "content": None, "refusal": None}, service_tier="default", usage=None),
        call(0, id="call_a", **opening, function={"name": "weather", "arguments": ""}),
        call(0, function={"arguments": '{"ci'}),
        call(0, function={"arguments": 'ty":"Rome"}'}),
        call(1, id="call_b", **opening, function={"name": "time", "arguments": ""}),
        call(1, function={"arguments": "{}"}),
        chunk({}, "tool_calls", usage=None),
        total(),
    )
    assert answer.usage == Usage(10, 5)
    assert orjson.loads(answer.payload) == {
        **HEAD,
        "object": "chat.completion",
        "service_tier": "default",
        "usage": USAGE,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "tool_calls": [
                        {
                            "id": "call_a",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                        },
                        {"id": "call_b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
    }


def test_openai_with_two_choices_and_logprobs():
    def scored(text, index):
        choice = {
            "index": index,
            "delta": {"content": text},
            "logprobs": {
                "content": [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}],
                "refusal": None,
            },
            "finish_reason": None,
        }
        return {**HEAD, "choices": [choice]}

    answer = assembled(
        chunk({"role": "assistant", "content": ""}, index=0),
        chunk({"role": "assistant", "content": ""}, index=1),
        scored("Hel", 1),
        scored("Good", 0),
        scored("lo", 1),
        chunk({}, "stop", index=1),
        chunk({}, "length", index=0),
        total(),
    )
    choices = orjson.loads(answer.payload)["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["Good", "Hello"]
    assert [choice["finish_reason"] for choice in choices] == ["length", "stop"]
    assert [[score["token"] for score in choice["logprobs"]["content"]] for choice in choices] == [
        ["Good"],
        ["Hel", "lo"],
    ]
    assert choices[0]["logprobs"]["refusal"] is None


def test_openai_with_audio():
    parts = [
        {"id": "audio_1", "transcript": "Hel"},
        {"transcript": "lo"},
        {"data": "AAEC"},
        {"data": "AwQ="},
        {"expires_at": 1700003600},
    ]
    said = message(
        chunk({"role": "assistant"}), *(chunk({"audio": part}) for part in parts), chunk({}, "stop"), total()
    )
    expected = {"id": "audio_1", "transcript": "Hello", "data": "AAECAwQ=", "expires_at": 1700003600}
    assert said["audio"] == expected


def test_azure_opens_with_a_blank_head_and_the_results_of_its_filter():
    results = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
    opening = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": results,
        "usage": None,
    }

    def filtered(delta, finish_reason=None, **verdict):
        choice = {"content_filter_results": verdict, "delta": delta, "finish_reason": finish_reason, "index": 0}
        return {**HEAD, "choices": [choice], "usage": None}

    safe = {"filtered": False, "severity": "safe"}
    answer = assembled(
        opening,
        filtered({"role": "assistant", "content": ""}),
        filtered({"content": "Hi"}, hate=safe),
        filtered({"content": "!"}, hate=safe, violence=safe),
        filtered({}, "stop"),
        total(),
    )
    read = orjson.loads(answer.payload)
    assert (read["id"], read["created"], read["object"]) == ("chatcmpl-1", 1700000000, "chat.completion")
    assert read["prompt_filter_results"] == results
    assert read["choices"][0]["content_filter_results"] == {"hate": safe, "violence": safe}


def test_groq_tells_its_usage_in_its_own_member_too():
    answer = assembled(
        chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"}),
        chunk({"content": "Hi"}),
        chunk({}, "stop", x_groq={"id": "req_1", "usage": {"queue_time": 0.1, "total_tokens": 15}}),
        total(),
    )
    read = orjson.loads(answer.payload)
    assert read["x_groq"] == {"id": "req_1", "usage": {"queue_time": 0.1, "total_tokens": 15}}
    assert answer.usage == Usage(10, 5)


def test_usage_on_the_last_chunk_without_being_asked():
    answer = assembled(chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop", usage=USAGE))
    assert (answer.media_type, answer.usage) == (JSON, Usage(10, 5))
    assert not CHAT.only_usage(orjson.dumps(chunk({}, "stop", usage=USAGE)))


def test_usage_so_far_on_every_chunk():
    def so_far(delta, tokens, finish_reason=None):
        usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
        return chunk(delta, finish_reason, usage=usage)

    answer = assembled(so_far({"content": "a"}, 1), so_far({"content": "b"}, 2), so_far({}, 2, "stop"))
    assert orjson.loads(answer.payload)["usage"]["total_tokens"] == 12


def test_ollama_stamps_each_chunk_with_its_own_time():
    answer = assembled(
        chunk({"content": "a"}),
        chunk({"content": "b"}, head={**HEAD, "created": 1700000002}),
        chunk({}, "stop"),
        total(),
    )
    assert orjson.loads(answer.payload)["created"] == 1700000000


def test_vllm_repeats_the_role_and_blanks_in_tool_calls():
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "id": "", "type": None, "function": {"name": None, "arguments": "{}"}}
    said = message(
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "tool_calls": [call]}),
        chunk({"role": "", "tool_calls": [more]}),
        chunk({"tool_calls": []}, "tool_calls"),
        total(),
    )
    assert said["tool_calls"] == [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def test_openrouter_with_comments_and_reasoning_details():
    def thought(text, **members):
        detail = {"type": "reasoning.text", "index": 0, "text": text, "format": "anthropic-claude-v1", **members}
        return chunk({"content": "", "reasoning": text, "reasoning_details": [detail]})

    stream = b": OPENROUTER PROCESSING\n\n" + sse(
        thought("Let "),
        thought("me see"),
        thought("", signature="sig"),
        chunk({"content": "4"}),
        chunk({}, "stop"),
        total(),
    )
    said = orjson.loads(CHAT.assemble(stream, ROOM).payload)["choices"][0]["message"]
    assert (said["reasoning"], said["content"]) == ("Let me see", "4")
    detail = {"type": "reasoning.text", "index": 0, "text": "Let me see", "format": "anthropic-claude-v1"}
    assert said["reasoning_details"] == [{**detail, "signature": "sig"}]


def test_perplexity_repeats_its_citations():
    answer = assembled(
        chunk({"content": "a"}, citations=["u"]), chunk({"content": "b"}, "stop", citations=["u"], usage=USAGE)
    )
    assert orjson.loads(answer.payload)["citations"] == ["u"]


def test_a_moderation_chunk_is_kept():
    moderation = {"input": {"type": "moderation_results", "model": "omni", "results": []}}
    answer = assembled(chunk({"content": "a"}, "stop"), {**HEAD, "choices": [], "moderation": moderation}, total())
    assert orjson.loads(answer.payload)["moderation"] == moderation


def test_a_text_completion_with_logprobs():
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": "gpt-3.5-turbo-instruct"}

    def piece(text, finish_reason=None, logprobs=None):
        return {**head, "choices": [{"text": text, "index": 0, "logprobs": logprobs, "finish_reason": finish_reason}]}

    def scores(token, offset):
        return {"tokens": [token], "token_logprobs": [-1.0], "top_logprobs": [{token: -1.0}], "text_offset": [offset]}

    chunks = [piece("Hel", logprobs=scores("Hel", 0)), piece("lo", logprobs=scores("lo", 3)), piece("", "stop")]
    answer = assembled(*chunks, total(head=head), endpoint=TEXT)
    choice = orjson.loads(answer.payload)["choices"][0]
    assert choice["text"] == "Hello"
    assert choice["logprobs"] == {
        "tokens": ["Hel", "lo"],
        "token_logprobs": [-1.0, -1.0],
        "top_logprobs": [{"Hel": -1.0}, {"lo": -1.0}],
        "text_offset": [0, 3],
    }


def test_openai_with_a_custom_tool():
    def call(**members):
        return chunk({"tool_calls": [{"index": 0, **members}]})

    said = message(
        call(id="call_1", type="custom", custom={"name": "sql", "input": ""}),
        call(custom={"input": "select "}),
        call(custom={"input": "1"}),
        chunk({}, "tool_calls"),
        total(),
    )
    assert said["tool_calls"] == [{"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}]


def test_openai_that_refuses_with_logprobs():
    def scored(text):
        scores = {"content": None, "refusal": [{"token": text, "logprob": -0.5}]}
        return {**HEAD, "choices": [{"index": 0, "delta": {"refusal": text}, "logprobs": scores}]}

    answer = assembled(scored("I "), scored("can't"), chunk({}, "stop"), total())
    choice = orjson.loads(answer.payload)["choices"][0]
    assert choice["message"] == {"refusal": "I can't"}
    assert [score["token"] for score in choice["logprobs"]["refusal"]] == ["I ", "can't"]


def test_a_choice_that_goes_on_after_its_finish_reason_has_finished():
    """As OpenAI's audio does: its last chunk tells only when the sound expires."""
    late = {**HEAD, "choices": [{"index": 0, "delta": {"audio": {"expires_at": 1700003600}}, "finish_reason": None}]}
    answer = assembled(chunk({"audio": {"id": "a", "data": "AAEC"}}), chunk({}, "stop"), late, total())
    assert orjson.loads(answer.payload)["choices"][0]["message"]["audio"]["expires_at"] == 1700003600
