"""How requests say what they want of the cache: by object, form or header, by hand or by SDK, rightly or wrongly."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio

from tests.e2e import controls
from tests.e2e.asking import EVERY_PATH, OF_JSON
from tests.e2e.controls import Scene, error, every_route

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = controls.scene

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


@pytest.mark.parametrize("call_type", OF_JSON)
@pytest.mark.parametrize("param", WRONG)
async def test_a_wrong_control_is_400_and_names_itself(scene: Scene, call_type: str, param: str) -> None:
    asked = scene.asked
    for said in WRONG[param]:
        answer = await scene.plain.ask(call_type, "wrong", said)
        assert answer.status == 400, said
        told = error(call_type, answer)
        assert (told["type"], told["param"]) == ("invalid_request_error", param)
    assert scene.asked == asked


async def test_a_wrong_control_in_a_form_is_400_too(scene: Scene) -> None:
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


@every_route
async def test_a_wrong_control_in_the_header_is_400_too(scene: Scene, call_type: str) -> None:
    asked = scene.asked
    for value in ("max-age=soon", "max-age=-1", "max-age", "s-maxage=0.5", "ttl=long", "namespace=a b"):
        answer = await scene.plain.ask(call_type, "wrong header", header_cache_control=value)
        assert (answer.status, error(call_type, answer)["param"]) == (400, "Cache-Control")
    assert scene.asked == asked


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


@pytest.mark.parametrize("call_type", OF_JSON)
async def test_the_provider_never_sees_the_controls(scene: Scene, call_type: str) -> None:
    said = {"ttl": 5, "namespace": "unseen", "no-log": True}
    await scene.plain.ask(call_type, "unseen", said, header_cache_control="max-age=5")
    seen = scene.toy.seen[-1]
    assert seen.path == f"/v1{EVERY_PATH[call_type]}"
    assert "cache" not in orjson.loads(seen.body)
    assert "cache-control" not in seen.headers


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
