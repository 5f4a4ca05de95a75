"""The same question again, and questions that are nearly the same."""

import re
from typing import Any

import aiohttp
import pytest

from tests.litellm.behaviours.proxies import Answer, Proxy, fresh
from tests.litellm.behaviours.questions import ROUTES, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("route", ROUTES)
async def test_a_repeat_is_served_without_asking_again(proxy: Proxy, route: str) -> None:
    path, body = asked(route, fresh())
    before = sum(proxy.provider.calls.values())
    answers = [await proxy.post(path, body) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3, answers[0].body
    assert said(answers[0]) == said(answers[1]) == said(answers[2])
    assert sum(proxy.provider.calls.values()) == before + 1


def said(answer: Answer) -> dict[str, Any]:
    """All of an answer but its id: LiteLLM writes another one into each response."""
    return {name: value for name, value in answer.json.items() if name != "id"}


@pytest.mark.differs("as-it-came")
async def test_a_response_keeps_its_id(proxy: Proxy) -> None:
    path, body = asked("responses", fresh())
    first, again = [await proxy.post(path, body) for _ in range(2)]
    assert again.json["id"] == first.json["id"]


async def transcribe(proxy: Proxy, sound: bytes, **more: str) -> Answer:
    form = aiohttp.FormData({"model": "toy-transcribe", **more})
    form.add_field("file", sound, filename=f"{len(more)}.wav", content_type="audio/wav")
    return await proxy.send("POST", "/v1/audio/transcriptions", data=form)


async def test_a_transcription_is_known_by_the_bytes_of_its_file(proxy: Proxy) -> None:
    sound = fresh("some sound").encode()
    first = await transcribe(proxy, sound)
    assert first.status == 200, first.body
    assert (await transcribe(proxy, sound)).json == first.json
    assert (await transcribe(proxy, sound + b"!")).json != first.json
    assert proxy.asked("/v1/audio/transcriptions") == 2


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in {"embeddings", "messages"}])
async def test_a_hit_is_told_by_its_key_and_a_miss_by_none(proxy: Proxy, route: str) -> None:
    path, body = asked(route, fresh())
    assert (await proxy.post(path, body)).key is None
    keys = [(await proxy.post(path, body)).key for _ in range(2)]
    assert keys[0] == keys[1]
    assert re.fullmatch("[0-9a-f]{64}", str(keys[0]))


@pytest.mark.differs("keys-everywhere")
async def test_a_hit_of_embeddings_is_told_by_a_key_too(proxy: Proxy) -> None:
    path, body = asked("embeddings", fresh())
    assert (await proxy.post(path, body)).key is None
    assert re.fullmatch("[0-9a-f]{64}", str((await proxy.post(path, body)).key))


@pytest.mark.differs("keys-everywhere")
async def test_each_hit_of_messages_is_told_by_its_key(proxy: Proxy) -> None:
    """LiteLLM tells it with the first one only."""
    path, body = asked("messages", fresh())
    assert (await proxy.post(path, body)).key is None
    keys = [(await proxy.post(path, body)).key for _ in range(3)]
    assert len(set(keys)) == 1
    assert re.fullmatch("[0-9a-f]{64}", str(keys[0]))


PARAMETERS: list[dict[str, Any]] = [
    {"temperature": 0.5}, {"top_p": 0.5}, {"top_k": 5}, {"max_tokens": 50}, {"n": 2}, {"seed": 7}, {"user": "ishan"},
    {"stop": ["x"]}, {"response_format": {"type": "text"}}, {"model": "toy-b"}, {"logprobs": True},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]},
]  # fmt: skip


@pytest.mark.parametrize("more", PARAMETERS, ids=lambda more: next(iter(more)))
async def test_another_parameter_is_another_question(proxy: Proxy, more: dict[str, Any]) -> None:
    text = fresh()
    plain = await proxy.chat(text)
    other = await proxy.chat(text, **more)
    assert other.status == 200, other.body
    assert other.key is None
    assert other.json["id"] != plain.json["id"]
    assert (await proxy.chat(text)).json["id"] == plain.json["id"]
    assert (await proxy.chat(text, **more)).json["id"] == other.json["id"]


