"""`/v1/messages` through the proxy: one entry for both forms, controls, headers, credentials."""

from typing import Any

import pytest

from tests.e2e import upstreams
from tests.e2e.messages import PATHS, TOOL, ask, error, told, words
from tests.e2e.solo import solo
from tests.e2e.stack import config
from tests.e2e.upstreams import EVERYTHING, Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")
scene = upstreams.scene

MASTER = "sk-master"
KEYLESS = '  - {model_name: "*", litellm_params: {model: "openai/*", api_base: "{base}"}}'
ANTHROPIC = '  - {model_name: "*", litellm_params: {model: "anthropic/*", api_base: "{base}", api_key: sk-ant-proxy}}'


# -- forms ---------------------------------------------------------------------------------------------------------


async def test_a_question_is_asked_once(scene: Scene) -> None:
    asked = scene.asked
    first = await ask(scene.client, "once")
    assert first.cache == {"fwd": "miss", "stored": True, "ttl": 600, "key": first.cache["key"]}
    message = first.json
    assert (message["type"], message["role"], message["stop_reason"]) == ("message", "assistant", "end_turn")
    assert message["id"].startswith("msg_")
    assert message["usage"]["output_tokens"] == len(message["content"][0]["text"].split())
    again = await ask(scene.client, "once")
    assert again.hit
    assert (again.body, again.key) == (first.body, first.key)
    assert again.headers["Content-Type"] == "application/json"
    assert scene.asked == asked + 1


async def test_a_stream_is_replayed_to_the_byte(scene: Scene) -> None:
    asked = scene.asked
    first = await ask(scene.client, "streamed", stream=True)
    assert not first.hit
    assert first.stored
    again = await ask(scene.client, "streamed", stream=True)
    assert again.hit
    assert again.body == first.body
    assert again.headers["Content-Type"].startswith("text/event-stream")
    assert {"type": "ping"} in told(again)
    assert scene.asked == asked + 1


OTHER = {**TOOL, "name": "find_film"}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
FORMS: dict[str, dict[str, Any]] = {
    "text": {},
    "thoughts": THINKING,
    "a tool": {"tools": [TOOL]},
    "the tool that is asked for": {"tools": [OTHER, TOOL], "tool_choice": {"type": "tool", "name": TOOL["name"]}},
    "no tool": {"tools": [TOOL], "tool_choice": {"type": "none"}},
    "a tool after thoughts": {"tools": [TOOL], **THINKING},
    "too long": {"max_tokens": 3},
    "by its system prompt": {"system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}]},
}


@pytest.mark.parametrize("more", FORMS.values(), ids=FORMS)
async def test_a_kept_stream_gives_the_plain_answer(scene: Scene, more: dict[str, Any]) -> None:
    asked = scene.asked
    streamed = await ask(scene.client, "stream first", stream=True, **more)
    plain = await ask(scene.client, "stream first", **more)
    assert plain.hit
    assert plain.key == streamed.key
    assert plain.headers["Content-Type"] == "application/json"
    message = plain.json
    assert message["id"] == told(streamed)[0]["message"]["id"]
    assert "".join(one.get("text", "") for one in message["content"]) == words(streamed)
    assert scene.asked == asked + 1
    apart = await ask(scene.client, "stream first", cache={"no-cache": True}, **more)
    assert not apart.hit
    mine, theirs = ({**one, "id": "", "content": _nameless(one["content"])} for one in (message, apart.json))
    assert mine == theirs, "as the provider says it unstreamed"


@pytest.mark.parametrize("more", FORMS.values(), ids=FORMS)
async def test_a_kept_plain_answer_is_streamed(scene: Scene, more: dict[str, Any]) -> None:
    asked = scene.asked
    plain = await ask(scene.client, "plain first", **more)
    streamed = await ask(scene.client, "plain first", stream=True, **more)
    assert streamed.hit
    assert scene.asked == asked + 1
    events = told(streamed)
    assert (events[0]["type"], events[-1]) == ("message_start", {"type": "message_stop"})
    assert events[0]["message"]["id"] == plain.json["id"]
    assert words(streamed) == "".join(one.get("text", "") for one in plain.json["content"])
    assert events[-2]["delta"]["stop_reason"] == plain.json["stop_reason"]
    assert (await ask(scene.client, "plain first", **more)).body == plain.body


def _nameless(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in block.items() if name != "id"} for block in content]


async def test_three_addresses_share_one_entry(scene: Scene) -> None:
    asked = scene.asked
    answers = [await ask(scene.client, "everywhere", path) for path in PATHS]
    assert [answer.hit for answer in answers] == [False, True, True]
    assert len({answer.body for answer in answers}) == 1
    assert scene.asked == asked + 1
    assert scene.toy.seen[-1].path == "/v1/messages"


async def test_turns_with_tools_are_told_apart(scene: Scene) -> None:
    def turns(result: str, name: str = "find_book") -> list[dict[str, Any]]:
        call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {"title": "Emma"}}
        given = {"type": "tool_result", "tool_use_id": "toolu_1", "content": result}
        return [
            {"role": "user", "content": "Find Emma."},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [given]},
        ]

    asked = scene.asked
    first = await ask(scene.client, "", messages=turns("on shelf 4"), tools=[TOOL])
    assert first.json["content"][0]["type"] == "text"
    assert (await ask(scene.client, "", messages=turns("on shelf 4"), tools=[TOOL], stream=True)).hit
    for other in (turns("on shelf 5"), turns("on shelf 4", "find_film"), turns("on shelf 4")[:1]):
        assert not (await ask(scene.client, "", messages=other, tools=[TOOL])).hit
    assert not (await ask(scene.client, "", messages=turns("on shelf 4"))).hit
    assert scene.asked == asked + 5


