"""Identical asks at the same time are one upstream call, whatever their form; and what is shared is shared whole."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import orjson
import pytest
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.e2e.asking import Answer, Client
from tests.e2e.gated import WORDS, Gated, gated_provider
from tests.e2e.stack import config, eventually, parts, toy_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 50
GATED_MODEL = """model_list:
  - model_name: gated
    litellm_params:
      model: openai/gated
      api_base: {base}
      api_key: sk-of-the-proxy
"""


@dataclass
class Place:
    """One frontend in front of two providers.

    `sent` counts the requests that have left this process whole, and `asked` those that are waited for no more.
    """

    client: Client
    gated: Gated
    toy: Toy
    sent: int = 0
    asked: int = 0

    def ask(self, text: str, **more: object) -> "asyncio.Task[Answer]":
        return asyncio.create_task(self.client.chat(text, model="gated", **more))

    async def arrived(self, asks: int) -> None:
        """Waits until so many more requests are in the frontend's hands."""
        target = self.asked + asks
        assert await eventually(lambda: truth(self.sent >= target))
        for _ in range(3):  # answered behind them, by the same loop
            await self.client.send("GET", "/health/liveliness")
        self.asked = self.sent


async def truth(value: bool) -> bool:
    return value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("coalescing")
    async with toy_provider(latency=0.2) as (toy, toy_base), gated_provider() as (gated, gated_base):
        text = config(toy_base, "  cache: true\n  cache_params:\n    type: local\n")
        text = text.replace("model_list:\n", GATED_MODEL.format(base=gated_base), 1)
        tracing = aiohttp.TraceConfig()

        async def count(_session: object, _context: object, params: aiohttp.TraceRequestChunkSentParams) -> None:
            place.sent += params.method == "POST"

        tracing.on_request_chunk_sent.append(count)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            parts(folder, text, frontends=1, writers=0) as stack,
            aiohttp.ClientSession(connector=connector, trace_configs=[tracing]) as session,
        ):
            place = Place(Client(session, stack.urls[0]), gated, toy)
            yield place
            gated.open()


@pytest.fixture
def place(shared: Place) -> Place:
    shared.gated.shut()
    shared.asked = shared.sent
    return shared


def said(answer: Answer) -> str:
    """What the model said, out of either form, which must be whole."""
    if answer.headers["Content-Type"].startswith("text/event-stream"):
        return "".join(choice["delta"].get("content", "") for one in answer.chunks for choice in one["choices"])
    return str(answer.json["choices"][0]["message"]["content"])


@pytest.mark.parametrize("forms", [(False,), (True,), (False, True), (True, False)], ids=str)
async def test_fifty_identical_asks_are_one_call(place, forms):
    tasks = [place.ask(f"fifty {forms}", stream=forms[n % len(forms)]) for n in range(MANY)]
    await place.arrived(MANY)
    place.gated.open()
    answers = await asyncio.gather(*tasks)
    assert [answer.status for answer in answers] == [200] * MANY
    assert {said(answer) for answer in answers} == {"".join(WORDS)}
    assert place.gated.calls == 1
    joined = sum("collapsed" in answer.cache for answer in answers)
    assert joined == MANY // len(forms) - 1, "the others were told where theirs came from"
    assert sum(answer.hit for answer in answers) == MANY - joined - 1


async def test_fifty_identical_embeddings_are_one_call(place):
    before = place.toy.calls["/v1/embeddings"]
    answers = await asyncio.gather(*(place.client.ask("embedding", "the same vector") for _ in range(MANY)))
    assert len({orjson.dumps(answer.json["data"]) for answer in answers}) == 1
    assert place.toy.calls["/v1/embeddings"] == before + 1


