"""The page's configurations that match by meaning, run before real vectors: the embedding model is asked where its
entry says, and what it made finds an answer that the exact key does not. Addresses and Azure's key are ours.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import redis
from aiohttp import web

from askonce.toy import text
from tests.config.litellm_blocks import page
from tests.e2e.asking import Client
from tests.e2e.meanings import SIMILARITY
from tests.e2e.stack import eventually
from tests.e2e.upstreams import provider
from tests.litellm import config_kit
from tests.litellm.config_kit import CHAT, MODEL, QUESTION, Desk, kept, own, redis_env
from tests.litellm.page_kit import curl_i, example
from tests.qdrant_server import QdrantEdge
from tests.redis_servers import valkey_with_search
from tests.servers import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")
desk = config_kit.desk

EMBEDDINGS = "/v1/embeddings"
QDRANT_KEY = "16rJUMBRx*************"  # the page's
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}  # what qdrant.sh asks


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantEdge]:
    server = QdrantEdge(tmp_path_factory.mktemp("qdrant"), api_key=QDRANT_KEY)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("search"), options=valkey_with_search())
    server.start()
    yield server
    server.kill()


@dataclass
class Azure:
    """Embeddings where Azure has them; `asked` has the texts of each request that came there with its key."""

    base: str = ""
    asked: list[Any] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        way = "/openai/deployments/azure-embedding-model/embeddings?api-version=2023-07-01-preview"
        if (request.path_qs, request.headers.get("api-key")) != (way, "key-of-azure"):
            return web.json_response({"error": {"code": "404", "message": "Resource not found"}}, status=404)
        body = orjson.loads(await request.read())
        self.asked.append(body["input"])
        return web.json_response(text.embeddings(body))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azure() -> AsyncIterator[Azure]:
    azure = Azure()
    async with provider(azure.answer) as (_, base):
        azure.base = base.removesuffix("/v1")
        yield azure


async def found_by_meaning(client: Client, question: dict[str, Any]) -> None:
    """Asks so that the vector is the same and the exact key is another: the text as a part. A vector is written off the
    client's way, so it is waited for.
    """
    (message,) = question["messages"]
    parts = [{**message, "content": [{"type": "text", "text": message["content"]}]}]
    answers = []

    async def there() -> bool:
        body = {**question, "messages": parts, "cache": {"no-store": True}}
        answers.append(await client.send("POST", CHAT, json=body))
        return answers[-1].hit

    assert await eventually(there), answers[-1].headers
    assert answers[-1].cache["detail"] == "semantic"
    assert float(answers[-1].headers[SIMILARITY]) == pytest.approx(1.0, abs=1e-3)


async def told(server: QdrantEdge, path: str) -> dict[str, Any]:
    async with aiohttp.request("GET", server.url + path, headers={"api-key": QDRANT_KEY}) as answer:
        result: dict[str, Any] = (await answer.json())["result"]
        return result


async def test_qdrant_tells_a_similarity_as_the_page_expects(desk: Desk, qdrant: QdrantEdge):
    given = {"https://exampleopenaiendpoint-production.up.railway.app/": f"{desk.base}/"}
    dotenv = own(page("qdrant.env"), {"https://5392d382-45*********.cloud.qdrant.io": qdrant.url})
    settings = desk.load(own(page("qdrant.yaml"), given), dotenv)
    async with kept(desk, settings, "fake-openai-endpoint") as found:
        first, second = [await curl_i(example("qdrant.sh"), found.client.url) for _ in range(2)]
        assert (first.headers[SIMILARITY], second.headers[SIMILARITY]) == ("0.0", "1.0")
        assert first.json == second.json
        await found_by_meaning(found.client, {**HELLO, "model": "fake-openai-endpoint"})
        assert desk.asked(EMBEDDINGS) > 0
        bodies = [orjson.loads(one.body) for one in desk.toy.seen if one.path == EMBEDDINGS]
        assert {body["model"] for body in bodies} == {"text-embedding-3-small"}
        assert any("Hello" in body["input"] for body in bodies)
        names = [one["name"] for one in (await told(qdrant, "/collections"))["collections"]]
        (vectors,) = {name for name in names if name.startswith("test_collection-")} - {"test_collection-exact"}
        made = (await told(qdrant, f"/collections/{vectors}"))["config"]
        assert "binary" in made["quantization_config"]


async def test_redis_matches_by_the_vectors_of_azure(desk: Desk, search: Valkey, azure: Azure):
    variables = {"AZURE_API_BASE": azure.base, "AZURE_API_KEY": "key-of-azure"}
    settings = desk.load(page("redis_semantic.yaml"), redis_env(search.port), **variables)
    async with kept(desk, settings) as found:
        await found_by_meaning(found.client, {**QUESTION, "model": MODEL})
        assert [QUESTION["messages"][0]["content"]] in azure.asked
        with redis.Redis(port=search.port) as store:
            assert store.exists(f"askonce:{found.answer.key}")
