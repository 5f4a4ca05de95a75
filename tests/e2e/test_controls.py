"""What requests can say about caching, on every cached route, and what a config says of it."""

import asyncio
from typing import Any

import orjson
import pytest

from askonce.calls import table
from tests.e2e import controls
from tests.e2e.asking import EVERY_PATH, EVERY_TYPE, body, form
from tests.e2e.controls import Scene, error, every_route
from tests.e2e.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = controls.scene


async def test_every_cached_route_is_asked() -> None:
    assert set(EVERY_TYPE) == table.CALL_TYPES


@every_route
async def test_a_second_ask_is_a_hit_and_says_so(scene: Scene, call_type: str) -> None:
    first = await scene.plain.ask(call_type, "twice")
    assert not first.hit
    assert first.cache == {"fwd": "miss", "stored": True, "ttl": 600, "key": first.cache["key"]}
    asked = scene.asked
    second = await scene.plain.ask(call_type, "twice")
    assert second.hit
    assert second.cache == {"hit": True, "ttl": second.cache["ttl"], "key": first.cache["key"], "detail": "memory"}
    assert 0 < second.cache["ttl"] <= 600
    assert scene.asked == asked
    assert second.said == first.said


@every_route
async def test_the_routes_are_served_with_and_without_v1(scene: Scene, call_type: str) -> None:
    with_v1 = await scene.plain.ask(call_type, "by both names")
    said = form("by both names") if call_type == "transcription" else orjson.dumps(body(call_type, "by both names"))
    without = await scene.plain.send("POST", EVERY_PATH[call_type], data=said)
    assert without.hit
    assert without.said == with_v1.said


@every_route
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_ttl_of_zero_keeps_nothing(scene: Scene, call_type: str, stream: bool) -> None:
    streamed: dict[str, Any] = {"stream_format": "sse"} if call_type == "speech" else {"stream": True}
    more = streamed if stream else {}
    answer = await scene.plain.ask(call_type, f"ttl zero {stream}", {"ttl": 0}, **more)
    assert answer.status == 200
    assert not answer.stored
    assert answer.cache["detail"] == "ttl-zero"
    assert not await scene.plain.hits(call_type, f"ttl zero {stream}")


async def test_an_entry_ends_with_its_ttl(scene: Scene) -> None:
    for call_type in EVERY_TYPE:
        answer = await scene.plain.ask(call_type, "soon over", {"ttl": 1})
        assert answer.cache["ttl"] == 1
        assert (await scene.plain.ask(call_type, "not soon over", {"ttl": 3600.5})).cache["ttl"] == 3600

    async def over() -> bool:
        return not any([await scene.plain.hits(call_type, "soon over") for call_type in EVERY_TYPE])

    assert await eventually(over)
    assert all([await scene.plain.hits(call_type, "not soon over") for call_type in EVERY_TYPE])


@every_route
@pytest.mark.parametrize("name", ["s-maxage", "s-max-age"])
async def test_an_age_of_zero_accepts_nothing_and_a_larger_one_what_is_younger(
    scene: Scene, call_type: str, name: str
) -> None:
    await scene.plain.ask(call_type, f"aged {name}")
    assert await scene.plain.hits(call_type, f"aged {name}", cache={name: 3600})
    assert not await scene.plain.hits(call_type, f"aged {name}", cache={name: 0})
    assert (await scene.plain.ask(call_type, f"aged {name}", {name: 0})).cache["fwd"] == "miss"


@every_route
@pytest.mark.parametrize("name", ["max-age", "s-maxage", "s-max-age"])
async def test_an_age_in_the_header_is_the_same(scene: Scene, call_type: str, name: str) -> None:
    text = f"aged by header {name}"
    await scene.plain.ask(call_type, text)
    young = await scene.plain.ask(call_type, text, header_cache_control=f"{name}=3600")
    assert young.hit
    old = await scene.plain.ask(call_type, text, header_cache_control=f"{name}=0")
    assert not old.hit
    assert old.stored, "what was asked anew is kept"


