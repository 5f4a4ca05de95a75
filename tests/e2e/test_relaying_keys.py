"""Routes that are passed through, with keys that may not do everything there."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.asking import Answer
from tests.e2e.relays import Provider, provider
from tests.e2e.solo import solo
from tests.e2e.two_doors import MASTER, Door, bearer
from tests.e2e.upstreams import LOCAL, entry
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
IMAGES = "/v1/images/edits"
JSON = "application/json"
MODELS = "".join(entry(name, f"openai/real-{name}", "{first}", "api_key: sk-first") for name in ("costly", "cheap"))
COSTLY = b'{"model": "costly", "prompt": "x"}'


@dataclass
class Scene:
    provider: Provider
    door: Door

    async def key(self, **fields: Any) -> str:
        key: str = (await self.door.made(**fields))["key"]
        return key

    async def ask(
        self, key: str, method: str = "POST", path: str = IMAGES, kind: str | None = JSON, **how: Any
    ) -> Answer:
        headers = {**bearer(key), **how.pop("headers", {})}
        if kind is not None and "data" in how and isinstance(how["data"], bytes):
            headers["Content-Type"] = kind
        return await self.door.client.send(method, path, headers=headers, skip_auto_headers=["Content-Type"], **how)

    async def refused(self, status: int, why: str, key: str, **how: Any) -> str:
        """What is told; the provider is not asked."""
        before = len(self.provider.seen)
        answer = await self.ask(key, **how)
        assert (answer.status, answer.error["type"]) == (status, why), answer.body
        assert len(self.provider.seen) == before
        return str(answer.error["message"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("keys")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with provider() as first:
            text = f"model_list:\n{MODELS}\n{LOCAL}".replace("{first}", first.base)
            async with solo(folder, text, nats, ASKONCE_MASTER_KEY=MASTER) as client:
                yield Scene(first, Door(client))
    finally:
        nats.stop()


def parts(*fields: tuple[str, str]) -> bytes:
    said = "".join(f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in fields)
    return f"{said}--b--\r\n".encode()


FILE = ('name="image"; filename="a.png"', "cheap")
FORM = "multipart/form-data; boundary=b"
NOT_JSON = {
    "JSON by another name": ("text/plain", COSTLY),
    "JSON without a name": (None, COSTLY),
    "what curl says of JSON": ("application/x-www-form-urlencoded", COSTLY),
    "an urlencoded form": ("application/x-www-form-urlencoded", b"model=costly&prompt=x"),
    "a form": (FORM, parts(('name="model"', "cheap"))),
    "a form with two models": (FORM, parts(('name="model"', "cheap"), ('name="model"', "costly"))),
    "a form with a model after the file": (FORM, parts(FILE, ('name="model"', "costly"))),
}
NO_OBJECT = {
    "UTF-16": COSTLY.decode().encode("utf-16"),
    "a mark before it": b"\xef\xbb\xbf" + COSTLY,
    "NaN": b'{"model": "costly", "x": NaN}',
    "a list": b"[" + COSTLY + b"]",
    "a model that is none": b'{"model": ["costly"]}',
}
DENIED = {
    "the body": COSTLY,
    "the last of two members": b'{"model": "cheap", "model": "costly"}',
    "a member of another case": b'{"model": "cheap", "Model": "costly"}',
    "an object within": b'{"model": "cheap", "session": {"model": "costly"}}',
    "no model": b'{"prompt": "x"}',
    "none but within": b'{"prompt": "x", "metadata": {"model": "cheap"}}',
}


@pytest.mark.parametrize("kind", NOT_JSON)
async def test_a_restricted_key_sends_json_only(scene: Scene, kind: str) -> None:
    content_type, data = NOT_JSON[kind]
    limits: tuple[dict[str, Any], ...] = ({"models": ["cheap"]}, {"model_rpm_limit": {"costly": 9}})
    for fields in limits:
        key = await scene.key(**fields)
        told = await scene.refused(403, "key_model_access_denied", key, kind=content_type, data=data)
        assert told.startswith("A key that is restricted to models may send only JSON here")
    assert (await scene.ask(await scene.key(), kind=content_type, data=data)).status == 200, "others as they like"
    assert scene.provider.last.body == data or b"real-" in scene.provider.last.body


@pytest.mark.parametrize("kind", NO_OBJECT)
async def test_what_a_restricted_key_calls_json_is_an_object(scene: Scene, kind: str) -> None:
    await scene.refused(400, "invalid_request_error", await scene.key(models=["cheap"]), data=NO_OBJECT[kind])


@pytest.mark.parametrize("where", DENIED)
async def test_a_model_is_denied_wherever_it_is_named(scene: Scene, where: str) -> None:
    key = await scene.key(models=["cheap"])
    await scene.refused(403, "key_model_access_denied", key, path="/v1/images/generations", data=DENIED[where])


async def test_what_goes_on_says_one_thing_only(scene: Scene) -> None:
    key = await scene.key(models=["cheap"])
    data = b' {"model": "costly", "prompt": "x", "model": "cheap", "cache": {}} '
    for headers, sent in (
        ({}, data),
        ({"Content-Encoding": "gzip"}, gzip.compress(data)),
        ({"Content-Encoding": "x"}, data),
    ):
        answer = await scene.ask(key, data=sent, kind="application/json; charset=utf-16", headers=headers)
        assert answer.status == 200
        last = scene.provider.last
        assert last.body == b'{"model":"real-cheap","prompt":"x"}'
        assert last.headers.getall("Content-Type") == [JSON]
        assert "Content-Encoding" not in last.headers


async def test_a_restricted_key_sends_files_where_forms_name_no_model(scene: Scene) -> None:
    key, form = await scene.key(models=["cheap", "costly"]), parts(('name="purpose"', "batch"), FILE)
    for path in (
        "/v1/files",
        "/files",
        "/v1/uploads/u-1/parts",
        "/v1/containers/c-1/files",
        "/v1/vector_stores/v-1/files",
    ):
        assert (await scene.ask(key, path=path, kind=FORM, data=form)).status == 200, path
        assert scene.provider.last.body == form
    await scene.refused(403, "key_model_access_denied", key, path="/v1//files", kind=FORM, data=form)
    for method, path in (("GET", "/v1/files"), ("DELETE", "/v1/files/f-1"), ("POST", "/v1/batches/b-1/cancel")):
        assert (await scene.ask(key, method, path)).status == 200, path


async def test_a_request_counts_under_every_model_that_it_names(scene: Scene) -> None:
    key = await scene.key(models=["cheap", "costly"], model_rpm_limit={"costly": 2, "cheap": 9})
    hidden: dict[str, Any] = {"data": COSTLY, "headers": {"x-litellm-model": "cheap"}}
    assert [(await scene.ask(key, **hidden)).status for _ in range(3)] == [200, 200, 429]
    await scene.refused(429, "rate_limit_error", key, data=COSTLY)
    assert (await scene.ask(key, data=b'{"model": "cheap"}')).status == 200


@pytest.mark.parametrize("limit", ["max_budget", "tpm_limit", "model_tpm_limit"])
@pytest.mark.parametrize("of", ["key", "team"])
async def test_where_cost_is_limited_only_what_costs_nothing_is_passed_through(
    scene: Scene, limit: str, of: str
) -> None:
    fields: dict[str, Any] = {limit: {"cheap": 99} if limit == "model_tpm_limit" else 99}
    if of == "team":
        team = (await scene.door.post("/team/new", fields)).json["team_id"]
        fields = {"team_id": team}
    key = await scene.key(**fields)
    cheap: dict[str, Any] = {"data": b'{"model": "cheap"}'}
    for method, path, how in (
        ("POST", IMAGES, cheap),
        ("PUT", IMAGES, cheap),
        ("PATCH", "/v1/evals/e-1", cheap),
        ("POST", "/v1/files", {"kind": FORM, "data": parts(FILE)}),
        ("POST", "/v1/responses/compact", cheap),
        ("POST", "/openai/deployments/cheap/images/generations", cheap),
    ):
        told = await scene.refused(403, "passed_through_not_counted", key, method=method, path=path, **how)
        assert limit in told
    for method, path in (("GET", "/v1/files"), ("HEAD", "/v1/files"), ("DELETE", "/v1/files/f-1")):
        headers = {"x-litellm-model": "cheap"}
        assert (await scene.ask(key, method, path, headers=headers)).status == 200, path
    assert (await scene.ask(await scene.key(rpm_limit=9, max_parallel_requests=9), **cheap)).status == 200


async def test_a_connection_is_of_use_after_a_refusal(scene: Scene) -> None:
    key = await scene.key(models=["cheap"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for _ in range(3):
            async with session.post(
                scene.door.client.url + IMAGES, data=b"x" * 9000, headers={**bearer(key), "Content-Type": "text/plain"}
            ) as answer:
                assert answer.status == 403
