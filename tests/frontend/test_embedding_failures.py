"""The service that embeds, where the embedder fails: who waits, who asks, and who tries again."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from askonce.core.entry import Vector
from askonce.core.errors import EmbedderUnavailable
from askonce.frontend.embedders.breaker import Breaker
from askonce.frontend.embedders.remote import Remote
from tests.frontend.embeddings import SHORT, Provider, embedding, fail, held, ill, provider, said, values
from tests.frontend.kit import Clock, count, settle, until


async def test_a_failing_provider_costs_vectors_and_after_five_failures_nobody_asks_it() -> None:
    async with provider(ill) as there, embedding(there.base) as scene:
        await fail(scene, 4)
        assert not scene.breaker_open
        await fail(scene, 1)
        assert scene.breaker_open
        await fail(scene, 3)
        assert len(there.inputs) == 5
        assert (scene.outcomes("error"), scene.outcomes("open")) == (5, 3)
        with pytest.raises(EmbedderUnavailable, match="status 503"):
            await scene.embedding.ping()


async def test_a_success_between_failures_counts_from_the_start() -> None:
    async with provider(ill) as there, embedding(there.base) as scene:
        await fail(scene, 4)
        there.answer, before = Provider.answer, there.answer
        assert await scene.embedding.vector("between")
        there.answer = before
        await fail(scene, 4)
        assert not scene.breaker_open


async def test_requests_that_wait_in_vain_open_the_breaker_and_patience_does_not() -> None:
    async with provider(shut=True) as there, embedding(there.base, deadline=SHORT) as scene:
        patient = [asyncio.create_task(scene.embedding.vector(f"{n}", patient=True)) for n in range(6)]
        await fail(scene, 4)
        assert not scene.breaker_open
        await fail(scene, 1)
        assert scene.breaker_open
        there.gate.set()
        assert all(await asyncio.gather(*patient))
        assert scene.breaker_open


async def test_patience_in_vain_says_nothing_of_the_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askonce.frontend.embedding._PATIENCE", SHORT)
    async with provider(shut=True) as there, embedding(there.base) as scene:
        for number in range(6):
            assert await scene.embedding.vector(str(number), patient=True) is None
        assert scene.outcomes("timeout") == 6
        assert not scene.breaker_open


async def test_known_texts_are_answered_while_the_breaker_is_open() -> None:
    async with provider() as there, embedding(there.base) as scene:
        known = await scene.embedding.vector("known")
        there.answer = ill
        await fail(scene, 5)
        assert scene.breaker_open
        assert await scene.embedding.vector("known") == known


async def test_after_a_pause_one_text_is_tried_that_nobody_waits_for() -> None:
    async with provider(ill) as there, embedding(there.base) as scene:
        await fail(scene, 5)
        scene.clock.now += 0.9
        await fail(scene, 1)
        assert len(there.inputs) == 5
        there.answer = Provider.answer
        there.gate.clear()
        scene.clock.now += 0.2
        assert await scene.embedding.vector("tried") is None
        assert await scene.embedding.vector("not tried") is None
        await until(lambda: len(there.inputs) == 6)
        assert scene.breaker_open
        there.gate.set()
        await until(lambda: not scene.breaker_open)
        assert await scene.embedding.vector("tried") == Vector(scene.embedding.space, values("tried"))
        assert there.inputs[5:] == [["tried"]]
        assert await scene.embedding.vector("not tried")


async def test_a_try_that_takes_longer_than_a_request_would_wait_does_not_close_it() -> None:
    async with provider(shut=True) as there, embedding(there.base, deadline=SHORT) as scene:
        await fail(scene, 5)
        there.gate.set()
        await until(lambda: count(scene.metrics, "askonce_embedding_seconds_count") == Remote.calls)
        there.gate.clear()
        scene.clock.now += 1
        assert await scene.embedding.vector("tried") is None
        await until(lambda: len(there.inputs) == Remote.calls + 1)
        await asyncio.sleep(2 * SHORT)
        there.gate.set()
        await until(lambda: count(scene.metrics, "askonce_embedding_seconds_count") == Remote.calls + 1)
        assert scene.breaker_open


def test_pauses_double_up_to_half_a_minute_and_begin_anew() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(2):
        assert [breaker.failed(clock.now) for _ in range(6)] == [False, False, False, False, True, False]
        for pause in (1, 2, 4, 8, 16, 30, 30):
            clock.now += pause - 0.01
            assert not breaker.try_now()
            clock.now += 0.01
            assert breaker.try_now()
            clock.now += 100
            assert not breaker.try_now()
            breaker.stay_open()
        breaker.close()
        assert not breaker.open
        assert not breaker.try_now()


def test_what_was_under_way_together_fails_once() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    started = clock.now
    for _ in range(100):
        clock.now += 0.01
        assert not breaker.failed(started)
    for _ in range(3):
        assert not breaker.failed(clock.now)
    assert breaker.failed(clock.now)


async def test_texts_of_one_failed_call_are_one_failure() -> None:
    async with provider(ill) as there, embedding(there.base, clock=Clock(step=0.001)) as scene:
        assert await asyncio.gather(*(scene.embedding.vector(str(n)) for n in range(10))) == [None] * 10
        assert scene.outcomes("error") == 10
        assert len(there.inputs) == 1
        assert not scene.breaker_open


async def test_a_text_that_the_model_does_not_take_is_no_failure() -> None:
    async def refuses(body: dict[str, Any]) -> web.StreamResponse:
        return said({"error": {"message": "too long"}}, 400)

    async with provider(refuses) as there, embedding(there.base) as scene:
        await fail(scene, 6)
        assert scene.outcomes("unfit") == 6
        assert not scene.breaker_open
        assert await scene.embedding.vector("half a pair: \ud83d") is None
        assert len(there.inputs) == 6
        with pytest.raises(EmbedderUnavailable):
            await scene.embedding.ping()


class Buggy(Remote):
    """It loses a vector."""

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        return (await super().embed(texts))[1:]


async def test_a_bug_costs_vectors_and_is_told() -> None:
    async with provider() as there, embedding(there.base, made=Buggy) as scene:
        assert await asyncio.gather(*map(scene.embedding.vector, ("one", "two"))) == [None, None]
        assert scene.outcomes("error") == 2


async def test_closing_leaves_nobody_waiting_and_nothing_running() -> None:
    async with provider(shut=True) as there:
        async with embedding(there.base) as scene:
            tasks = await held(there, scene)
            tasks += [asyncio.create_task(scene.embedding.vector(f"{n}", patient=n > 5)) for n in range(10)]
            await settle()
            await scene.embedding.close()
            assert await asyncio.gather(*tasks) == [None] * 12
            assert await scene.embedding.vector("after") is None
            assert "embedding" not in {task.get_name() for task in asyncio.all_tasks()}
        assert len(there.inputs) == Remote.calls


async def test_closing_before_a_call_began_leaves_nobody_waiting() -> None:
    async with provider() as there, embedding(there.base) as scene:
        asked = asyncio.create_task(scene.embedding.vector("asked"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the call is a task that has not run yet
        await scene.embedding.close()
        assert await asked is None
        assert scene.outcomes("error") == 1
