"""Each dialect over the wire: where a provider is asked, with which credential, and under which key it is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from askonce.core.sse import DONE, frame
from tests.e2e import upstreams
from tests.e2e.asking import Answer, Client, body
from tests.e2e.commands import run
from tests.e2e.upstreams import CHUNK, LAST, SAID, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "said"}],
    "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
VECTOR = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1}}  # fmt: skip


@dataclass
class Heard:
    """A provider, and what it was asked: paths with their queries, headers in small letters, bodies."""

    root: str
    paths: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> dict[str, str]:
        """The last request's credentials."""
        names = ("authorization", "api-key", "x-api-key", "x-litellm-api-key")
        return {name: self.headers[name] for name in names if name in self.headers}


@asynccontextmanager
async def listening() -> AsyncIterator[Heard]:
    async def answer(request: web.Request) -> web.StreamResponse:
        heard.paths.append(request.raw_path)
        heard.headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method == "GET":
            return web.json_response({"object": "list", "data": []})
        heard.body = orjson.loads(await request.read())
        if request.path.endswith("/messages"):
            return web.json_response(MESSAGE)
        if request.path.endswith("/embeddings"):
            return web.json_response(VECTOR)
        if not heard.body.get("stream"):
            return web.json_response(SAID)
        events = [orjson.dumps(CHUNK), *([orjson.dumps(LAST)] if "stream_options" in heard.body else []), DONE]
        return web.Response(body=b"".join(map(frame, events)), content_type="text/event-stream")

    async with provider(answer) as (_, base):
        heard = Heard(base.removesuffix("/v1"))
        yield heard