# -- controls ------------------------------------------------------------------------------------------------------


async def test_controls_in_the_body_are_obeyed_and_go_no_further(scene: Scene) -> None:
    marked = [{"type": "text", "text": "controlled", "cache_control": {"type": "ephemeral"}}]
    turns = {"messages": [{"role": "user", "content": marked}]}
    unkept = await ask(scene.client, "", cache={"no-store": True}, **turns)
    assert unkept.cache["detail"] == "no-store"
    sent = scene.last_body()
    assert "cache" not in sent
    assert sent["messages"][0]["content"] == marked, "which is the provider's own cache's, and none of ours"
    assert (await ask(scene.client, "", cache={"ttl": 30}, **turns)).cache["ttl"] == 30
    assert (await ask(scene.client, "", **turns)).hit
    assert not (await ask(scene.client, "", cache={"no-cache": True}, **turns)).hit
    assert not (await ask(scene.client, "", cache={"namespace": "apart"}, **turns)).hit
    refused = await ask(scene.client, "", cache={"ttl": -1}, **turns)
    assert (refused.status, error(refused)["param"]) == (400, "cache.ttl")


async def test_controls_in_the_header_are_obeyed(scene: Scene) -> None:
    async def controlled(header: str) -> Any:
        return await ask(scene.client, "by header", headers={"Cache-Control": header})

    assert (await controlled("only-if-cached")).status == 504
    assert (await controlled("no-store")).cache["detail"] == "no-store"
    assert not (await controlled("ttl=40")).hit
    assert (await controlled("only-if-cached")).hit
    assert not (await controlled("no-cache")).hit
    assert not (await controlled("max-age=0")).hit


async def test_the_call_type_is_named_as_litellm_names_it(scene: Scene) -> None:
    for name, on in (("aanthropic_messages", True), ("anthropic_messages", True), ("acompletion", False)):
        text = config(scene.base, f"  cache: true\n  cache_params: {{type: local, supported_call_types: [{name}]}}\n")
        async with solo(scene.folder, text, scene.nats) as client:
            await ask(client, f"types {name}")
            again = await ask(client, f"types {name}")
            assert again.hit is on
            assert again.cache["detail"] == ("memory" if on else "call-type-off")
            chat = await client.chat(f"types {name}")
            assert chat.cache.get("detail") == ("call-type-off" if on else None)


# -- headers and credentials -----------------------------------------------------------------------------------------


async def test_what_anthropic_is_told_by_headers_is_forwarded_and_in_the_key(scene: Scene) -> None:
    asked = scene.asked
    told_by = (
        {},
        {"anthropic-version": "2023-06-01"},
        {"anthropic-version": "2023-01-01"},
        {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07"},
        {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07,files-api-2025-04-14"},
    )
    for headers in told_by:
        assert not (await ask(scene.client, "headers", headers=headers | {"X-Stainless-Lang": "python"})).hit
        seen = scene.toy.seen[-1].headers
        assert {name: value for name, value in seen.items() if name.startswith("anthropic-")} == headers
        assert "x-stainless-lang" not in seen
    for headers in told_by:
        assert (await ask(scene.client, "headers", headers=headers)).hit
    assert scene.asked == asked + len(told_by)


async def test_a_master_key_is_taken_as_anthropics_clients_show_it(scene: Scene) -> None:
    async with scene.proxy(EVERYTHING, ASKONCE_MASTER_KEY=MASTER) as client:
        for headers in ({"x-api-key": MASTER}, {"Authorization": f"Bearer {MASTER}"}):
            assert (await ask(client, "let in", headers=headers)).status == 200
        assert MASTER not in str(scene.toy.seen[-1].headers)
        asked = scene.asked
        for headers in ({}, {"x-api-key": "sk-wrong"}):
            for stream in (False, True):
                refused = await ask(client, "let in", headers=headers, stream=stream)
                assert refused.status == 401
                assert error(refused)["type"] == "authentication_error"
        assert scene.asked == asked


async def test_a_clients_own_key_keeps_tenants_apart(scene: Scene) -> None:
    async with scene.proxy(KEYLESS) as client:
        for key in ("sk-a", "sk-b"):
            assert not (await ask(client, "whose", headers={"x-api-key": key})).hit
            assert scene.toy.seen[-1].headers["authorization"] == f"Bearer {key}"
        for key in ("sk-a", "sk-b"):
            assert (await ask(client, "whose", headers={"x-api-key": key})).hit


@pytest.mark.parametrize("version", [None, "2023-01-01"])
async def test_anthropic_itself_is_asked_in_its_own_way(scene: Scene, version: str | None) -> None:
    models = ANTHROPIC.replace("{base}", scene.base.removesuffix("/v1"))
    headers = {"x-api-key": "sk-client"} | ({} if version is None else {"anthropic-version": version})
    async with scene.proxy(models) as client:
        streamed = await ask(client, f"anthropic {version}", headers=headers, stream=True)
        assert streamed.stored
        seen = scene.toy.seen[-1]
        assert (seen.path, seen.headers["x-api-key"]) == ("/v1/messages", "sk-ant-proxy")
        assert seen.headers["anthropic-version"] == (version or "2023-06-01")
        assert "authorization" not in seen.headers
        plain = await ask(client, f"anthropic {version}", headers=headers)
        assert plain.hit
        assert plain.json["model"] == "toy"