async def test_the_first_chunk_does_not_wait_for_the_last(place):
    place.gated.head.set()
    all_began = asyncio.Barrier(3)

    async def read() -> bytes:
        async with streaming(place, "promptly") as response:
            first = await response.content.readuntil(b"\n\n")
            assert WORDS[0].encode() in first
            await all_began.wait()
            place.gated.rest.set()  # not before: until here the provider had no more to say
            return first + await response.content.read()

    async with asyncio.timeout(20):
        bodies = await asyncio.gather(*(read() for _ in range(3)))
    assert place.gated.calls == 1
    assert len(set(bodies)) == 1
    assert b"[DONE]" in bodies[0]
    assert await place.client.hits("completion", "promptly", model="gated")


def streaming(place: Place, text: str):
    body = {"model": "gated", "messages": [{"role": "user", "content": text}], "stream": True}
    return place.client.session.post(f"{place.client.url}/v1/chat/completions", json=body)


async def test_a_client_that_leaves_after_the_first_chunk_leaves_the_answer_behind(place):
    place.gated.head.set()
    response = await streaming(place, "leaving early")
    await response.content.readuntil(b"\n\n")
    response.close()
    assert not await place.client.hits("completion", "leaving early", model="gated")
    place.gated.rest.set()
    assert await eventually(lambda: place.client.hits("completion", "leaving early", model="gated"))
    assert place.gated.calls == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_first_byte_does_so_too(place, stream):
    text = f"leaving at once {stream}"
    task = place.ask(text, stream=stream)
    await place.arrived(1)
    assert place.gated.calls == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    place.gated.open()
    assert await eventually(lambda: place.client.hits("completion", text, model="gated"))
    assert place.gated.calls == 1


async def test_who_does_not_store_neither_joins_nor_is_joined(place):
    private = [place.ask("privately", cache={"no-store": True}) for _ in range(2)]
    await place.arrived(2)
    public = [place.ask("privately") for _ in range(2)]
    await place.arrived(2)
    private.append(place.ask("privately", cache={"no-store": True}))
    await place.arrived(1)
    assert place.gated.calls == 4
    place.gated.open()
    for answer in await asyncio.gather(*private):
        assert (answer.status, "collapsed" in answer.cache, answer.stored) == (200, False, False)
    first, second = await asyncio.gather(*public)
    assert (first.json["id"], first.stored) == (second.json["id"], True)
    assert "collapsed" in second.cache


@pytest.mark.parametrize("forms", [(False,), (True,)], ids=str)
async def test_an_error_reaches_all_who_joined_and_is_not_kept(place, forms):
    text = f"in vain {forms}"
    place.gated.status = 503
    tasks = [place.ask(text, stream=forms[n % len(forms)]) for n in range(10)]
    await place.arrived(10)
    place.gated.open()
    answers = await asyncio.gather(*tasks)
    assert {(answer.status, answer.error["message"]) for answer in answers} == {(503, "As the test wishes.")}
    assert place.gated.calls == 1
    place.gated.status = 200
    again = await place.ask(text)
    assert (again.status, again.hit) == (200, False)
    assert place.gated.calls == 2


async def test_a_broken_stream_breaks_off_for_all_who_joined_and_is_not_kept(place):
    place.gated.head.set()
    place.gated.breaks = True
    tasks = [place.ask("breaking", stream=True) for _ in range(10)]
    await place.arrived(10)
    assert place.gated.begun == 1
    place.gated.rest.set()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, aiohttp.ClientPayloadError | aiohttp.ClientConnectionError), outcome
    assert not await place.client.hits("completion", "breaking", model="gated")
    place.gated.breaks = False
    assert said(await place.ask("breaking", stream=True)) == "".join(WORDS)
    assert place.gated.calls == 2


async def test_a_broken_answer_is_an_error_for_all_who_joined_and_is_not_kept(place):
    place.gated.head.set()
    place.gated.breaks = True
    tasks = [place.ask("breaking whole") for _ in range(10)]
    await place.arrived(10)
    place.gated.rest.set()
    assert {answer.status for answer in await asyncio.gather(*tasks)} == {502}
    assert place.gated.calls == 1
    assert not await place.client.hits("completion", "breaking whole", model="gated")
