"""To which provider a request goes that is passed through, and by which name its model is called there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.relays import Scene, passed, relays, send

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with relays(tmp_path_factory.mktemp("relays")) as scene:
        yield scene


async def test_a_model_is_named_by_header_query_or_body_and_called_by_its_name_there(scene: Scene) -> None:
    body = {"model": "dalle", "prompt": "a"}
    for path, how in (
        ("/v1/images/generations", {"json": body}),
        ("/v1/images/generations?model=dalle&x=%41", {"json": body}),
        ("/v1/images/generations?x=%41", {"json": body, "headers": {"x-litellm-model": "dalle"}}),
        ("/images/generations", {"json": body}),
        ("/openai/deployments/dalle/images/generations?api-version=1", {"json": {"prompt": "a"}}),
        ("/openai/deployments/dalle/images/generations", {"json": {"model": "gpt", "prompt": "a"}}),
    ):
        passed(await send(scene.listed, "POST", path, **how))
        last = scene.second.last
        assert last.json == {"model": "dall-e-3", "prompt": "a"}
        told = {"?model=dalle&x=%41": "?model=dall-e-3&x=%41", "?api-version=1": ""}
        query = path[path.index("?") :] if "?" in path else ""
        assert last.target == f"/v1/images/generations{told.get(query, query)}"


async def test_a_name_that_is_the_providers_own_changes_nothing(scene: Scene) -> None:
    data = b'{ "model": "gpt-4o" ,"input":"a"}'
    passed(await scene.open.send("POST", "/v1/moderations", data=data, headers={"Content-Type": "application/json"}))
    assert scene.first.last.body == data


async def test_who_is_asked_may_be_another_than_the_body_speaks_of(scene: Scene) -> None:
    how: dict[str, Any] = {"json": {"model": "base-model"}, "headers": {"x-litellm-model": "dalle"}}
    passed(await scene.listed.send("POST", "/v1/fine_tuning/jobs?model=gpt", **how))
    assert scene.second.last.json == {"model": "base-model"}
    assert scene.second.last.target == "/v1/fine_tuning/jobs?model=gpt"


async def test_without_a_model_the_first_deployment_is_asked(scene: Scene) -> None:
    for method, path in (
        ("GET", "/v1/files"),
        ("GET", "/batches"),
        ("GET", "/openai/v1/files"),
        ("POST", "/v1/threads"),
    ):
        passed(await scene.listed.send(method, path))
        assert scene.first.last.headers["Authorization"] == "Bearer sk-first"
    assert [seen.target for seen in scene.first.seen[-4:]] == ["/v1/files", "/v1/batches", "/v1/files", "/v1/threads"]


async def test_one_name_leads_to_one_deployment_where_several_have_it(scene: Scene) -> None:
    before = len(scene.second.seen)
    for _ in range(4):
        passed(await scene.listed.send("POST", "/v1/files?model=two"))
    assert len(scene.second.seen) == before + 4


async def test_a_name_that_nobody_answers_to_is_404(scene: Scene) -> None:
    before = len(scene.first.seen) + len(scene.second.seen)
    for path, how in (
        ("/v1/files?model=nobody", {}),
        ("/v1/images/generations", {"json": {"model": "nobody"}}),
        ("/v1/files", {"headers": {"x-litellm-model": "nobody"}}),
        ("/openai/deployments/nobody/images/edits", {}),
    ):
        answer = await scene.listed.send("POST", path, **how)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert len(scene.first.seen) + len(scene.second.seen) == before


async def test_anthropics_routes_need_an_anthropic_deployment(scene: Scene) -> None:
    before = len(scene.first.seen)
    for path in ("/v1/messages/batches", "/anthropic/v1/files"):
        answer = await scene.open.send("GET", path)
        assert (answer.status, answer.cache) == (404, {"detail": "refused"})
        assert answer.json["type"] == "error", "Anthropic's shape"
        assert "Anthropic" in answer.json["error"]["message"]
    assert len(scene.first.seen) == before


# -- Anthropic's and Azure's -------------------------------------------------------------------------------------


async def test_anthropics_routes_go_to_the_first_anthropic_deployment(scene: Scene) -> None:
    for path in ("/v1/messages/batches?limit=2", "/anthropic/v1/messages/batches?limit=2"):
        passed(
            await send(scene.listed, "GET", path, headers={"anthropic-version": "2024-01-01", "x-api-key": "sk-any"})
        )
        seen = scene.second.last
        assert seen.target == "/v1/messages/batches?limit=2"
        assert seen.headers.getall("x-api-key") == ["sk-anthropic"]
        assert seen.headers.getall("anthropic-version") == ["2024-01-01"], "the client's"
    passed(await scene.listed.send("GET", "/anthropic/v1/files"))
    assert scene.second.last.target == "/v1/files"
    assert "anthropic-version" in scene.second.last.headers, "which Anthropic asks for"


async def test_tokens_are_counted_by_the_model_that_the_body_names(scene: Scene) -> None:
    for path in ("/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"):
        passed(await scene.listed.send("POST", path, json={"model": "claude", "messages": []}))
        assert scene.second.last.target == "/v1/messages/count_tokens"
        assert scene.second.last.json == {"model": "claude-sonnet", "messages": []}
    answer = await scene.listed.send("POST", path, json={"model": "azure", "messages": []})
    assert (answer.status, answer.json["type"]) == (400, "error")


async def test_azures_deployments_are_asked_where_azure_has_them(scene: Scene) -> None:
    headers = {"x-litellm-model": "azure", "Authorization": "Bearer sk-any"}
    passed(await send(scene.listed, "POST", "/v1/images/generations?api-version=theirs&x=1", json={}, headers=headers))
    seen = scene.first.last
    assert seen.target == "/v1/openai/deployments/dalle-3/images/generations?api-version=2024-10-21&x=1"
    assert seen.headers["api-key"] == "sk-azure"
    assert "Authorization" not in seen.headers
    passed(await send(scene.listed, "GET", "/openai/files?api-version=theirs", headers=headers))
    assert scene.first.last.target == "/v1/openai/files?api-version=2024-10-21"


async def test_json_counts_whatever_curl_says_of_it(scene: Scene) -> None:
    """`curl -d` calls every body a form."""
    data = b'{"model": "dalle", "prompt": "a", "cache": {"ttl": 3}}'
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    passed(await send(scene.listed, "POST", "/v1/images/generations", data=data, headers=form))
    assert scene.second.last.json == {"model": "dall-e-3", "prompt": "a"}
    assert scene.second.last.headers["Content-Type"] == "application/json"
    passed(await send(scene.listed, "POST", "/v1/images/generations", data=b"a=1&b=2", headers=form))
    assert scene.first.last.body == b"a=1&b=2"
    assert scene.first.last.headers["Content-Type"] == form["Content-Type"]


async def test_the_models_are_the_providers_where_the_list_names_none(scene: Scene) -> None:
    passed(await send(scene.open, "GET", "/v1/models"))
    assert scene.first.last.target == "/v1/models"
    assert [one["id"] for one in (await scene.listed.send("GET", "/v1/models")).json["data"]]


async def test_what_a_provider_keeps_of_responses_is_asked_where_everything_else_is(scene: Scene) -> None:
    """By weight the second entry of the name has every turn; what is kept goes to the first one's provider."""

    async def asked(**more: Any) -> tuple[int, int]:
        """How often the first and the second provider were."""
        before = [len(scene.first.seen), len(scene.second.seen)]
        for n in range(4):
            body = {"model": "two", "input": f"turn {n}", "cache": {"no-store": True, "no-cache": True}, **more}
            await scene.listed.send("POST", "/v1/responses", json=body)
        return len(scene.first.seen) - before[0], len(scene.second.seen) - before[1]

    assert await asked() == (0, 4)
    assert await asked(previous_response_id="resp_1", store=False) == (0, 4)
    assert await asked(store=False) == (4, 0)
