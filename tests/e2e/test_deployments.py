"""What a config says about its deployments: whose credential goes upstream, defaults, headers, names, turns."""

import orjson
import pytest
from aiohttp import web

from tests.e2e import upstreams
from tests.e2e.asking import CALL_TYPES, Answer, Client, body
from tests.e2e.stack import toy_provider
from tests.e2e.upstreams import EVERYTHING, SAID, Scene, entry, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

MASTER = "sk-master"
scene = upstreams.scene


# -- credentials ---------------------------------------------------------------------------------------------------

KEYLESS = '  - {model_name: "*", litellm_params: {model: "openai/*", api_base: "{base}"}}'


async def ask_as(client: Client, text: str, credential: str | None = None, **headers: str) -> Answer:
    if credential is not None:
        headers["Authorization"] = f"Bearer {credential}"
    return await client.send("POST", "/v1/chat/completions", json=body("completion", text), headers=headers)


async def test_a_deployments_own_key_wins_and_everybody_shares(scene: Scene) -> None:
    await ask_as(scene.client, "own key", "sk-client")
    assert scene.toy.seen[-1].headers["authorization"] == "Bearer sk-proxy"
    assert (await ask_as(scene.client, "own key", "sk-other")).hit
    assert (await ask_as(scene.client, "own key")).hit


async def test_without_one_the_clients_goes_upstream_and_keeps_tenants_apart(scene: Scene) -> None:
    async with scene.proxy(KEYLESS) as client:
        for credential in ("sk-a", "sk-b", None):
            assert not (await ask_as(client, "whose", credential)).hit
            wanted = None if credential is None else f"Bearer {credential}"
            assert scene.toy.seen[-1].headers.get("authorization") == wanted
        for credential in ("sk-a", "sk-b", None):
            assert (await ask_as(client, "whose", credential)).hit
        assert not (await ask_as(client, "whose", "sk-c")).hit


async def test_a_global_scope_makes_them_share(scene: Scene) -> None:
    async with scene.proxy(KEYLESS, "askonce: {cache_scope: global}\n") as client:
        assert not (await ask_as(client, "shared", "sk-a")).hit
        assert (await ask_as(client, "shared", "sk-b")).hit


async def test_the_scope_of_a_key_keeps_apart_who_would_share(scene: Scene) -> None:
    async with scene.proxy(EVERYTHING, "askonce: {cache_scope: key}\n") as client:
        assert not (await ask_as(client, "apart", "sk-a")).hit
        assert not (await ask_as(client, "apart", "sk-b")).hit
        assert (await ask_as(client, "apart", "sk-a")).hit


@pytest.mark.parametrize("models", [KEYLESS, EVERYTHING], ids=["without a key", "with a key"])
async def test_a_master_key_never_goes_upstream(scene: Scene, models: str) -> None:
    async with scene.proxy(models, ASKONCE_MASTER_KEY=MASTER) as client:
        for call_type in CALL_TYPES:
            how = {"header_authorization": f"Bearer {MASTER}", "header_openai_organization": "org-client"}
            assert (await client.ask(call_type, "guarded", **how)).status == 200
            seen = scene.toy.seen[-1]
            assert MASTER not in str(seen.headers)
            assert seen.headers.get("authorization") == ("Bearer sk-proxy" if models == EVERYTHING else None)
            assert "openai-organization" not in seen.headers


async def test_of_the_clients_headers_only_those_that_are_in_the_key_go_upstream(scene: Scene) -> None:
    theirs = {
        "OpenAI-Beta": "assistants=v2", "OpenAI-Organization": "org-a", "OpenAI-Project": "proj-a", "Cookie": "a=b",
        "User-Agent": "client/1", "X-Forwarded-For": "10.0.0.1", "Accept-Encoding": "gzip", "X-Api-Key": "sk-x",
    }  # fmt: skip
    async with scene.proxy(KEYLESS) as keyless:
        for client, passed in (
            (scene.client, {"OpenAI-Beta"}),
            (keyless, {"OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project"}),
        ):
            await ask_as(client, "heads", "sk-a", **theirs)
            seen = scene.toy.seen[-1].headers
            assert {name for name, value in theirs.items() if seen.get(name.lower()) == value} == passed
            assert seen["user-agent"].startswith("askonce/")
            for name in passed:
                other = await ask_as(client, "heads", "sk-a", **theirs | {name: "other"})
                assert not other.hit, f"{name} is part of the key"
            assert (await ask_as(client, "heads", "sk-a", **theirs | {"User-Agent": "another"})).hit


# -- what a deployment says ----------------------------------------------------------------------------------------


async def test_a_deployments_organization_and_headers_go_upstream(scene: Scene) -> None:
    params = "api_key: os.environ/THE_KEY, organization: org-proxy, extra_headers: {X-Team: red}"
    async with scene.proxy(entry("toy", "openai/toy-4", "{base}/", params), THE_KEY="sk-from-env") as client:
        for call_type in CALL_TYPES:
            assert (await client.ask(call_type, "headed", header_openai_organization="org-client")).status == 200
            seen = scene.toy.seen[-1].headers
            assert seen["authorization"] == "Bearer sk-from-env"
            assert seen["openai-organization"] == "org-proxy"
            assert seen["x-team"] == "red"
    async with scene.proxy(entry("toy", "openai/toy", "{base}"), OPENAI_API_KEY="sk-not-this-one") as client:
        await client.chat("from the file")
        assert scene.toy.seen[-1].headers["authorization"] == "Bearer sk-proxy"


