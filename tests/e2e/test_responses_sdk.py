"""`/v1/responses` through the proxy as the real OpenAI SDK sees it, its accumulators included."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from tests.calls.responses import ANSWERS, streamed
from tests.e2e import upstreams
from tests.e2e.upstreams import Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    "strict": False,
}
CASES: dict[str, dict[str, Any]] = {
    "a text": {"input": "What is kept?"},
    "a list": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "What is kept?"}]}]},
    "instructions": {"input": "What is kept?", "instructions": "Be brief.", "store": False},
    "an earlier response": {"input": "And then?", "previous_response_id": "resp_1"},
    "a prompt": {"prompt": {"id": "pmpt_1", "version": "2"}},
    "reasoning": {"input": "What is kept?", "reasoning": {"effort": "low", "summary": "auto"}},
    "a tool": {"input": "How is the weather?", "tools": [TOOL]},
    "a tool's result": {
        "input": [
            {"role": "user", "content": "How is the weather?"},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
        ],
        "tools": [TOOL],
    },
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(scene: Scene) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{scene.client.url}/v1", max_retries=0) as opened:
        yield opened


async def plain(client: openai.AsyncOpenAI, **asked: Any) -> dict[str, Any]:
    return bare(await client.responses.create(**asked))


async def events(client: openai.AsyncOpenAI, **asked: Any) -> dict[str, Any]:
    """`stream=True`, and what its last event says."""
    stream = await client.responses.create(**asked, stream=True)
    seen = [event async for event in stream]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    said = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert said == seen[-1].response.output_text
    return bare(seen[-1].response)


async def accumulated(client: openai.AsyncOpenAI, **asked: Any) -> dict[str, Any]:
    """`responses.stream`, which puts the answer together as it comes; what it has then is what the end says."""
    texts: dict[tuple[int, int], str] = {}
    arguments: dict[int, str] = {}
    async with client.responses.stream(**asked) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                texts[event.output_index, event.content_index] = event.snapshot
            elif event.type == "response.function_call_arguments.delta":
                arguments[event.output_index] = event.snapshot
        final = await stream.get_final_response()
    for (item, part), text in texts.items():
        assert final.output[item].content[part].text == text
    for item, text in arguments.items():
        assert final.output[item].arguments == text
    assert bool(texts) == bool(final.output_text)
    return bare(final)


def bare(response: Any) -> dict[str, Any]:
    """Without what the SDK parses into it."""
    read: dict[str, Any] = response.model_dump(mode="json", exclude_unset=True, warnings=False)
    for item in read["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return read


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("begin", [plain, events, accumulated])
async def test_every_way_of_asking_gives_one_answer(
    scene: Scene, client: openai.AsyncOpenAI, case: str, begin: Any
) -> None:
    asked = scene.asked
    question = {"model": "toy", "user": f"{case} {begin.__name__}", **CASES[case]}
    first = await begin(client, **question)
    assert first["status"] == "completed"
    assert first["output"]
    assert [await again(client, **question) for again in (plain, events, accumulated)] == [first] * 3
    assert scene.asked == asked + 1


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers_of_every_kind_are_put_together_alike(scene: Scene, name: str) -> None:
    async def say(request: web.Request) -> web.StreamResponse:
        if orjson.loads(await request.read()).get("stream"):
            return web.Response(body=streamed(ANSWERS[name]), content_type="text/event-stream")
        return web.json_response(ANSWERS[name])

    async with provider(say) as (script, base), scene.proxy(entry("m", "openai/m", base)) as proxy:
        async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{proxy.url}/v1", max_retries=0) as client:
            for begin in (plain, events):
                question = {"model": "m", "input": f"{name} {begin.__name__}"}
                told = [await one(client, **question) for one in (begin, plain, events, accumulated)]
                assert all(one == ANSWERS[name] for one in told)
        assert len(script.seen) == 2


async def test_a_hit_is_told_by_its_header(client: openai.AsyncOpenAI) -> None:
    for hit in (False, True):
        plain = await client.responses.with_raw_response.create(model="toy", input="by its header")
        assert ("x-litellm-cache-key" in plain.headers) is hit
    for hit in (False, True):
        raw = await client.responses.with_raw_response.create(model="toy", input="by its header too", stream=True)
        assert ("x-litellm-cache-key" in raw.headers) is hit
        assert [event async for event in raw.parse()]


async def test_controls_go_in_by_extra_body(scene: Scene, client: openai.AsyncOpenAI) -> None:
    asked = scene.asked
    for _ in range(2):
        await client.responses.create(model="toy", input="extra", extra_body={"cache": {"no-store": True}})
    await client.responses.create(model="toy", input="extra", extra_body={"cache": {"namespace": "mine"}})
    await client.responses.create(model="toy", input="extra", extra_body={"cache": {"namespace": "mine"}})
    assert scene.asked == asked + 3


async def test_errors_reach_the_sdk_as_the_providers(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await client.responses.create(model="toy-error-429", input="no")
    assert limited.value.code == "toy-error-429"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="toy", input="no", extra_body={"input": {}})
    assert refused.value.param == "input"
    stream = await client.responses.create(model="toy-stream-error", input="no", stream=True)
    assert [event async for event in stream][-1].type == "error"
    with pytest.raises(openai.APIConnectionError):
        stream = await client.responses.create(model="toy-broken-stream", input="no", stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