@every_route
async def test_a_ttl_in_the_header_is_the_same(scene: Scene, call_type: str) -> None:
    kept = await scene.plain.ask(call_type, "ttl by header", header_cache_control="ttl=60")
    assert kept.cache["ttl"] == 60
    assert await scene.plain.hits(call_type, "ttl by header")
    answer = await scene.plain.ask(call_type, "ttl of zero by header", header_cache_control="ttl=0")
    assert answer.cache["detail"] == "ttl-zero"
    assert not await scene.plain.hits(call_type, "ttl of zero by header")


async def test_what_was_young_enough_gets_too_old(scene: Scene) -> None:
    await scene.plain.chat("getting old")

    async def too_old() -> bool:
        return not await scene.plain.hits("completion", "getting old", cache={"s-maxage": 0.2})

    assert await eventually(too_old)
    assert await scene.plain.hits("completion", "getting old")


@every_route
@pytest.mark.parametrize("said", [{"cache": {"no-cache": True}}, {"header_cache_control": "no-cache"}], ids=str)
async def test_no_cache_asks_anew_and_keeps_the_answer(scene: Scene, call_type: str, said: dict[str, Any]) -> None:
    text = f"anew {sorted(said)}"
    await scene.plain.ask(call_type, text)
    asked = scene.asked
    fresh = await scene.plain.ask(call_type, text, **said)
    assert not fresh.hit
    assert scene.asked == asked + 1
    assert fresh.stored
    assert fresh.cache["fwd"] == "request"
    assert fresh.cache["detail"] == "no-cache"
    again = await scene.plain.ask(call_type, text)
    assert again.hit
    assert again.said == fresh.said, "the newer answer took the place of the older"


@every_route
@pytest.mark.parametrize("said", [{"cache": {"no-store": True}}, {"header_cache_control": "no-store"}], ids=str)
async def test_no_store_keeps_nothing_and_still_reads(scene: Scene, call_type: str, said: dict[str, Any]) -> None:
    text = f"not kept {sorted(said)}"
    first = await scene.plain.ask(call_type, text, **said)
    assert not first.stored
    assert first.cache["detail"] == "no-store"
    assert not await scene.plain.hits(call_type, text)
    await scene.plain.ask(call_type, text)
    assert (await scene.plain.ask(call_type, text, **said)).hit


@every_route
async def test_no_cache_with_no_store_passes_by(scene: Scene, call_type: str) -> None:
    await scene.plain.ask(call_type, "passed by")
    asked = scene.asked
    for said in ({"cache": {"no-cache": True, "no-store": True}}, {"header_cache_control": "no-cache, no-store"}):
        answer = await scene.plain.ask(call_type, "passed by", **said)
        assert answer.cache["fwd"] == "bypass"
        assert not answer.stored
    assert scene.asked == asked + 2


@every_route
async def test_only_if_cached_asks_nobody(scene: Scene, call_type: str) -> None:
    asked = scene.asked
    answer = await scene.plain.ask(call_type, "only if cached", header_cache_control="only-if-cached")
    assert answer.status == 504
    assert error(call_type, answer)["type"] == ("api_error" if call_type == "anthropic_messages" else "not_cached")
    assert scene.asked == asked
    await scene.plain.ask(call_type, "only if cached")
    assert (await scene.plain.ask(call_type, "only if cached", header_cache_control="Only-If-Cached")).hit


@every_route
async def test_a_namespace_is_a_cache_of_its_own(scene: Scene, call_type: str) -> None:
    outside = await scene.plain.ask(call_type, "spaced")
    inside = await scene.plain.ask(call_type, "spaced", {"namespace": "a:b.c_d-E9"})
    assert not inside.hit
    again = await scene.plain.ask(call_type, "spaced", {"namespace": "a:b.c_d-E9"})
    assert again.hit
    assert outside.key.namespace == ""
    assert again.key.namespace == "a:b.c_d-E9"
    assert again.key.digest != outside.key.digest
    assert not await scene.plain.hits(call_type, "spaced", cache={"namespace": "a:b"})


@every_route
async def test_a_namespace_in_the_header_is_the_same(scene: Scene, call_type: str) -> None:
    inside = await scene.plain.ask(call_type, "spaced by header", {"ttl": 60}, header_cache_control="namespace=a:b")
    assert inside.key.namespace == "a:b"
    assert await scene.plain.hits(call_type, "spaced by header", cache={"namespace": "a:b"})
    assert not await scene.plain.hits(call_type, "spaced by header")