async def ask(client: Client, text: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.send("POST", "/v1/chat/completions", json=body("completion", text, model="m"), headers=named)


async def message(client: Client, text: str, **headers: str) -> Answer:
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": text}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.send("POST", "/v1/messages", json=asked, headers=named)


# -- Azure -------------------------------------------------------------------------------------------------------------


async def test_azure_is_asked_below_its_deployment_with_its_version_and_its_key(scene: Scene) -> None:
    async with listening() as heard:
        params = "api_key: az-own, api_version: 2024-10-21, temperature: 0.5, extra_headers: {X-Team: red}"
        async with scene.proxy(entry("m", "azure/gpt 4o/eu", f"{heard.root}/", params)) as client:
            miss, hit = await ask(client, "azure"), await ask(client, "azure", Authorization="Bearer sk-client")
            assert (miss.json, hit.json) == (SAID, SAID)
            assert (miss.hit, hit.hit) == (False, True)
            vector = await client.ask("embedding", "azure", model="m")
            assert vector.json["data"][0]["embedding"] == [0.5, 0.25]
            below = "/openai/deployments/gpt%204o%2Feu"
            assert heard.paths == [
                f"{below}/chat/completions?api-version=2024-10-21",
                f"{below}/embeddings?api-version=2024-10-21",
            ]
            assert heard.shown == {"api-key": "az-own"}
            assert heard.headers["x-team"] == "red"
            assert (heard.body["model"], heard.body["temperature"]) == ("gpt 4o/eu", 0.5)


async def test_azures_undated_api_takes_the_model_in_the_body(scene: Scene) -> None:
    async with listening() as heard:
        models = entry("m", "azure/*", f"{heard.root}/openai/v1/", "azure_ad_token: os.environ/TOKEN")
        async with scene.proxy(models, TOKEN="ad-token") as client:
            assert (await ask(client, "undated")).status == 200
        async with scene.proxy(entry("m", "azure/gpt", heard.root, "api_key: k, api_version: latest")) as client:
            assert heard.shown == {"authorization": "Bearer ad-token"}
            assert heard.body["model"] == "m"
            assert (await ask(client, "undated")).status == 200
        assert heard.paths == ["/openai/v1/chat/completions", "/openai/v1/chat/completions?api-version=preview"]
        assert heard.body["model"] == "gpt"


async def test_answers_of_one_version_are_not_those_of_another(scene: Scene) -> None:
    async with listening() as heard:

        def of(version: str, more: str = "") -> str:
            return entry("m", "azure/gpt", heard.root, f"api_key: k, api_version: {version}{more}")

        async with (
            scene.proxy(of("2024-10-21")) as one,
            scene.proxy(of("2024-10-21")) as same,
            scene.proxy(of("2024-12-01-preview")) as other,
            scene.proxy(of("2024-10-21", ", temperature: 0")) as cool,
        ):
            assert not (await ask(one, "which version")).hit
            assert not (await ask(other, "which version")).hit
            assert not (await ask(cool, "which version")).hit
            assert (await ask(same, "which version")).hit
        assert len(heard.paths) == 3


@pytest.mark.parametrize(("version", "asked"), [("2024-02-15-preview", False), ("2024-10-21", True)])
async def test_only_a_version_that_knows_it_is_asked_for_the_usage_of_a_stream(
    scene: Scene, version: str, asked: bool
) -> None:
    async with (
        listening() as heard,
        scene.proxy(entry("m", "azure/gpt", heard.root, f"api_key: k, api_version: {version}")) as client,
    ):
        miss, hit = [await client.chat("in a stream", model="m", stream=True) for _ in range(2)]
        assert ("stream_options" in heard.body) is asked
        assert [chunk["choices"] for chunk in miss.chunks] == [CHUNK["choices"]]
        assert (hit.hit, len(heard.paths)) == (True, 1)
        assert (await client.chat("in a stream", model="m")).hit is asked, "an answer without its usage is no answer"


# -- Anthropic ---------------------------------------------------------------------------------------------------------


async def test_anthropic_is_asked_for_messages_with_its_key_and_version(scene: Scene) -> None:
    async with listening() as heard:
        async with scene.proxy(entry("m", "anthropic/claude", heard.root, "api_key: ant-own")) as client:
            assert (await message(client, "hello")).json == MESSAGE
            assert heard.headers["anthropic-version"] == "2023-06-01"
            assert heard.shown == {"x-api-key": "ant-own"}
            theirs = await message(client, "hello", anthropic_version="2024-01-01", x_api_key="theirs")
            assert not theirs.hit
            assert heard.headers["anthropic-version"] == "2024-01-01"
            assert heard.shown == {"x-api-key": "ant-own"}
        async with (
            scene.proxy(entry("m", "anthropic/claude", f"{heard.root}/v1", "api_key: ant-own")) as one,
            scene.proxy(entry("m", "anthropic/claude", f"{heard.root}/v1/messages/", "api_key: ant-own")) as other,
        ):
            assert not (await message(one, "hello again")).hit
            assert (await message(other, "hello again")).hit, "one place, however it is written"
        assert heard.paths == ["/v1/messages"] * 3
        assert heard.body["model"] == "claude"


async def test_chat_goes_to_anthropics_own_compatible_address_and_the_rest_says_why_not(scene: Scene) -> None:
    async with (
        listening() as heard,
        scene.proxy(entry("m", "anthropic/claude", heard.root, "api_key: ant-own")) as client,
    ):
        assert (await ask(client, "chat")).json == SAID
        assert (await ask(client, "chat")).hit
        assert heard.paths == ["/v1/chat/completions"]
        assert heard.shown == {"authorization": "Bearer ant-own"}
        refused = await client.ask("embedding", "none here", model="m")
        assert (refused.status, refused.error["param"]) == (400, "model")
        assert "provider anthropic serves /messages and /chat/completions only" in refused.error["message"]
        assert len(heard.paths) == 1


# -- the others --------------------------------------------------------------------------------------------------------


async def test_a_server_of_ones_own_and_a_base_with_a_query(scene: Scene) -> None:
    async with listening() as heard:
        models = entry("m", "ollama_chat/llama3:8b", heard.root, "num_ctx: 4096")
        async with scene.proxy(models) as client:
            assert (await ask(client, "ollama")).status == 200
            assert (heard.shown, heard.body["model"], heard.body["num_ctx"]) == ({}, "llama3:8b", 4096)
        async with scene.proxy(entry("m", "openai/x", f"{heard.root}/a/?key=1%262", "api_key: k")) as client:
            assert (await ask(client, "a query")).status == 200
        assert heard.paths == ["/v1/chat/completions", "/a/chat/completions?key=1%262"]


@pytest.mark.parametrize(
    ("model", "version", "sent", "shown"),
    [
        ("openai/x", "", {"Authorization": "Bearer c"}, {"authorization": "Bearer c"}),
        ("openai/x", "", {"api-key": "c"}, {"authorization": "Bearer c"}),
        ("azure/x", "api_version: v1", {"Authorization": "Bearer c"}, {"authorization": "Bearer c"}),
        ("azure/x", "api_version: v1", {"api-key": "c"}, {"api-key": "c"}),
        ("azure/x", "api_version: v1", {"x-litellm-api-key": "Bearer c"}, {"api-key": "c"}),
        ("anthropic/x", "", {"Authorization": "Bearer c"}, {"authorization": "Bearer c"}),
        ("anthropic/x", "", {"x-api-key": "c"}, {"authorization": "Bearer c"}),
    ],
)
async def test_a_clients_own_credential_goes_as_the_provider_takes_it_and_keeps_tenants_apart(
    scene: Scene, model: str, version: str, sent: dict[str, str], shown: dict[str, str]
) -> None:
    async with listening() as heard, scene.proxy(entry("m", model, heard.root, version)) as client:
        assert not (await ask(client, "mine", **sent)).hit
        assert heard.shown == shown
        assert (await ask(client, "mine", **sent)).hit
        assert not (await ask(client, "mine", **{name: f"{value}2" for name, value in sent.items()})).hit


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"x-api-key": "c"}, {"x-api-key": "c"}),
        ({"Authorization": "Bearer oauth"}, {"authorization": "Bearer oauth"}),
    ],
)
async def test_a_clients_own_credential_for_messages_goes_as_it_came(
    scene: Scene, sent: dict[str, str], shown: dict[str, str]
) -> None:
    async with listening() as heard, scene.proxy(entry("m", "anthropic/x", heard.root, "")) as client:
        assert (await message(client, "mine", **sent)).status == 200
        assert heard.shown == shown


async def test_a_check_asks_each_provider_in_its_own_way(tmp_path: Path) -> None:
    async with listening() as heard:
        models = (
            entry("a", "azure/x", heard.root, "api_key: k, api_version: 2024-10-21")
            + entry("b", "azure/y", f"{heard.root}/openai/v1", "api_key: k")
            + entry("c", "anthropic/z", heard.root, "api_key: k")
            + entry("d", "ollama/z", heard.root, "rpm: 1")
        )
        (tmp_path / "config.yaml").write_text(f"model_list:\n{models}litellm_settings: {{cache: false}}\n")
        code, output = await run("check", "--config", "config.yaml", cwd=tmp_path)
        assert code == 0, output
        wanted = ["/openai/models?api-version=2024-10-21", "/openai/v1/models", "/v1/models", "/v1/models"]
        assert sorted(heard.paths) == wanted
        assert output.count("HTTP 200") == 4
