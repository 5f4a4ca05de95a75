"""Routes by their other addresses: Azure's, LiteLLM's for engines, and OpenAI's below another prefix."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.e2e import upstreams
from tests.e2e.asking import CALL_TYPES, PATHS, Answer, body, form
from tests.e2e.relays import send
from tests.e2e.upstreams import Scene, entry

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene
QUESTION: list[Any] = [{"role": "user", "content": "By which address?"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azure(scene: Scene) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=scene.client.url, api_key="sk-any", api_version="2024-10-21", max_retries=0
    ) as client:
        yield client


async def ask(scene: Scene, call_type: str, path: str, text: str, **more: Any) -> Answer:
    if call_type == "transcription":
        return await send(scene.client, "POST", path, data=form(text, **more))
    return await send(scene.client, "POST", path, json=body(call_type, text, **more))


# -- Azure's client ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_azures_client_chats_and_hits(scene: Scene, azure: openai.AsyncAzureOpenAI, stream: bool) -> None:
    asked, model = scene.asked, f"toy-{stream}"
    texts = []
    for hit in (False, True):
        raw = await azure.chat.completions.with_raw_response.create(model=model, messages=QUESTION, stream=stream)
        assert ("x-litellm-cache-key" in raw.headers) == hit
        said: Any = raw.parse()
        if stream:
            texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in said if chunk.choices]))
        else:
            texts.append(said.choices[0].message.content)
    assert texts[0] == texts[1] != ""
    assert scene.asked == asked + 1
    answer = await scene.client.send("POST", "/v1/chat/completions", json={"model": model, "messages": QUESTION})
    assert answer.hit, "one entry, whatever the address"
    assert scene.asked == asked + 1


async def test_azures_client_embeds_and_hits(scene: Scene, azure: openai.AsyncAzureOpenAI) -> None:
    asked = scene.asked
    vectors = []
    for hit in (False, True):
        raw = await azure.embeddings.with_raw_response.create(model="toy-embedding", input=["one", "two"])
        assert ("x-litellm-cache-key" in raw.headers) == hit
        vectors.append([item.embedding for item in raw.parse().data])
    assert vectors[0] == vectors[1]
    assert scene.asked == asked + 1


async def test_azures_client_transcribes(scene: Scene, azure: openai.AsyncAzureOpenAI) -> None:
    for hit in (False, True):
        raw = await azure.audio.transcriptions.with_raw_response.create(
            model="toy-transcribe", file=("a.wav", b"by Azure's address", "audio/wav")
        )
        assert ("x-litellm-cache-key" in raw.headers) == hit
        assert raw.parse().text


# -- every form of every route -----------------------------------------------------------------------------------


@pytest.mark.parametrize("call_type", CALL_TYPES)
async def test_a_route_is_one_and_the_same_by_each_of_its_addresses(scene: Scene, call_type: str) -> None:
    path, model = PATHS[call_type], f"toy-{call_type}"
    first = await ask(scene, call_type, f"/v1{path}", "which address?", model=model)
    assert not first.hit
    others = [path, f"/openai/v1{path}", f"/openai{path}?api-version=preview"]
    naming = [f"{start}/{model}{path}?api-version=1" for start in ("/openai/deployments", "/engines", "/v1/engines")]
    for other, said in (*((other, model) for other in others), *((other, "another") for other in naming)):
        answer = await ask(scene, call_type, other, "which address?", model=said)
        assert answer.hit, other
        assert answer.key == first.key


async def test_where_the_address_names_the_model_the_body_need_not(scene: Scene) -> None:
    answer = await scene.client.send("POST", "/openai/deployments/toy/chat/completions", json={"messages": QUESTION})
    assert answer.status == 200
    assert scene.last_body()["model"] == "toy"


@pytest.mark.parametrize("written", ["org/toy", "org%2Ftoy", "org%2ftoy", "%6Frg/toy"])
async def test_a_name_may_hold_slashes(scene: Scene, written: str) -> None:
    for start in ("/openai/deployments", "/engines"):
        answer = await ask(scene, "completion", f"{start}/{written}/chat/completions", "slashes")
        assert answer.status == 200
        assert scene.last_body()["model"] == "org/toy"


async def test_a_name_is_one_of_the_model_list(scene: Scene) -> None:
    async with scene.proxy(entry("ours", "openai/toy", "{base}")) as client:
        for name, status in (("ours", 200), ("theirs", 404), ("o%75rs", 200)):
            path = f"/openai/deployments/{name}/chat/completions"
            answer = await send(client, "POST", path, json=body("completion", f"for {name}"))
            assert answer.status == status
            if status == 404:
                assert answer.error["code"] == "model_not_found"
            else:
                assert scene.last_body()["model"] == "toy"


@pytest.mark.parametrize("name", ["", "%FF", "a" * 513])
async def test_a_name_that_is_none_is_400(scene: Scene, name: str) -> None:
    asked = scene.asked
    answer = await ask(scene, "completion", f"/openai/deployments/{name}/chat/completions", "whom?")
    assert (answer.status, answer.error["param"], answer.cache) == (400, "model", {"detail": "refused"})
    assert scene.asked == asked


async def test_other_methods_and_other_words_are_no_cached_route(scene: Scene) -> None:
    for method, path in (
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/embeddings"),
        ("GET", "/openai/deployments/toy/chat/completions"),
        ("POST", "/v1/chat/completions/c-1"),
    ):
        answer = await send(scene.client, method, path)
        assert answer.cache == {"fwd": "bypass", "detail": "not-a-cached-route"}, path
        assert answer.status >= 400, "in the provider's words"
    for method, path in (
        ("POST", "/openai/deployments/toy"),
        ("POST", "/openai/deployments/toy/nothing"),
        ("POST", "/engines/toy"),
        ("OPTIONS", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
    ):
        answer = await send(scene.client, method, path)
        assert (answer.status, answer.cache) == (404, {"detail": "refused"}), path
        assert answer.error["message"] == f"Invalid URL ({method} {path})"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/chat/completions/", "/v1//chat/completions", "/v1/chat//completions//", "/chat/completions/"),
        *("/v1/chat/completions;x", "/v1/chat;x=1/completions", "/v1/chat/completions%20", "/v1/chat/completions%2f"),
        *("/v1/chat/completions%09", "/v1/chat%252fcompletions", "/v1/chat/Completions", "/v1/%20chat/completions"),
        *("/v1/chat/completions%00", "/v1/messages/", "/anthropic/v1//messages", "/v1/embeddings//"),
        *("/openai/deployments/toy/chat/completions/", "/engines/toy/chat/%63ompletions", "/v1/responses/"),
    ],
)
async def test_what_a_lax_provider_may_take_for_a_cached_route_goes_to_none(scene: Scene, path: str) -> None:
    asked = scene.asked
    for method in ("POST", "PUT", "PATCH"):
        answer = await send(scene.client, method, path, json=body("completion", "by which way?"))
        assert (answer.status, answer.cache) == (404, {"detail": "refused"}), method
    assert scene.asked == asked


async def test_the_admins_routes_have_azures_address_too(scene: Scene) -> None:
    for path in ("/openai/models?api-version=1", "/openai/v1/models"):
        answer = await scene.client.send("GET", path)
        assert (answer.status, answer.json["object"]) == (200, "list")
