"""Who may ask the routes for operators, and that none of them gives away what the settings hold in confidence."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e import admin_scene
from tests.e2e.admin_scene import DEEDS, LOOKS, OPEN, Scene
from tests.e2e.asking import Answer, Client
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = admin_scene.scene

MARK = "MARKED-SECRET"
MASTER = f"sk-master-{MARK}"
KEY = {"Authorization": f"Bearer {MASTER}"}
GUARDED = [
    *(("GET", path, b"") for path in (*LOOKS, "/v1/models/toy", "/health?model=toy", "/model/info?litellm_model_id=a")),
    *(("POST", path, data) for path, data in DEEDS.items()),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(scene: Scene) -> AsyncIterator[Client]:
    async with scene.proxy(scene.text("type: local", f"general_settings: {{master_key: {MASTER}}}")) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "data"), GUARDED)
async def test_a_route_that_tells_or_does_something_needs_the_master_key(
    guarded: Client, method: str, path: str, data: bytes
) -> None:
    wrong = {"Authorization": f"Bearer {MASTER}-not"}
    for headers in ({}, wrong, {"X-Api-Key": "sk-virtual"}):
        refused = await guarded.send(method, path, data=data, headers=headers)
        assert (refused.status, refused.error["type"]) == (401, "auth_error")
    for headers in (KEY, {"X-Api-Key": MASTER}, {"X-LiteLLM-Api-Key": MASTER}):
        assert (await guarded.send(method, path, data=data, headers=headers)).status != 401


@pytest.mark.parametrize("path", OPEN)
async def test_health_of_the_process_and_metrics_need_no_key(guarded: Client, path: str) -> None:
    answer = await guarded.send("GET", path)
    head = await guarded.send("HEAD", path)
    assert (answer.status, head.status, head.body) == (200, 200, b"")


async def test_a_head_is_a_get_without_its_body(guarded: Client) -> None:
    for path in LOOKS:
        got, head = [await guarded.send(method, path, headers=KEY) for method in ("GET", "HEAD")]
        assert head.status == got.status
        assert head.body == b""
        assert (await guarded.send("HEAD", path)).status == 401


AWAY = "127.0.0.1:{away}"
SEMANTIC = "similarity_threshold: 0.8, {kind}_semantic_cache_embedding_model: toy-embedding"
WELL = ("redis well", "redis by url")
CACHES = {
    "local": "type: local",
    "redis well": f"type: redis, host: 127.0.0.1, port: {{port}}, password: {MARK}",
    "redis with a wrong password": f"type: redis, host: 127.0.0.1, port: {{port}}, username: u, password: not-{MARK}",
    "redis by url": f'type: redis, url: "redis://:{MARK}@127.0.0.1:{{port}}/0"',
    "redis away": f"type: redis, host: 127.0.0.1, port: {{away}}, username: user-{MARK}, password: {MARK}, "
    f"ssl: true, ssl_password: {MARK}, client_name: {MARK}",
    "sentinels": f"type: redis, sentinel_nodes: [[127.0.0.1, {{away}}]], service_name: mine, password: {MARK}, "
    f"sentinel_password: {MARK}",
    "cluster": f"type: redis, redis_startup_nodes: [{{{{host: 127.0.0.1, port: {{away}}}}}}], password: {MARK}",
    "redis-semantic": f'type: redis-semantic, redis_url: "redis://:{MARK}@{AWAY}", {SEMANTIC}',
    "qdrant-semantic": f'type: qdrant-semantic, qdrant_api_base: "http://{MARK}:{MARK}@{AWAY}", '
    f"qdrant_api_key: {MARK}, qdrant_collection_name: kept, {SEMANTIC}",
    "s3": f's3_bucket_name: kept, type: s3, s3_endpoint_url: "http://{MARK}:{MARK}@{AWAY}", s3_region_name: eu, '
    f"s3_aws_access_key_id: id-{MARK}, s3_aws_secret_access_key: {MARK}, s3_aws_session_token: {MARK}",
}


def models(base: str, away: str) -> str:
    """A model list that can be reached, and that cannot, with a secret wherever one goes."""
    with_mark = base.replace("://", f"://user:{MARK}@")
    params = (
        f"api_key: sk-{MARK}, organization: org-{MARK}, user: {MARK}, extra_headers: {{X-Key: {MARK}}}, "
        f"extra_body: {{token: {MARK}, deep: {{token: {MARK}}}}}"
    )
    entries = {
        "toy": f'openai/toy, api_base: "{with_mark}"',
        "toy-embedding": f'openai/toy-embedding, api_base: "{base}"',
        "by-query": f'azure/toy, api_version: "2024-10-21", api_base: "{base}?code={MARK}"',
        "away": f'openai/gpt-4o, api_base: "http://{away}/v1?token={MARK}"',
        "unset": f'openai/gpt-4o, api_base: "{base}", api_version: os.environ/NOT_SET',
    }
    lines = [f"  - {{model_name: {name}, litellm_params: {{model: {one}, {params}}}}}" for name, one in entries.items()]
    return "\n".join(["model_list:", *lines, ""])


@pytest.mark.parametrize("case", CACHES)
async def test_no_answer_holds_a_secret_of_the_settings(scene: Scene, case: str) -> None:
    away = free_port()
    params = CACHES[case].format(port=scene.valkey.port, away=away, kind=case.split("-", maxsplit=1)[0])
    text = (
        models(scene.base, f"127.0.0.1:{away}")
        + f"litellm_settings: {{cache: true, cache_params: {{{params}}}}}\n"
        + f"general_settings: {{master_key: {MASTER}}}\n"
        + f'askonce: {{nats_url: "nats://user:{MARK}@127.0.0.1:1"}}\n'
    )
    scene.password(MARK)
    try:
        async with scene.proxy(text, writer=case in WELL, REDIS_PASSWORD=MARK, AZURE_API_KEY=MARK) as client:
            asked = [(method, path, data, headers) for method, path, data in GUARDED for headers in (KEY, {})]
            asked += [("GET", path, b"", {}) for path in OPEN]
            answers = [
                await client.send(method, path, data=data, headers=headers) for method, path, data, headers in asked
            ]
    finally:
        scene.password("")
    for (method, path, *_), answer in zip(asked, answers, strict=True):
        assert MARK not in spelt(answer), f"{method} {path}"
    statuses = {path: answer.status for (_, path, _, headers), answer in zip(asked, answers, strict=True) if headers}
    assert statuses["/health"] == statuses["/model/info"] == 200
    assert statuses["/cache/ping"] == (200 if case in {"local", *WELL} else 503)
    assert statuses["/cache/redis/info"] == (200 if case in WELL else 503)


def spelt(answer: Answer) -> str:
    """Everything of an answer that a client sees."""
    return f"{answer.status} {answer.headers} {answer.body.decode()}"
