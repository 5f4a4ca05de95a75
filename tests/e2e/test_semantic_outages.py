"""Matching by meaning while a part of it is away: nobody gets an error, and the exact key goes on answering."""

import asyncio
from pathlib import Path

import aiohttp

from tests.e2e.asking import Client
from tests.e2e.meanings import RedisVectors, semantic_scene, similarity
from tests.e2e.stack import Parts, eventually, parts, toy_provider
from tests.servers import free_port

TWO_MODELS = """
model_list:
  - {{model_name: toy, litellm_params: {{model: openai/toy, api_base: "{base}", api_key: sk-of-the-proxy}}}}
  - {{model_name: vectors, litellm_params: {{model: openai/toy-embedding, api_base: "{embedder}", api_key: sk-too}}}}
litellm_settings:
{settings}
"""
EMBEDDINGS = "/v1/embeddings"


async def searches(client: Client, outcome: str) -> float:
    text = (await client.send("GET", "/metrics")).body.decode()
    lines = (line for line in text.splitlines() if line.startswith("askonce_semantic_searches_total"))
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'"{outcome}"' in line)


def config_of(vectors: RedisVectors, base: str, embedder: str) -> str:
    return TWO_MODELS.format(base=base, embedder=embedder, settings=vectors.settings("vectors"))


async def points_of(vectors: RedisVectors, key: str) -> int:
    return sum(key in point for point in await vectors.points())


async def test_a_model_of_the_list_embeds_each_text_once_and_exact_hits_cost_nothing(tmp_path: Path):
    vectors = RedisVectors(tmp_path / "vectors")
    vectors.server.start()
    try:
        async with (
            toy_provider() as (toy, base),
            parts(tmp_path, config_of(vectors, base, base), frontends=1, writers=1) as stack,
            aiohttp.ClientSession() as session,
        ):
            client = Client(session, stack.urls[0])
            started = toy.calls[EMBEDDINGS]  # to see that it answers
            first = await client.chat("What does a stork eat?")
            assert (first.hit, similarity(first)) == (False, 0.0)
            assert toy.calls[EMBEDDINGS] == started + 1
            assert (await client.chat("What does a stork eat?")).hit
            other = await client.chat("What does a stork eat?", temperature=0.5)
            assert (other.hit, similarity(other)) == (False, 0.0)
            assert toy.calls[EMBEDDINGS] == started + 1
            assert await eventually(lambda: one_point(vectors, str(first.key)))
    finally:
        vectors.server.kill()


async def one_point(vectors: RedisVectors, key: str) -> bool:
    return await points_of(vectors, key) == 1


async def test_without_an_embedder_the_exact_key_answers(tmp_path: Path):
    vectors = RedisVectors(tmp_path / "vectors")
    vectors.server.start()
    try:
        nowhere = f"http://127.0.0.1:{free_port()}/v1"
        async with (
            toy_provider() as (toy, base),
            parts(tmp_path, config_of(vectors, base, nowhere), frontends=1, writers=1) as stack,
            aiohttp.ClientSession() as session,
        ):
            client = Client(session, stack.urls[0])
            assert '"event":"embedder_unavailable"' in stack.frontends[0].output
            answers = [await client.chat(f"question {number}") for number in range(8)]
            assert [(one.status, one.hit, similarity(one)) for one in answers] == [(200, False, None)] * 8
            assert await searches(client, "no-vector") == 8
            assert (await client.chat("question 3")).hit
            assert toy.calls["/v1/chat/completions"] == 8
            await restart(stack)
            again = Client(session, stack.urls[-1])
            assert (await again.chat("question 3")).cache["detail"] == "redis-semantic", "kept without its vector"
    finally:
        vectors.server.kill()


async def restart(stack: Parts) -> None:
    """The frontend again, with an empty memory, once what it kept is written."""
    await stack.frontends.pop().stop()
    await stack.add_frontend()
    async with aiohttp.ClientSession() as session:
        client = Client(session, stack.urls[-1])

        async def healthy() -> bool:
            return (await client.send("GET", "/cache/ping")).status == 200

        assert await eventually(healthy)


async def test_without_the_store_questions_are_asked_and_nothing_is_searched(tmp_path: Path):
    async with semantic_scene("redis-semantic", tmp_path) as scene:
        await scene.kept("How do I reset my password?", "before")
        scene.vectors.server.stop()
        answers = [await scene.ask(f"How can I reset my password number {n}?", "before") for n in range(8)]
        assert [(one.status, one.hit) for one in answers] == [(200, False)] * 8
        assert await searches(scene.a, "store-unavailable") >= 1
        scene.vectors.server.start()  # empty: what is asked from here on is found again

        async def found_again() -> bool:
            await scene.ask("Where do storks spend the winter?", "after")
            return (await scene.ask("Where do the storks spend the winter?", "after", cache={"no-store": True})).hit

        assert await eventually(found_again)


async def test_what_was_asked_just_before_a_frontend_stops_is_kept_with_its_vector(tmp_path: Path):
    async with semantic_scene("redis-semantic", tmp_path) as scene:
        asked = [f"Which bird sings in the month of {month}?" for month in ("March", "April", "May", "June")]
        cache = {"no-cache": True}
        first = await asyncio.gather(*(scene.ask(text, "stop", cache=cache) for text in asked))
        await scene.stack.frontends[0].stop()

        async def all_written() -> bool:
            points = await scene.vectors.points()
            return all(any(str(answer.key) in point for point in points) for answer in first)

        assert await eventually(all_written)
