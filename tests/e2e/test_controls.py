"""What requests say about caching, by body and by header, on all four routes; and what a config says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio

from askonce.toy.provider import Toy
from tests.e2e.asking import CALL_TYPES, PATHS, Client, body, form
from tests.e2e.solo import solo
from tests.e2e.stack import config, eventually, toy_provider
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CACHES = {
    "plain": "{type: local}",
    "opt_in": "{type: local, mode: default_off}",
    "none": "{type: local, supported_call_types: []}",
    "some": "{type: local, supported_call_types: [acompletion, embedding]}",
    "team": "{type: local, namespace: team}",
    "brief": "{type: local, ttl: 0}",
}


@dataclass
class Scene:
    toy: Toy
    clients: dict[str, Client]

    @property
    def plain(self) -> Client:
        return self.clients["plain"]

    @property
    def asked(self) -> int:
        """How often the provider was asked so far."""
        return sum(self.toy.calls.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("controls")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with AsyncExitStack() as stack:
            toy, base = await stack.enter_async_context(toy_provider())
            clients = {}
            for name, params in CACHES.items():
                text = config(base, f"  cache: true\n  cache_params: {params}\n")
                clients[name] = await stack.enter_async_context(solo(folder, text, nats))
            clients["off"] = await stack.enter_async_context(solo(folder, config(base, "  cache: false\n"), nats))
            yield Scene(toy, clients)
    finally:
        nats.stop()


every_route = pytest.mark.parametrize("call_type", CALL_TYPES)


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
    assert second.json == first.json


@every_route
async def test_the_routes_are_served_with_and_without_v1(scene: Scene, call_type: str) -> None:
    with_v1 = await scene.plain.ask(call_type, "by both names")
    said = form("by both names") if call_type == "transcription" else orjson.dumps(body(call_type, "by both names"))
    without = await scene.plain.send("POST", PATHS[call_type], data=said)
    assert without.hit
    assert without.json == with_v1.json


@every_route
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_ttl_of_zero_keeps_nothing(scene: Scene, call_type: str, stream: bool) -> None:
    more: dict[str, Any] = {"stream": True} if stream else {}
    answer = await scene.plain.ask(call_type, f"ttl zero {stream}", {"ttl": 0}, **more)
    assert answer.status == 200
    assert not answer.stored
    assert answer.cache["detail"] == "ttl-zero"
    assert not await scene.plain.hits(call_type, f"ttl zero {stream}")


async def test_an_entry_ends_with_its_ttl(scene: Scene) -> None:
    for call_type in CALL_TYPES:
        answer = await scene.plain.ask(call_type, "soon over", {"ttl": 1})
        assert answer.cache["ttl"] == 1
        assert (await scene.plain.ask(call_type, "not soon over", {"ttl": 3600.5})).cache["ttl"] == 3600

    async def over() -> bool:
        return not any([await scene.plain.hits(call_type, "soon over") for call_type in CALL_TYPES])

    assert await eventually(over)
    assert all([await scene.plain.hits(call_type, "not soon over") for call_type in CALL_TYPES])


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
async def test_max_age_in_the_header_is_the_same(scene: Scene, call_type: str) -> None:
    await scene.plain.ask(call_type, "aged by header")
    young = await scene.plain.ask(call_type, "aged by header", header_cache_control="max-age=3600")
    assert young.hit
    old = await scene.plain.ask(call_type, "aged by header", header_cache_control="max-age=0")
    assert not old.hit
    assert old.stored, "what was asked anew is kept"


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
    assert again.json == fresh.json, "the newer answer took the place of the older"


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
    assert answer.error["type"] == "not_cached"
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
async def test_caching_may_be_on_for_some_routes_or_for_none(scene: Scene, call_type: str) -> None:
    for name, on in (("some", ("completion", "embedding")), ("none", ()), ("off", ())):
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


WRONG: dict[str, list[Any]] = {
    "cache": [1, "no-cache", ["no-cache"], True],
    "cache.ttl": [{"ttl": "60"}, {"ttl": -1}, {"ttl": True}, {"ttl": [60]}],
    "cache.s-maxage": [{"s-maxage": "60"}, {"s-maxage": -0.1}, {"s-maxage": {}}],
    "cache.s-max-age": [{"s-max-age": "60"}],
    "cache.no-cache": [{"no-cache": 1}, {"no-cache": "true"}, {"no-cache": []}],
    "cache.no-store": [{"no-store": 0}, {"no-store": "no"}],
    "cache.use-cache": [{"use-cache": 1}],
    "cache.namespace": [{"namespace": ""}, {"namespace": 5}, {"namespace": "a b"}, {"namespace": "x" * 129}],
}


@pytest.mark.parametrize("call_type", CALL_TYPES[:3])
@pytest.mark.parametrize("param", WRONG)
async def test_a_wrong_control_is_400_and_names_itself(scene: Scene, call_type: str, param: str) -> None:
    asked = scene.asked
    for said in WRONG[param]:
        answer = await scene.plain.ask(call_type, "wrong", said)
        assert answer.status == 400, said
        assert answer.error["param"] == param
        assert answer.error["type"] == "invalid_request_error"
    assert scene.asked == asked


async def test_a_wrong_control_in_a_form_or_a_header_is_400_too(scene: Scene) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"cache": {"ttl": "soon"}}, "cache.ttl"),
        ({"cache": "[]"}, "cache"),
        ({"cache": "{"}, "cache"),
        ({"cache[ttl]": "-1"}, "cache.ttl"),
        ({"cache[no-cache]": "perhaps"}, "cache.no-cache"),
        ({"cache[namespace]": "a b"}, "cache.namespace"),
    ]
    for fields, param in wrong:
        answer = await scene.plain.ask("transcription", "wrong form", **fields)
        assert (answer.status, answer.error["param"]) == (400, param)
    for value in ("max-age=soon", "max-age=-1", "max-age"):
        answer = await scene.plain.chat("wrong header", header_cache_control=value)
        assert (answer.status, answer.error["param"]) == (400, "Cache-Control")


async def test_nulls_and_unknown_names_say_nothing(scene: Scene) -> None:
    nothing = {"ttl": None, "s-maxage": None, "no-cache": None, "namespace": None, "use_cache": 5, "no-log": "x"}
    assert (await scene.plain.chat("nothing said", nothing)).cache["ttl"] == 600
    assert (await scene.plain.chat("nothing said", header_cache_control="private, stale-if-error=5, x")).hit
    assert (await scene.plain.chat("nothing said", {})).hit


async def test_the_object_wins_over_the_header(scene: Scene) -> None:
    await scene.plain.chat("who wins")
    assert (await scene.plain.chat("who wins", {"no-cache": False}, header_cache_control="no-cache")).hit
    assert (await scene.plain.chat("who wins", {"s-maxage": 60}, header_cache_control="max-age=0")).hit
    assert not (await scene.plain.chat("who wins", {"ttl": 60}, header_cache_control="no-cache")).hit


async def test_header_lines_of_one_name_count_together(scene: Scene) -> None:
    headers = [("Cache-Control", "no-cache"), ("Cache-Control", "no-store")]
    said = {"model": "toy", "messages": [{"role": "user", "content": "two lines"}]}
    answer = await scene.plain.send("POST", "/v1/chat/completions", json=said, headers=headers)
    assert answer.cache["fwd"] == "bypass"


@pytest.mark.parametrize("call_type", CALL_TYPES[:3])
async def test_the_provider_never_sees_the_controls(scene: Scene, call_type: str) -> None:
    said = {"ttl": 5, "namespace": "unseen", "no-log": True}
    await scene.plain.ask(call_type, "unseen", said, header_cache_control="max-age=5")
    seen = scene.toy.seen[-1]
    assert seen.path == f"/v1{PATHS[call_type]}"
    assert "cache" not in orjson.loads(seen.body)
    assert "cache-control" not in seen.headers


@every_route
async def test_askers_at_the_same_time_are_one_question(scene: Scene, call_type: str) -> None:
    asked = scene.asked
    answers = await asyncio.gather(*(scene.plain.ask(call_type, "all at once") for _ in range(8)))
    assert scene.asked == asked + 1
    assert all(answer.json == answers[0].json for answer in answers)
    if call_type in {"completion", "text_completion"}:
        both = [scene.plain.ask(call_type, "in both forms", stream=number % 2 == 0) for number in range(6)]
        assert all(answer.status == 200 for answer in await asyncio.gather(*both))
        assert scene.asked == asked + 2
        asked += 1
    anew = await asyncio.gather(*(scene.plain.ask(call_type, "all at once", {"no-cache": True}) for _ in range(3)))
    assert scene.asked == asked + 4, "who asks anew joins nobody"
    assert not any("collapsed" in answer.cache for answer in anew)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(scene: Scene) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{scene.plain.url}/v1", max_retries=0) as client:
        yield client


async def test_the_sdk_says_controls_in_a_body(scene: Scene, sdk: openai.AsyncOpenAI) -> None:
    async def ask(**cache: object) -> str | None:
        raw = await sdk.chat.completions.with_raw_response.create(
            model="toy", messages=[{"role": "user", "content": "by sdk"}], extra_body={"cache": cache}
        )
        return raw.headers.get("x-litellm-cache-key")

    assert await ask(namespace="sdk") is None
    assert str(await ask(namespace="sdk")).startswith("sdk:")
    assert await ask(**{"namespace": "sdk", "no-cache": True}) is None
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(ttl="long")
    assert refusal.value.param == "cache.ttl"


async def test_the_sdk_says_controls_in_a_form(scene: Scene, sdk: openai.AsyncOpenAI) -> None:
    async def ask(**cache: object) -> str | None:
        raw = await sdk.audio.transcriptions.with_raw_response.create(
            model="toy", file=("a.wav", b"by sdk", "audio/wav"), extra_body={"cache": cache}
        )
        return raw.headers.get("x-litellm-cache-key")

    assert await ask(**{"no-store": True, "namespace": "123"}) is None
    assert await ask(namespace="123", ttl=60) is None
    assert str(await ask(namespace="123")).startswith("123:"), "a namespace of digits is text"
    assert await ask(**{"namespace": "123", "s-maxage": 0}) is None
    assert await ask(**{"namespace": "123", "no-cache": True}) is None
    assert await ask(**{"namespace": "123", "no-cache": False, "use-cache": True}) is not None
    assert await ask() is None
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(ttl=-5)
    assert refusal.value.param == "cache.ttl"