@every_route
async def test_a_namespace_lies_within_the_configured_one(scene: Scene, call_type: str) -> None:
    team = scene.clients["team"]
    assert (await team.ask(call_type, "nested")).key.namespace == "team"
    assert (await team.ask(call_type, "nested", {"namespace": "mine"})).key.namespace == "team:mine"
    assert (await team.ask(call_type, "nested", {"namespace": "team"})).key.namespace == "team:team"
    assert not await scene.plain.hits(call_type, "nested")


async def test_entries_of_a_namespace_are_deleted_by_the_key_of_the_header(scene: Scene) -> None:
    team = scene.clients["team"]
    for written in (str, lambda key: str(key).removeprefix("team:")):
        answer = await team.chat("to be deleted", {"namespace": "mine"})
        assert await team.hits("completion", "to be deleted", cache={"namespace": "mine"})
        deleted = await team.send("POST", "/cache/delete", json={"keys": [written(answer.key)]})
        assert deleted.json == {"status": "success"}
        assert not await team.hits("completion", "to be deleted", cache={"namespace": "mine"})


@every_route
async def test_under_default_off_only_who_asks_for_the_cache_gets_it(scene: Scene, call_type: str) -> None:
    client = scene.clients["opt_in"]
    for said in (None, {}, {"ttl": 60}, {"use-cache": False}):
        answer = await client.ask(call_type, "opted", said)
        assert answer.cache["fwd"] == "bypass"
        assert answer.cache["detail"] == "not-asked-for"
    assert (await client.ask(call_type, "opted", {"use-cache": True})).stored
    assert (await client.ask(call_type, "opted", {"use-cache": True})).hit
    assert not (await client.ask(call_type, "opted")).hit


@every_route
async def test_under_default_off_the_header_asks_for_the_cache_too(scene: Scene, call_type: str) -> None:
    client = scene.clients["opt_in"]
    assert (await client.ask(call_type, "opted by header", header_cache_control="use-cache")).stored
    assert (await client.ask(call_type, "opted by header", {"ttl": 60}, header_cache_control="use-cache")).hit
    refused = await client.ask(call_type, "opted by header", {"use-cache": False}, header_cache_control="use-cache")
    assert refused.cache["detail"] == "not-asked-for"


@every_route
async def test_caching_may_be_on_for_some_routes_or_for_none(scene: Scene, call_type: str) -> None:
    some = {"completion", "embedding", "responses", "speech"}
    for name, on in (("some", some), ("others", set(EVERY_TYPE) - some), ("none", set()), ("off", set())):
        client = scene.clients[name]
        await client.ask(call_type, f"routes {name}")
        answer = await client.ask(call_type, f"routes {name}")
        assert answer.status == 200
        assert answer.hit == (call_type in on)
        if not answer.hit:
            assert answer.cache["detail"] == ("cache-off" if name == "off" else "call-type-off")


async def test_a_configured_ttl_of_zero_keeps_nothing_but_what_says_otherwise(scene: Scene) -> None:
    client = scene.clients["brief"]
    assert (await client.chat("brief")).cache["detail"] == "ttl-zero"
    assert (await client.chat("brief", {"ttl": 60})).stored
    assert (await client.chat("brief")).hit


@every_route
async def test_askers_at_the_same_time_are_one_question(scene: Scene, call_type: str) -> None:
    asked = scene.asked
    answers = await asyncio.gather(*(scene.plain.ask(call_type, "all at once") for _ in range(8)))
    assert scene.asked == asked + 1
    assert all(answer.said == answers[0].said for answer in answers)
    if call_type in {"completion", "text_completion"}:
        both = [scene.plain.ask(call_type, "in both forms", stream=number % 2 == 0) for number in range(6)]
        assert all(answer.status == 200 for answer in await asyncio.gather(*both))
        assert scene.asked == asked + 2
        asked += 1
    anew = await asyncio.gather(*(scene.plain.ask(call_type, "all at once", {"no-cache": True}) for _ in range(3)))
    assert scene.asked == asked + 4, "who asks anew joins nobody"
    assert not any("collapsed" in answer.cache for answer in anew)