@pytest.mark.differs("unknown-parameters")
async def test_a_parameter_that_nobody_knows_is_another_question(proxy: Proxy) -> None:
    text = fresh()
    first, second = [await proxy.chat(text, num_ctx=size) for size in (2048, 4096)]
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        ("/v1/completions", {"model": "toy-text", "prompt": ""}, {"best_of": 2}),
        ("/v1/completions", {"model": "toy-text", "prompt": ""}, {"seed": 2}),
        ("/v1/embeddings", {"model": "toy-embedding", "input": ""}, {"dimensions": 8}),
        ("/v1/responses", {"model": "toy", "input": ""}, {"instructions": "Be short."}),
        ("/v1/responses", {"model": "toy", "input": ""}, {"temperature": 0.5}),
    ],
)
async def test_another_parameter_on_the_other_routes(
    proxy: Proxy, path: str, body: dict[str, Any], more: dict[str, Any]
) -> None:
    body = {name: fresh() if value == "" else value for name, value in body.items()}
    before = sum(proxy.provider.calls.values())
    for question in (body, {**body, **more}, body, {**body, **more}):
        assert (await proxy.post(path, question)).status == 200
    assert sum(proxy.provider.calls.values()) == before + 2


@pytest.mark.differs("key-order")
async def test_the_order_of_members_means_nothing(proxy: Proxy) -> None:
    said = [{"role": "user", "content": fresh()}]
    first = await proxy.post(CHAT, {"model": "toy", "messages": said, "temperature": 0, "seed": 1})
    other = await proxy.post(CHAT, {"seed": 1, "temperature": 0.0, "messages": said, "model": "toy"})
    assert other.json["id"] == first.json["id"]


async def test_metadata_and_controls_are_no_part_of_the_question(proxy: Proxy) -> None:
    text = fresh()
    first = await proxy.chat(text, metadata={"tags": ["a"]})
    assert (await proxy.chat(text, metadata={"tags": ["b"]})).json["id"] == first.json["id"]
    assert (await proxy.chat(text, cache={"ttl": 300})).json["id"] == first.json["id"]


@pytest.mark.differs("keys-are-ours")
async def test_a_key_in_the_body_chooses_no_entry(proxy: Proxy) -> None:
    name = fresh("my-own-key")
    first = await proxy.chat(fresh(), cache_key=name)
    assert (await proxy.chat(fresh(), cache_key=name)).json["id"] != first.json["id"]


@pytest.mark.differs("long-conversations")
@pytest.mark.parametrize("route", ["chat", "messages", "responses"])
async def test_a_long_conversation_is_cached(proxy: Proxy, route: str) -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": fresh()} for n in range(7)]
    path, body = asked(route, "")
    body["input" if route == "responses" else "messages"] = turns
    before = proxy.asked(path)
    first, again = [await proxy.post(path, body) for _ in range(2)]
    assert said(again) == said(first)
    assert proxy.asked(path) == before + 1


async def test_a_short_conversation_is_cached(proxy: Proxy) -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": fresh()} for n in range(3)]
    first = await proxy.post(CHAT, {"model": "toy", "messages": turns})
    assert (await proxy.post(CHAT, {"model": "toy", "messages": turns})).json["id"] == first.json["id"]


async def test_what_a_provider_adds_is_kept(proxy: Proxy) -> None:
    message = {"role": "assistant", "content": "said", "reasoning_content": "thought"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    proxy.provider.says(
        CHAT, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )
    text = fresh()
    first, again = [await proxy.chat(text) for _ in range(2)]
    assert again.json == first.json
    assert again.json["choices"][0]["message"]["reasoning_content"] == "thought"
