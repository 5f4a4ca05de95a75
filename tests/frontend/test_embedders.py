"""Vectors from a provider: what is asked, what is understood, what is refused, and what a model's space is called."""

import base64
import math
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from askonce.config.settings import Deployment
from askonce.core.errors import ConfigError, EmbedderUnavailable
from askonce.frontend.embedders.open import NotServed
from askonce.frontend.embedders.remote import Remote
from askonce.toy.words import vector
from tests.e2e.stack import toy_provider
from tests.frontend.embeddings import (
    DIMENSIONS,
    KEY,
    Answer,
    answered,
    at,
    numbers,
    opened,
    provider,
    remote,
    said,
    settings,
)

TEXT = "a text that no error may quote"


def values(text: str, dimensions: int = DIMENSIONS) -> bytes:
    return struct.pack(f"<{dimensions}f", *vector(text, dimensions))


def packed(text: str) -> str:
    return base64.b64encode(values(text)).decode()


# -- what is asked ---------------------------------------------------------------------------------------------------


async def test_the_provider_is_asked_as_its_api_wants_with_the_deployments_own_key() -> None:
    deployment = {"model": "text-embedding-3-small", "defaults": {"dimensions": 4, "encoding_format": "base64"}}
    async with toy_provider() as (toy, base), remote(at(base, **deployment)) as embedder:
        assert await embedder.embed(["one", "two"]) == [values("one", 4), values("two", 4)]
        (seen,) = toy.seen
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        asked = b'{"model":"text-embedding-3-small","input":["one","two"],"encoding_format":"float","dimensions":4}'
        assert seen.body == asked


async def test_without_a_key_of_its_own_no_credential_goes_to_a_provider() -> None:
    async with toy_provider() as (toy, base), remote(at(base, api_key=None)) as embedder:
        assert await embedder.embed(["one"]) == [values("one", 16)]
        assert "authorization" not in toy.seen[0].headers


async def test_many_texts_go_in_several_calls() -> None:
    texts = [str(number) for number in range(70)]
    async with provider() as there, remote(at(there.base)) as embedder:
        assert await embedder.embed(texts) == [values(text) for text in texts]
        assert [len(asked) for asked in there.inputs] == [32, 32, 6]
        assert await embedder.embed([]) == []


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_text_that_is_refused_costs_the_others_nothing(status: int) -> None:
    async def short_only(body: dict[str, Any]) -> web.StreamResponse:
        if any(len(text) > 100 for text in body["input"]):
            return said({"error": {"message": f"too long: {body['input']}"}}, status)
        return answered(body["input"])

    texts = [str(number) for number in range(16)]
    texts[3] = texts[12] = "long" * 100
    async with provider(short_only) as there, remote(at(there.base)) as embedder:
        found = await embedder.embed(texts)
        assert found == [None if len(text) > 100 else values(text) for text in texts]
        assert len(there.inputs) == 15
        assert await embedder.embed(["long" * 100]) == [None]


# -- what is understood ----------------------------------------------------------------------------------------------


def shuffled(body: dict[str, Any]) -> Any:
    data = [{"index": at, "embedding": numbers(text)} for at, text in enumerate(body["input"])]
    return {"data": data[::-1]}


UNDERSTOOD = {
    "in any order": shuffled,
    "without indices": lambda body: {"data": [{"embedding": numbers(text)} for text in body["input"]]},
    "as base64": lambda body: {"data": [{"index": n, "embedding": packed(t)} for n, t in enumerate(body["input"])]},
}


@pytest.mark.parametrize("form", UNDERSTOOD.values(), ids=UNDERSTOOD)
async def test_answers_are_understood(form: Any) -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        return said(form(body))

    async with provider(answer) as there, remote(at(there.base)) as embedder:
        assert await embedder.embed(["one", "two", "three"]) == [values("one"), values("two"), values("three")]


async def test_whole_numbers_are_numbers_and_a_vector_of_zeros_is_none() -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        return said({"data": [{"embedding": [0, 1, -2]}, {"embedding": [0, 0.0, 1e-60]}]})

    async with provider(answer) as there, remote(at(there.base)) as embedder:
        assert await embedder.embed(["one", "two"]) == [struct.pack("<3f", 0, 1, -2), None]


def gives(embedding: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "embedding": [0.5, 0.5]}, {"index": 1, "embedding": embedding}], "text": TEXT}


NOT_A_NUMBER = base64.b64encode(struct.pack("<2f", 0.5, math.nan)).decode()
BROKEN = {
    "no JSON": b"<html>" + TEXT.encode(),
    "cut off": b'{"data": [{"embedding": [0.5,',
    "a list": [TEXT],
    "an error": {"error": {"message": TEXT}},
    "no data": {"object": "list"},
    "one too few": {"data": [{"index": 0, "embedding": [0.5]}]},
    "one too many": {"data": [{"embedding": [0.5]}] * 3},
    "no objects": {"data": [[0.5], [0.5]]},
    "an index twice": {"data": [{"index": 0, "embedding": [0.5]}] * 2},
    "an index too high": {"data": [{"index": at, "embedding": [0.5]} for at in (1, 2)]},
    "an index of text": {"data": [{"index": str(at), "embedding": [0.5]} for at in (0, 1)]},
    "another length": gives([0.5]),
    "nothing": gives([]),
    "null": gives(None),
    "words": gives(["a", "b"]),
    "lists": gives([[0.5, 0.5]]),
    "an object": gives({"float": [0.5, 0.5]}),
    "too large a number": gives([1e39, 0.5]),
    "an endless number": b'{"data": [{"embedding": [0.5]}, {"embedding": [1e999]}]}',
    "no base64": gives("~~~"),
    "base64 of another length": gives("AAAA"),
    "base64 that is not a number": gives(NOT_A_NUMBER),
    "base64 of nothing": gives(""),
}


