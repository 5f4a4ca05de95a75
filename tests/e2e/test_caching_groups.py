"""Models of one of `caching_groups`: what one of them said answers for the other."""

import asyncio

import pytest

from tests.e2e.falls import Fall, Held, fails, fall, stage

__all__ = ["fall", "stage"]
pytestmark = pytest.mark.asyncio(loop_scope="module")
TOGETHER = {"caching_groups": (("a", "b"),)}


@pytest.mark.parametrize("how", [{}, {"stream": True}])
async def test_an_answer_of_one_is_a_hit_for_the_other_on_every_frontend(fall: Fall, how: dict[str, bool]) -> None:
    async with fall.frontends(2, **TOGETHER) as (here, there):
        first = await here.chat("hi", model="b", **how)
        assert first.stored
        for client in (here, there):
            for model in "ab":
                found = await client.chat("hi", model=model, **how)
                assert found.hit
                assert found.key == first.key
                assert (await client.chat("hi", model=model)).hit
        assert not (await there.chat("hi", model="c", **how)).hit
        assert not (await there.chat("hi", model="a", temperature=0, **how)).hit
        assert not (await there.chat("hi", {"namespace": "mine"}, model="a", **how)).hit
    assert fall.models.calls == {"b": 1, "c": 1, "a": 2}


async def test_each_vector_is_shared(fall: Fall) -> None:
    async with fall.frontend(**TOGETHER) as client:
        await client.ask("embedding", "one", model="a")
        both = await client.send("POST", "/v1/embeddings", json={"model": "b", "input": ["one", "three"]})
        assert both.cache["fwd"] == "partial"
        assert [one["embedding"] for one in both.json["data"]] == [[0.0, 3.0], [1.0, 5.0]]
        assert (await client.ask("embedding", "three", model="a")).hit


async def test_a_fallback_within_the_group_is_asked_and_is_a_hit_for_the_failed_one(fall: Fall) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontend(fallbacks={"a": ("b",)}, **TOGETHER) as client:
        fallen = await client.chat("hi", model="a")
        assert (fallen.status, fallen.headers["x-litellm-model-group"]) == (200, "b")
        again = await client.chat("hi", model="a")
        assert again.hit
        assert again.body == fallen.body
    assert fall.models.calls == {"a": 1, "b": 1}


async def test_who_joined_the_failure_of_another_model_is_answered_by_its_own(fall: Fall) -> None:
    fall.models.fail["a"] = held = Held(fails(503))
    async with fall.frontend(**TOGETHER) as client:
        asking = asyncio.create_task(client.chat("hi", model="a"))
        await held.asked(fall.models, "a")
        joining = asyncio.create_task(client.chat("hi", model="b"))
        assert (await client.chat("other", model="b")).status == 200  # it came after the one that joins
        held.goes_on.set()
        assert (await asking).status == 503
        joined = await joining
    assert (joined.status, joined.headers["x-litellm-model-group"]) == (200, "b")