async def test_a_header_of_the_config_takes_the_place_of_ours(scene: Scene) -> None:
    async def said(_request: web.Request) -> web.StreamResponse:
        return web.json_response(SAID)

    async with provider(said) as (script, base):
        address = base.replace("://", "://user:password@")
        own = entry("m", "openai/m", address, "api_key: k, extra_headers: {authorization: Basic abc}")
        async with scene.proxy(own) as client:
            assert (await client.chat("headed once", model="m")).status == 200
        assert script.seen[-1][1]["authorization"] == "Basic abc"


async def test_defaults_are_part_of_the_key_and_the_clients_value_wins(scene: Scene) -> None:
    def with_default(temperature: str) -> str:
        return entry("toy", "openai/toy", "{base}", f"api_key: k, temperature: {temperature}, seed: 5")

    async with (
        scene.proxy(with_default("0.25")) as cool,
        scene.proxy(with_default("0.25")) as cool_too,
        scene.proxy(with_default("0.75")) as warm,
    ):
        await cool.chat("how warm")
        assert scene.last_body()["temperature"] == 0.25
        assert not (await warm.chat("how warm")).hit
        assert scene.last_body()["temperature"] == 0.75
        assert (await cool_too.chat("how warm")).hit, "they do share what is the same"
        await cool.chat("how warm", temperature=1, seed=0)
        assert (scene.last_body()["temperature"], scene.last_body()["seed"]) == (1, 0)
        assert (await cool.chat("how warm", temperature=None)).hit, "a null says nothing"
        await cool.chat("how warm, null", temperature=None)
        assert scene.last_body()["temperature"] == 0.25


async def test_names_with_stars(scene: Scene) -> None:
    models = (
        entry("exact", "openai/gpt-exact", "{base}")
        + entry("team/*", "openai/team-*", "{base}")
        + entry("openai/*", "openai/*", "{base}")
        + entry("fixed/*", "openai/always-this", "{base}")
        + entry("*", "openai/*", "{base}")
    )
    async with scene.proxy(models) as client:
        for asked, there in (
            ("exact", "gpt-exact"),
            ("team/blue", "team-blue"),
            ("openai/gpt-x", "gpt-x"),
            ("fixed/any", "always-this"),
            ("anything", "anything"),
            ("meta/llama", "meta/llama"),
        ):
            assert (await client.chat("stars", model=asked)).status == 200
            assert scene.last_body()["model"] == there
        listed = (await client.send("GET", "/v1/models")).json
        assert [model["id"] for model in listed["data"]] == ["exact"]
        assert listed["object"] == "list"


async def test_two_deployments_of_one_name_share_the_work_and_their_answers(scene: Scene) -> None:
    async with toy_provider() as (second, second_base):
        models = entry("toy", "openai/toy", "{base}") + entry("toy", "hosted_vllm/toy-2", second_base)
        async with scene.proxy(models) as client:
            asked = scene.asked
            for number in range(30):
                assert (await client.chat(f"turn {number}")).status == 200
            shares = scene.asked - asked, sum(second.calls.values())
            assert sum(shares) == 30
            assert min(shares) > 0
            for number in range(30):
                assert (await client.chat(f"turn {number}")).hit
                assert (await client.chat(f"turn {number}", stream=True)).hit
            assert (scene.asked - asked, sum(second.calls.values())) == shares
            assert orjson.loads(second.seen[-1].body)["model"] == "toy-2"


async def test_an_entry_that_cannot_be_served_leaves_its_turn_to_the_others(scene: Scene) -> None:
    models = entry("toy", "openai/toy", "{base}") + entry("toy", "bedrock/claude", "{base}")
    async with scene.proxy(models) as client:
        for number in range(3):
            assert (await client.chat(f"of the others {number}")).status == 200


async def test_controls_in_a_form_stay_here(scene: Scene) -> None:
    async def heard(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"text": "heard"})

    async with provider(heard) as (script, base), scene.proxy(entry("m", "openai/m-2", base)) as client:
        for fields in ({"cache": '{"namespace": "hidden"}'}, {"cache[namespace]": "hidden", "cache[ttl]": "60"}):
            answer = await client.ask("transcription", str(sorted(fields)), model="m", language="de", **fields)
            assert answer.key.namespace == "hidden"
            path, headers, sent = script.seen[-1]
            assert path == "/v1/audio/transcriptions"
            assert headers["content-type"].startswith("multipart/form-data; boundary=")
            assert b"hidden" not in sent
            assert b'name="cache' not in sent
            assert b'name="language"\r\n\r\nde\r\n' in sent
            assert b'name="model"\r\n\r\nm-2\r\n' in sent
            assert b'name="file"; filename="speech.wav"' in sent
            assert str(sorted(fields)).encode() in sent
