"""The toy provider as the real OpenAI SDK sees it."""

import base64
import json
from array import array
from contextlib import asynccontextmanager
from math import isclose

import openai
import pytest
from aiohttp import ClientPayloadError, ClientSession
from openai import AsyncOpenAI

from askonce.core.sse import SseParser
from askonce.toy.provider import Toy, serving

QUESTION = [{"role": "user", "content": "Who keeps the answers?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "find_book",
        "parameters": {"type": "object", "properties": {"title": {"type": "string"}, "copies": {"type": "integer"}}},
    },
}


def make_toy(**settings) -> Toy:
    return Toy(**{"latency": 0.0, "pace": 0.0, "clock": lambda: 1_800_000_000.5, "slow": 0.01, **settings})


@asynccontextmanager
async def asking(toy: Toy, key: str = "sk-any"):
    async with serving(toy) as url, AsyncOpenAI(api_key=key, base_url=url, max_retries=0, timeout=10) as client:
        yield client


async def raw(url: str, body: dict) -> tuple[dict[str, str], bytes]:
    async with ClientSession() as session, session.post(f"{url}/chat/completions", json=body) as response:
        return {name.lower(): value for name, value in response.headers.items()}, await response.read()


async def test_the_same_question_gets_the_same_words_under_a_fresh_id():
    async with asking(make_toy()) as client:
        first = await client.chat.completions.create(model="toy", messages=QUESTION)
        again = await client.chat.completions.create(model="toy", messages=QUESTION)
        seeded = await client.chat.completions.create(model="toy", messages=QUESTION, seed=7)
    said = first.choices[0].message.content
    assert said is not None
    assert "Who keeps the answers?" in said
    assert again.choices[0].message.content == said != seeded.choices[0].message.content
    assert first.id != again.id
    assert first.created == 1_800_000_000
    assert first.usage is not None
    assert first.usage.prompt_tokens == 4
    assert first.usage.completion_tokens == len(said.split())
    assert first.usage.total_tokens == 4 + len(said.split())


async def test_a_stream_says_what_the_whole_answer_says():
    async with asking(make_toy()) as client:
        whole = await client.chat.completions.create(model="toy", messages=QUESTION, n=2)
        stream = await client.chat.completions.create(model="toy", messages=QUESTION, n=2, stream=True)
        chunks = [chunk async for chunk in stream]
    for at in range(2):
        parts = [choice for chunk in chunks for choice in chunk.choices if choice.index == at]
        assert "".join(part.delta.content or "" for part in parts) == whole.choices[at].message.content
        assert parts[0].delta.role == "assistant"
        assert parts[-1].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


