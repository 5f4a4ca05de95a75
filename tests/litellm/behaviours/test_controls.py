"""The `cache` object of a request."""

import asyncio
from typing import Any

import pytest

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import Proxy, fresh

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ids(proxy: Proxy, text: str, *caches: dict[str, Any] | None) -> list[str]:
    found = []
    for cache in caches:
        answer = await proxy.chat(text, **({} if cache is None else {"cache": cache}))
        assert answer.status == 200, answer.body
        found.append(answer.json["id"])
    return found


async def test_no_cache_asks_each_time(proxy: Proxy) -> None:
    before = proxy.asked()
    assert len(set(await ids(proxy, fresh(), *[{"no-cache": True}] * 3))) == 3
    assert proxy.asked() == before + 3


async def test_what_no_cache_brought_is_kept(proxy: Proxy) -> None:
    old, new, then = await ids(proxy, fresh(), None, {"no-cache": True}, None)
    assert old != new == then


async def test_no_store_keeps_nothing_and_still_reads(proxy: Proxy) -> None:
    text = fresh()
    assert len(set(await ids(proxy, text, {"no-store": True}, {"no-store": True}, None))) == 3
    kept, read = await ids(proxy, text, None, {"no-store": True})
    assert kept == read


@pytest.mark.parametrize("name", ["s-maxage", "s-max-age"])
async def test_an_entry_older_than_s_maxage_is_a_miss(proxy: Proxy, name: str) -> None:
    text = fresh()
    first, young, none = await ids(proxy, text, None, {name: 60}, {name: 0})
    assert first == young != none
    await asyncio.sleep(1.1)
    (old,) = await ids(proxy, text, {name: 1})
    assert old not in {first, none}


async def test_an_entry_lives_no_longer_than_its_ttl(proxy: Proxy) -> None:
    text = fresh()
    first, again = await ids(proxy, text, {"ttl": 1}, None)
    assert first == again
    await asyncio.sleep(1.2)
    assert await ids(proxy, text, None) != [first]


async def test_ttl_zero_keeps_nothing(proxy: Proxy) -> None:
    first, second = await ids(proxy, fresh(), {"ttl": 0}, None)
    assert first != second


async def lives(proxy: Proxy, key: str) -> float:
    """Seconds that Redis keeps what has this key in its name."""

    async def there() -> bool:
        return bool(proxy.store.keys(f"*{key}"))

    assert await eventually(there)
    return float(proxy.store.pttl(proxy.store.keys(f"*{key}")[0])) / 1000


async def test_ttl_is_what_redis_is_told(proxy: Proxy) -> None:
    text = fresh()
    await proxy.chat(text, cache={"ttl": 30})
    key = (await proxy.chat(text)).key
    assert 0 < await lives(proxy, str(key)) <= 30


async def test_a_namespace_is_a_cache_of_its_own(proxy: Proxy) -> None:
    text = fresh()
    outside, inside, again = await ids(proxy, text, None, {"namespace": "team-a"}, {"namespace": "team-a"})
    assert outside != inside == again
    assert (await ids(proxy, text, {"namespace": "team-b"}, None))[1] == outside
    key = (await proxy.chat(text, cache={"namespace": "team-a"})).key
    assert str(key).startswith("team-a:")


async def test_unknown_controls_are_ignored(proxy: Proxy) -> None:
    first, again = await ids(proxy, fresh(), None, {"no-log": True, "unheard-of": 5})
    assert first == again


async def embed(proxy: Proxy, text: str, **cache: Any) -> int:
    """How often the provider was asked by it."""
    before = proxy.asked("/v1/embeddings")
    body = {"model": "toy-embedding", "input": [text], **({"cache": cache} if cache else {})}
    assert (await proxy.post("/v1/embeddings", body)).status == 200
    return proxy.asked("/v1/embeddings") - before


async def test_controls_of_embeddings(proxy: Proxy) -> None:
    text = fresh()
    assert [await embed(proxy, text), await embed(proxy, text)] == [1, 0]
    assert await embed(proxy, text, **{"no-cache": True}) == 1
    other = fresh()
    assert [await embed(proxy, other, **{"no-store": True}), await embed(proxy, other)] == [1, 1]


@pytest.mark.differs("embeddings-and-controls")
async def test_s_maxage_counts_for_embeddings(proxy: Proxy) -> None:
    text = fresh()
    assert [await embed(proxy, text), await embed(proxy, text, **{"s-maxage": 0})] == [1, 1]


@pytest.mark.differs("wrong-controls")
@pytest.mark.parametrize("wrong", [True, "no-cache", 5, []])
async def test_controls_that_are_no_object_are_the_clients_fault(proxy: Proxy, wrong: Any) -> None:
    answer = await proxy.chat(fresh(), cache=wrong)
    assert answer.status == 400
    assert answer.json["error"]["param"] == "cache"


@pytest.mark.differs("wrong-controls")
async def test_a_negative_ttl_is_the_clients_fault(proxy: Proxy) -> None:
    answer = await proxy.chat(fresh(), cache={"ttl": -5})
    assert (answer.status, answer.json["error"]["param"]) == (400, "cache.ttl")


async def test_the_provider_sees_no_controls(proxy: Proxy) -> None:
    await proxy.chat(fresh(), cache={"ttl": 5, "namespace": "unseen"})
    assert b'"cache"' not in proxy.provider.seen[-1].body
    assert b"unseen" not in proxy.provider.seen[-1].body


@pytest.mark.differs("cache-control-header")
async def test_the_header_says_the_same_as_the_object(proxy: Proxy) -> None:
    text = fresh()
    (first,) = await ids(proxy, text, None)
    body = {"model": "toy", "messages": [{"role": "user", "content": text}]}
    fresh_one = await proxy.send("POST", "/v1/chat/completions", json=body, headers={"Cache-Control": "no-cache"})
    assert fresh_one.json["id"] != first
