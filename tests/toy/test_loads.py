"""What the toy provider offers to whoever loads a whole stack with it: failures that pass, and texts that are near."""

from contextlib import asynccontextmanager
from math import isclose

from openai import AsyncOpenAI

from askonce.toy.provider import Toy, serving

QUESTION = [{"role": "user", "content": "Who keeps the answers?"}]


@asynccontextmanager
async def asking():
    toy = Toy(latency=0.0, pace=0.0, clock=lambda: 0.0)
    async with serving(toy) as url, AsyncOpenAI(api_key="sk-any", base_url=url, max_retries=0, timeout=10) as client:
        yield client


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_flaky_model_fails_every_second_time():
    async with asking() as client:
        ask = client.with_options(max_retries=1).chat.completions.with_raw_response.create
        for _ in range(2):
            answer = await ask(model="toy-flaky", messages=QUESTION)
            assert answer.retries_taken == 1
        assert (await ask(model="toy", messages=QUESTION)).retries_taken == 0


async def test_embeddings_by_words_are_near_where_words_are_shared():
    texts = ["How do I reset my password?", "Reset my password: how?", "Which train goes to Basel tonight?"]
    async with asking() as client:
        told = await client.embeddings.create(model="toy-embedding-words", input=texts)
        again = await client.embeddings.create(model="toy-embedding-words", input=texts[0])
    asked, near, far = [one.embedding for one in told.data]
    assert again.data[0].embedding == asked
    assert isclose(cosine(asked, asked), 1, rel_tol=1e-6)
    assert cosine(asked, near) > 0.75 > 0.4 > cosine(asked, far)