async def test_usage_comes_at_the_end_of_a_stream_that_asked_for_it_and_as_null_before():
    async with asking(make_toy()) as client:
        stream = await client.chat.completions.create(
            model="toy", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        *chunks, last = [chunk async for chunk in stream]
        without = await client.chat.completions.create(
            model="toy-no-usage", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        silent = [chunk async for chunk in without]
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == len(chunks) - 2  # the role and the end are no words
    assert all(chunk.usage is None for chunk in silent)


async def test_tools_are_called_whole_and_in_fragments():
    async with asking(make_toy()) as client:
        whole = await client.chat.completions.create(model="toy", messages=QUESTION, tools=[TOOL])
        async with client.chat.completions.stream(model="toy", messages=QUESTION, tools=[TOOL]) as stream:
            streamed = await stream.get_final_completion()
        none = await client.chat.completions.create(model="toy", messages=QUESTION, tools=[TOOL], tool_choice="none")
    for answer in (whole, streamed):
        assert answer.choices[0].finish_reason == "tool_calls"
        [call] = answer.choices[0].message.tool_calls or []
        assert call.function.name == "find_book"
        assert call.function.arguments == '{"title":"Who keeps the answers?","copies":4}'
    assert none.choices[0].message.tool_calls is None


async def test_a_tools_result_is_answered_in_words():
    async with asking(make_toy()) as client:
        asked = await client.chat.completions.create(model="toy", messages=QUESTION, tools=[TOOL])
        [call] = asked.choices[0].message.tool_calls or []
        result = {"role": "tool", "tool_call_id": call.id, "content": "two copies"}
        turns = [*QUESTION, asked.choices[0].message, result]
        answer = await client.chat.completions.create(model="toy", messages=turns, tools=[TOOL])
    assert "two copies" in (answer.choices[0].message.content or "")


async def test_logprobs_and_a_limit():
    async with asking(make_toy()) as client:
        answer = await client.chat.completions.create(
            model="toy", messages=QUESTION, max_tokens=5, logprobs=True, top_logprobs=2
        )
    [choice] = answer.choices
    assert choice.finish_reason == "length"
    assert choice.logprobs is not None
    assert "".join(one.token for one in choice.logprobs.content or []) == choice.message.content
    assert [len(one.top_logprobs) for one in choice.logprobs.content or []] == [2] * 5


async def test_text_completions_for_several_prompts():
    async with asking(make_toy()) as client:
        whole = await client.completions.create(model="toy", prompt=["one", "two"], n=2, logprobs=1)
        stream = await client.completions.create(model="toy", prompt=["one", "two"], n=2, stream=True)
        chunks = [chunk async for chunk in stream]
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    for choice in whole.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert choice.logprobs is not None
        assert "".join(choice.logprobs.tokens or []) == choice.text


@pytest.mark.parametrize("given", ["a word", ["a word", "another"], [5, 6], [[5, 6], [7]]])
async def test_embeddings_are_exact_in_both_encodings(given):
    async with asking(make_toy()) as client:
        floats = await client.embeddings.create(model="toy-embedding", input=given, encoding_format="float")
        packed = await client.embeddings.create(model="toy-embedding", input=given, encoding_format="base64")
        unpacked = await client.embeddings.create(model="toy-embedding", input=given, dimensions=16)
    for at, item in enumerate(floats.data):
        assert item.index == at
        assert array("f", item.embedding).tolist() == item.embedding == unpacked.data[at].embedding
        assert base64.b64decode(packed.data[at].embedding) == array("f", item.embedding).tobytes()
        assert isclose(sum(number * number for number in item.embedding), 1, rel_tol=1e-6)
    assert floats.usage.total_tokens > 0


async def test_transcriptions_in_every_format():
    file = ("hello.wav", b"RIFF not really a sound", "audio/wav")
    async with asking(make_toy()) as client:
        ask = client.audio.transcriptions.create
        plain = await ask(model="toy-transcribe", file=file)
        text = await ask(model="toy-transcribe", file=file, response_format="text")
        srt = await ask(model="toy-transcribe", file=file, response_format="srt")
        vtt = await ask(model="toy-transcribe", file=file, response_format="vtt")
        verbose = await ask(model="toy-transcribe", file=file, response_format="verbose_json")
        other = await ask(model="toy-transcribe", file=("hello.wav", b"another sound"))
    assert plain.text == verbose.text != other.text
    assert text == f"{plain.text}\n"
    assert srt.startswith("1\n00:00:00,000 --> 00:00:03,000\n")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n")
    assert " ".join(segment.text for segment in verbose.segments) == plain.text


async def test_a_transcription_streams_but_not_from_whisper():
    file = ("hello.wav", b"RIFF not really a sound")
    async with asking(make_toy()) as client:
        stream = await client.audio.transcriptions.create(model="toy-transcribe", file=file, stream=True)
        events = [event async for event in stream]
        whisper = await client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=file, stream=True)
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert whisper.headers["content-type"] == "application/json"


async def test_a_form_that_is_none_is_refused():
    async with serving(make_toy()) as url, ClientSession() as session:
        for content_type in ("application/json", "multipart/form-data; boundary=here"):
            headers = {"Content-Type": content_type}
            async with session.post(f"{url}/audio/transcriptions", data=b"not a form", headers=headers) as response:
                assert response.status == 400


async def test_models_and_the_count_of_calls():
    toy = make_toy()
    async with asking(toy) as client:
        assert "toy" in [model.id async for model in client.models.list()]
        await client.chat.completions.create(model="toy", messages=QUESTION)
        url = str(client.base_url).removesuffix("/v1/")
        async with ClientSession() as session, session.get(f"{url}/toy/calls") as response:
            counted = await response.json()
    assert counted == {"total": 2, "routes": {"/v1/models": 1, "/v1/chat/completions": 1}}
    assert toy.calls["/v1/chat/completions"] == 1
    assert b"Who keeps the answers?" in toy.seen[-1].body
    assert toy.seen[-1].headers["authorization"] == "Bearer sk-any"


async def test_every_answer_carries_headers_of_its_own():
    async with serving(make_toy()) as url:
        first, _ = await raw(url, {"model": "toy", "messages": QUESTION})
        again, _ = await raw(url, {"model": "toy", "messages": QUESTION, "stream": True})
    assert first["x-request-id"] != again["x-request-id"]
    for headers in (first, again):
        assert {"openai-processing-ms", "x-ratelimit-remaining-requests", "set-cookie"} <= set(headers)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": QUESTION}, "model"),
        ({"model": "toy"}, "messages"),
        ({"model": "toy", "messages": [{"content": "hello"}]}, "messages[0].role"),
        ({"model": "toy", "messages": QUESTION, "n": 0}, "n"),
        ({"model": "toy", "messages": QUESTION, "stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
async def test_bad_input_names_the_field(body, param):
    async with serving(make_toy()) as url, AsyncOpenAI(api_key="sk", base_url=url, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.post("/chat/completions", body=body, cast_to=dict)
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


async def test_an_unknown_route_and_a_wrong_key_are_refused_in_openais_shape():
    async with asking(make_toy(api_key="sk-right"), "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
    assert refused.value.code == "invalid_api_key"
    async with asking(make_toy(api_key="sk-right"), "sk-right") as client:
        with pytest.raises(openai.NotFoundError) as lost:
            await client.images.generate(prompt="a book", model="toy")
    assert lost.value.code == "unknown_url"


async def test_errors_by_the_name_of_the_model():
    async with asking(make_toy()) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="toy-error-500", messages=QUESTION)
        with pytest.raises(openai.RateLimitError) as limited:
            await client.embeddings.create(model="toy-error-429", input="hello")
        with pytest.raises(openai.NotFoundError):
            await client.completions.create(model="toy-error-404", prompt="hello", stream=True)
    assert limited.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_answer_ends_in_a_broken_connection(stream):
    async with serving(make_toy()) as url:
        with pytest.raises(ClientPayloadError):
            await raw(url, {"model": "toy-broken-stream", "messages": QUESTION, "stream": stream})


async def test_streams_that_end_wrongly():
    async with serving(make_toy()) as url:
        ends = {}
        for name in ("toy", "toy-truncated", "toy-stream-error", "toy-malformed"):
            _, stream = await raw(url, {"model": name, "messages": QUESTION, "stream": True})
            ends[name] = [event.data for event in SseParser().feed(stream)]
    assert ends["toy"][-1] == b"[DONE]"
    assert b"[DONE]" not in ends["toy-truncated"]
    assert b'"error"' in ends["toy-stream-error"][-1]
    assert [not data.endswith((b"}", b"]")) for data in ends["toy-malformed"]].count(True) == 1


async def test_answers_that_are_huge_empty_or_no_json():
    async with asking(make_toy()) as client:
        huge = await client.chat.completions.create(model="toy-huge", messages=QUESTION)
        empty = await client.chat.completions.create(model="toy-empty", messages=QUESTION)
        slow = await client.chat.completions.create(model="toy-slow", messages=QUESTION)
        with pytest.raises(json.JSONDecodeError):
            await client.chat.completions.create(model="toy-malformed", messages=QUESTION)
    assert len(huge.choices[0].message.content or "") >= 2 << 20
    assert empty.choices == []
    assert slow.choices[0].finish_reason == "stop"
