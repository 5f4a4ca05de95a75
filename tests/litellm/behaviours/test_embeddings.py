"""Embeddings: each item is kept by itself."""

import base64
import struct
import zlib
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import Proxy, fresh

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMBEDDINGS = "/v1/embeddings"


async def embed(proxy: Proxy, given: Any, **more: Any) -> dict[str, Any]:
    answer = await proxy.post(EMBEDDINGS, {"model": "toy-embedding", "input": given, **more})
    assert answer.status == 200, answer.body
    read: dict[str, Any] = answer.json
    return read


def vectors(answer: dict[str, Any]) -> list[Any]:
    assert [item["index"] for item in answer["data"]] == list(range(len(answer["data"])))
    return [item["embedding"] for item in answer["data"]]


async def test_items_of_a_list_are_found_one_by_one_and_the_other_way_round(proxy: Proxy) -> None:
    a, b, c = fresh("a"), fresh("b"), fresh("c")
    first = vectors(await embed(proxy, [a, b]))
    before = proxy.asked(EMBEDDINGS)
    assert vectors(await embed(proxy, [a])) == first[:1]
    assert vectors(await embed(proxy, b)) == first[1:]
    assert proxy.asked(EMBEDDINGS) == before
    third = vectors(await embed(proxy, [c]))
    assert vectors(await embed(proxy, [c, a])) == [*third, first[0]]
    assert proxy.asked(EMBEDDINGS) == before + 1


async def test_a_reordered_list_keeps_its_vectors_and_counts_anew(proxy: Proxy) -> None:
    texts = [fresh(str(n)) for n in range(4)]
    first = vectors(await embed(proxy, texts))
    before = proxy.asked(EMBEDDINGS)
    assert vectors(await embed(proxy, texts[::-1])) == first[::-1]
    assert proxy.asked(EMBEDDINGS) == before


async def test_only_what_is_missing_is_asked_for(proxy: Proxy) -> None:
    a, b, c, d = [fresh(name) for name in "abcd"]
    known = vectors(await embed(proxy, [b, d]))
    both = await embed(proxy, [a, b, c, d])
    seen = proxy.provider.seen[-1].body
    assert a.encode() in seen
    assert c.encode() in seen
    assert b.encode() not in seen
    assert d.encode() not in seen
    found = vectors(both)
    assert [found[1], found[3]] == known
    assert len({str(vector) for vector in found}) == 4


async def test_usage_counts_on_hits_too(proxy: Proxy) -> None:
    a, b = fresh("one two three"), fresh("four five")
    alone = (await embed(proxy, [a]))["usage"]["prompt_tokens"]
    assert alone > 0
    assert (await embed(proxy, [a]))["usage"]["prompt_tokens"] == alone
    assert (await embed(proxy, [a, b]))["usage"]["prompt_tokens"] > alone


async def test_base64_is_kept_as_it_is_asked_for(proxy: Proxy) -> None:
    text = fresh()
    packed = vectors(await embed(proxy, [text], encoding_format="base64"))
    assert vectors(await embed(proxy, [text], encoding_format="base64")) == packed
    numbers = vectors(await embed(proxy, [text], encoding_format="float"))[0]
    raw = base64.b64decode(packed[0])
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(numbers, rel=1e-6)


async def test_each_item_of_a_list_has_the_ttl_of_its_request(proxy: Proxy) -> None:
    space = fresh("space").replace(" ", "-")

    def kept() -> Any:
        return proxy.store.keys(f"*{space}*")

    async def both() -> bool:
        return len(kept()) == 2

    await embed(proxy, [fresh("a"), fresh("b")], cache={"ttl": 30, "namespace": space})
    assert await eventually(both)
    assert all(0 < int(str(proxy.store.ttl(key))) <= 30 for key in kept())


async def test_token_lists_are_items(proxy: Proxy) -> None:
    numbers = [abs(hash(fresh())) % 50_000 for _ in range(3)]
    first = vectors(await embed(proxy, [numbers, [*numbers, 7]]))
    before = proxy.asked(EMBEDDINGS)
    assert vectors(await embed(proxy, [numbers])) == first[:1]
    assert proxy.asked(EMBEDDINGS) == before


def file(name: str, **more: Any) -> dict[str, Any]:
    """A file as an item: a block of content, as the providers that see and hear take them."""
    return {"type": "file", "file": {"file_id": f"gs://of-the-tests/{name}.mp4", **more}}


async def seeing(request: web.Request) -> web.StreamResponse:
    """Another vector for each item, whatever it is."""
    items = (await request.json())["input"]
    data = [
        {"object": "embedding", "index": at, "embedding": [zlib.crc32(orjson.dumps(item)) / 2**32, 0.5]}
        for at, item in enumerate(items)
    ]
    usage = {"prompt_tokens": len(items), "total_tokens": len(items)}
    return web.json_response({"object": "list", "data": data, "model": "seeing", "usage": usage})


async def test_files_are_items(proxy: Proxy) -> None:
    proxy.provider.next[EMBEDDINGS].extend([seeing] * 3)
    before = proxy.asked(EMBEDDINGS)
    one, other, text = file(fresh("one")), file(fresh("other")), fresh()
    first = vectors(await embed(proxy, [one, other]))
    assert first[0] != first[1]
    assert vectors(await embed(proxy, [other])) == first[1:]
    assert vectors(await embed(proxy, [other, one])) == first[::-1]
    assert proxy.asked(EMBEDDINGS) == before + 1
    mixed = vectors(await embed(proxy, [one, text]))
    assert mixed[0] == first[0] != mixed[1]
    assert orjson.loads(proxy.provider.seen[-1].body)["input"] == [text]
    cut = {**one, "file": {**one["file"], "video_metadata": {"fps": 1.0, "end_offset": "2s"}}}
    assert vectors(await embed(proxy, [cut])) != first[:1]
    assert proxy.asked(EMBEDDINGS) == before + 3
    assert not proxy.provider.next[EMBEDDINGS]
