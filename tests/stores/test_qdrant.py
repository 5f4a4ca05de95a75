"""The qdrant-semantic store on Qdrant's engine behind HTTP (a subset of the routes, see `tests.qdrant_shim`): both
contracts, and what the shim does not pretend to know.
"""

import aiohttp
import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m

from tests.qdrant_server import QdrantEdge
from tests.stores import qdrant_scene as scene
from tests.stores.contract import Pair, StoreContract
from tests.stores.matching import MatcherContract
from tests.stores.points import Matching
from tests.stores.qdrant_scene import Opened, count

server = scene.server
empty = scene.empty
raw = scene.raw
open_ = scene.open_
store = scene.store


class TestContract(StoreContract):
    @pytest.fixture
    def pair(self, store: Opened) -> Pair:
        return store.pair


class TestMatching(MatcherContract):
    @pytest.fixture
    def matching(self, store: Opened) -> Matching:
        return store.matching


# -- the server of these tests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", None),
        ("POST", "/collections/c/points/search", {"vector": [1.0], "limit": 1}),
        ("PATCH", "/collections/c", {}),
        ("PUT", "/collections/d", {"vectors": {"size": 1, "distance": "Dot"}, "shard_number": 2}),
        ("PUT", "/collections/d", {"vectors": {"size": 1, "distance": "Manhattan"}}),
        ("PUT", "/collections/d", {"vectors": {"size": 1, "distance": "Dot"}, "quantization_config": {"turbo": {}}}),
        ("PUT", "/collections/c/points?ordering=strong", {"points": []}),
        ("PUT", "/collections/c/points", {"points": [], "update_filter": {"must": []}}),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": {"named": [1.0]}}]}),
        ("POST", "/collections/c/points/count", {"filter": {"should": [{"key": "a", "match": {"value": 1}}]}}),
        ("POST", "/collections/c/points/count", {"filter": {"must": [{"key": "a", "match": {"any": [1]}}]}}),
        ("POST", "/collections/c/points/query", {"query": {"fusion": "rrf"}}),
        ("POST", "/collections/c/points/query", {"query": [1.0], "params": {"hnsw_ef": 5}}),
    ],
)
async def test_what_the_shim_does_not_know_it_does_not_pretend(
    raw: AsyncQdrantClient, server: QdrantEdge, method: str, path: str, body: object
) -> None:
    await raw.create_collection("c", vectors_config=m.VectorParams(size=1, distance=m.Distance.DOT))
    async with aiohttp.ClientSession() as session, session.request(method, server.url + path, json=body) as answer:
        assert answer.status == 501
        assert "the shim knows nothing of" in (await answer.json())["status"]["error"]
    assert await count(raw, "c") == 0