async def refused(answer: Answer, **more: Any) -> str:
    """What the error says of such an answer to two texts."""
    async with provider(answer) as there, remote(at(there.base, **more)) as embedder:
        with pytest.raises(EmbedderUnavailable) as error:
            await embedder.embed([TEXT, "two"])
        return str(error.value)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_not_understood_is_no_vector(broken: Any) -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=broken) if isinstance(broken, bytes) else said(broken)

    words = await refused(answer)
    assert words.startswith("the provider")
    assert TEXT not in words


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 503])
async def test_any_other_status_is_no_vector(status: int) -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        headers = {"Location": "/v1/embeddings"}
        return web.json_response({"error": {"message": f"{TEXT} {KEY}"}}, status=status, headers=headers)

    words = await refused(answer)
    assert str(status) in words
    assert ("api_key" in words) == (status == 401)
    assert TEXT not in words
    assert KEY not in words


async def test_a_provider_that_hangs_up_or_sends_too_much_or_nothing_is_no_vector() -> None:
    async def too_much(body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=b" " * ((16 << 20) + 1))

    assert "larger" in await refused(too_much)
    async with toy_provider() as (_, base), remote(at(base, model="toy-broken-stream")) as embedder:
        with pytest.raises(EmbedderUnavailable, match="broke off"):
            await embedder.embed(["one"])
    async with provider(shut=True) as there, remote(at(there.base, timeout=0.05)) as embedder:
        with pytest.raises(EmbedderUnavailable, match="in time"):
            await embedder.embed(["one"])
    async with remote(at(there.base)) as embedder:
        with pytest.raises(EmbedderUnavailable, match="no connection"):
            await embedder.embed(["one"])


async def test_vectors_may_change_their_length_and_differ_in_no_batch() -> None:
    lengths = iter([4, 5, 4, 5])

    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        return answered(body["input"], lambda text: vector(text, next(lengths)))

    async with provider(answer) as there, remote(at(there.base)) as embedder:
        assert await embedder.embed(["one"]) == [values("one", 4)]
        assert await embedder.embed(["one"]) == [values("one", 5)]
        with pytest.raises(EmbedderUnavailable, match="length"):
            await embedder.embed(["one", "two"])


async def test_a_vector_that_no_model_gives_is_an_error() -> None:
    async def answer(body: dict[str, Any]) -> web.StreamResponse:
        return answered(body["input"], lambda text: vector(text, 8193))

    async with provider(answer) as there, remote(at(there.base)) as embedder:
        with pytest.raises(EmbedderUnavailable, match="longer"):
            await embedder.embed(["one"])


# -- spaces ----------------------------------------------------------------------------------------------------------


async def space(*deployments: Deployment) -> str:
    async with remote(*deployments) as embedder:
        return embedder.space


async def test_a_space_is_named_by_the_model_and_by_all_that_makes_other_vectors() -> None:
    plain = at("http://one", model="text-embedding-3-small")
    assert await space(plain) == "openai-text-embedding-3-small"
    assert await space(plain, at("http://two", model=plain.model, api_key=None)) == "openai-text-embedding-3-small"
    assert await space(at("http://one", model="BAAI/bge m3")) == "openai-BAAI-bge-m3"
    assert await space(at("http://one", model=plain.model, defaults={"encoding_format": "base64"})) == await space(
        plain
    )
    others = [
        await space(at("http://one", model=plain.model, defaults=defaults))
        for defaults in ({"dimensions": 256}, {"dimensions": 512}, {"dimensions": 512, "input_type": "query"})
    ]
    assert len({await space(plain), *others}) == 4
    long = [await space(at("http://one", model="m" * 200 + end)) for end in "ab"]
    assert long[0] != long[1]
    for name in [*others, *long]:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name)


# -- opening ---------------------------------------------------------------------------------------------------------


async def test_a_model_of_the_model_list_is_opened_by_its_name_or_by_a_star() -> None:
    named = await opened(settings("embedder", at("http://one")))
    assert isinstance(named, Remote)
    assert named.space == "openai-toy-embedding"
    starred = await opened(settings("openai/ada", at("http://one", pattern="openai/*", model="*")))
    assert starred.space == "openai-ada"


async def test_a_name_that_stands_for_several_models_is_refused_and_they_are_named() -> None:
    two = [at("http://one", model=model) for model in ("ada", "bge")]
    with pytest.raises(ConfigError, match=r"redis_semantic_cache_embedding_model: .*openai/ada, openai/bge$") as error:
        await opened(settings("embedder", *two))
    assert error.value.source == "config.yaml"
    differing = [at("http://one"), at("http://one", defaults={"dimensions": 2})]
    with pytest.raises(ConfigError, match="openai/toy-embedding with different parameters"):
        await opened(settings("embedder", *differing))


async def test_a_name_that_is_not_in_the_model_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"qdrant_semantic_cache_embedding_model: .*`other`.*model_list") as error:
        await opened(settings("other", at("http://one"), kind="qdrant-semantic"))
    assert not isinstance(error.value, NotServed)


async def test_a_provider_that_is_not_built_is_told_from_wrong_settings() -> None:
    azure = at("http://one", unsupported="provider azure is not built yet")
    with pytest.raises(NotServed, match="azure is not built yet"):
        await opened(settings("embedder", azure))
    usable = await opened(settings("embedder", azure, at("http://two")))
    assert usable.space == "openai-toy-embedding"


async def test_a_folder_that_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    for name in ("local/minlm", f"local/{tmp_path}", "local/"):
        with pytest.raises(ConfigError, match=re.escape(name) + ": must be minilm, or a folder with tokenizer.json"):
            await opened(settings(name))
