"""The page's configurations for one Redis, run before a real one: only its port is ours, as are the credentials that
the page leaves to its reader.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from tests.config.litellm_blocks import PAGE, page
from tests.e2e.asking import CALL_TYPES, COUNTED
from tests.litellm import config_kit
from tests.litellm.config_kit import CHAT, MODEL, QUESTION, Desk, argument, healthy, kept, own, redis_env
from tests.litellm.page_kit import curl, example
from tests.servers import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")
desk = config_kit.desk

# Of the page: the passwords of its configurations, and the user of its URL.
PASSWORDS = (">your_password", ">liteLlmIsAmazing")
URL = "redis://username:password@hostname:port/database"
USER = ("--user", "username", "on", ">password", "~*", "+@all")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    users = ("--user", "default", "on", *PASSWORDS, "~*", "&*", "+@all", *USER)
    valkey = Valkey(tmp_path_factory.mktemp("redis"), options=users)
    valkey.start()
    yield valkey
    valkey.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def store(server: Valkey) -> AsyncIterator[redis.Redis]:
    """A client of the server, which is empty."""
    with redis.Redis(port=server.port, password="your_password") as client:
        client.flushall()
        yield client


def dotenv(server: Valkey) -> str:
    return redis_env(server.port, PASSWORD="liteLlmIsAmazing")


async def test_cache_true_finds_redis_by_the_host_port_and_password_of_dotenv(
    desk: Desk, server: Valkey, store: redis.Redis
):
    settings = desk.load(page("quick_start.yaml"), dotenv(server))
    async with kept(desk, settings) as found:
        assert store.exists(f"askonce:{found.answer.key}")


async def test_cache_true_finds_redis_by_the_url_of_dotenv(desk: Desk, server: Valkey, store: redis.Redis):
    url = own(URL, {"hostname": "127.0.0.1", "port": server.port, "database": 3})
    assert URL in page("redis.env")
    settings = desk.load(page("quick_start.yaml"), own(page("redis.env"), {'REDIS_URL = ""': f'REDIS_URL = "{url}"'}))
    async with kept(desk, settings) as found:
        with redis.Redis(port=server.port, db=3, username="username", password="password") as theirs:
            assert theirs.exists(f"askonce:{found.answer.key}")
        assert store.dbsize() == 0


async def test_a_variable_named_after_an_argument_of_redis_reaches_the_server(
    desk: Desk, server: Valkey, store: redis.Redis
):
    lines = argument("CLIENT_NAME", "of-the-page") + argument("DB", 5)
    settings = desk.load(page("quick_start.yaml"), dotenv(server) + lines)
    async with kept(desk, settings):
        seen = [(one["name"], one["db"]) for one in store.client_list()]
        assert seen.count(("of-the-page", "5")) >= 2, "the frontend's and the writer's"
        assert store.dbsize() == 0


async def test_a_namespace_is_what_the_keys_begin_with(desk: Desk, server: Valkey, store: redis.Redis):
    async with kept(desk, desk.load(page("namespace.yaml"), dotenv(server))) as found:
        names = [key.decode() for key in store.scan_iter()]
        assert str(found.answer.key) in names
        assert all(re.fullmatch(r"litellm\.caching\.caching:[0-9a-f]{64}", name) for name in names)


async def test_a_ttl_is_how_long_redis_keeps_an_answer(desk: Desk, server: Valkey, store: redis.Redis):
    async with kept(desk, desk.load(page("ttl.yaml"), dotenv(server))) as found:
        assert 0 < store.pttl(f"askonce:{found.answer.key}") <= 600_000


async def test_host_port_and_password_of_the_file_need_no_dotenv(desk: Desk, server: Valkey, store: redis.Redis):
    async with kept(desk, desk.load(own(page("params.yaml"), {"6379": server.port}))) as found:
        assert store.exists(f"askonce:{found.answer.key}")


@pytest.mark.parametrize("most", [100, 1])
async def test_max_connections_bounds_those_of_each_process(desk: Desk, server: Valkey, store: redis.Redis, most: int):
    """The page's own number, and one that is soon reached: more inputs than one round trip takes are read at once."""
    text = own(page("max_connections.yaml"), {"100": most})
    bounded = desk.load(text, dotenv(server) + argument("CLIENT_NAME", "bounded"))
    async with kept(desk, desk.load(text, dotenv(server))), desk.frontend(bounded) as client:
        body = {"model": "toy", "input": [f"one of {number}" for number in range(1200)], "cache": {"no-store": True}}
        answer = await client.send("POST", "/v1/embeddings", json=body)
        assert (answer.status, len(answer.json["data"])) == (200, 1200)
        seen = [one["name"] for one in store.client_list()].count("bounded")
        assert (seen > 1) == (most > 1)
        assert 1 <= seen <= most


async def test_call_types_cache_the_four_that_are_listed_and_no_other(desk: Desk, server: Valkey, store: redis.Redis):
    settings = desk.load(page("call_types.yaml"), dotenv(server))
    async with kept(desk, settings) as found:
        asked = dict(desk.toy.calls)
        for call_type, route in zip(CALL_TYPES, COUNTED, strict=True):
            first, second = [await found.client.ask(call_type, "listed") for _ in range(2)]
            assert (first.hit, second.hit, second.body) == (False, True, first.body)
            assert desk.asked(route) == asked.get(route, 0) + 1
        body = {"model": "toy", "input": "not listed"}
        for _ in range(2):
            answer = await found.client.send("POST", "/v1/responses", json=body)
            assert (answer.status, answer.hit, answer.cache["detail"]) == (200, False, "call-type-off")
        assert desk.asked("/v1/responses") == asked.get("/v1/responses", 0) + 2


async def test_an_empty_list_of_call_types_caches_nothing(desk: Desk, server: Valkey, store: redis.Redis):
    settings = desk.load(page("no_call_types.yaml"), dotenv(server))
    async with desk.running(settings) as client:
        asked = desk.asked()
        first, second = await curl(example("usage_chat.sh"), client.url)
        assert first["id"] != second["id"]
        assert desk.asked() == asked + 2
        answer = await client.send("POST", CHAT, json={**QUESTION, "model": MODEL})
        assert (answer.hit, answer.stored, answer.cache["detail"]) == (False, False, "call-type-off")
        assert store.dbsize() == 0
        await healthy(client, settings)


async def test_every_block_of_the_page_is_run():
    """All but what needs Google's cloud: nobody else gives out the identity, or answers at 10.128.0.2. What its blocks
    mean is held in tests/config, and how its passwords are got and renewed in tests/stores.
    """
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*config*.py"))
    left = {path.name for path in PAGE.iterdir() if f'page("{path.name}")' not in tests}
    assert left == {"gcp_iam.yaml", "gcp_iam.env", "google.env"}
