"""Answers that are passed on and not kept: nothing in them, or an error."""

from typing import Any

import pytest

from tests.litellm.behaviours.proxies import Answer, Proxy, fresh
from tests.litellm.behaviours.questions import ROUTES, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"
HEAD = {"id": "chatcmpl-empty", "object": "chat.completion", "created": 1, "model": "toy"}


def choice(finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}


EMPTY: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (CHAT, {"model": "toy", "messages": [{"role": "user", "content": ""}]}, {**HEAD, "choices": []}),
    (
        "/v1/completions",
        {"model": "toy-text", "prompt": ""},
        {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "toy", "choices": []},
    ),
    (
        "/v1/responses",
        {"model": "toy", "input": ""},
        {"id": "resp_1", "object": "response", "created_at": 1, "model": "toy", "status": "completed", "output": [],
         "parallel_tool_calls": True, "tool_choice": "auto", "tools": []},
    ),
    (
        "/v1/messages",
        {"model": "claude", "messages": [{"role": "user", "content": ""}], "max_tokens": 9},
        {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "end_turn",
         "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}},
    ),
]  # fmt: skip


def said(answer: Answer) -> list[Any]:
    """What an answer holds of what its route is for."""
    return [answer.json.get(name) for name in ("choices", "output", "content")]


@pytest.mark.parametrize(("path", "body", "empty"), EMPTY, ids=[path for path, _, _ in EMPTY])
async def test_an_empty_answer_is_not_kept_and_a_real_one_is(
    proxy: Proxy, path: str, body: dict[str, Any], empty: dict[str, Any]
) -> None:
    text, before = fresh(), proxy.asked(path)
    body = {
        name: text if value == "" else [{"role": "user", "content": text}] if name == "messages" else value
        for name, value in body.items()
    }
    proxy.provider.says(path, empty)
    emptied = await proxy.post(path, body)
    real = await proxy.post(path, body)
    assert proxy.asked(path) == before + 2
    again = await proxy.post(path, body)
    assert said(again) == said(real) != said(emptied)
    assert proxy.asked(path) == before + 2


@pytest.mark.parametrize(
    "said",
    [
        choice("content_filter", content=""),
        choice(
            "tool_calls",
            tool_calls=[{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        ),
    ],
    ids=["a filtered answer", "a tool call"],
)
async def test_an_answer_without_text_may_say_something(proxy: Proxy, said: dict[str, Any]) -> None:
    text, before = fresh(), proxy.asked()
    proxy.provider.says(CHAT, {**HEAD, "id": fresh("chatcmpl"), "choices": [said]})
    first, again = [await proxy.chat(text) for _ in range(2)]
    assert again.json["id"] == first.json["id"]
    assert proxy.asked() == before + 1


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("route", ROUTES)
async def test_an_error_reaches_the_client_and_is_not_kept(proxy: Proxy, route: str, status: int) -> None:
    path, body = asked(route, fresh())
    proxy.provider.says(path, {"error": {"message": "not now", "type": "x", "code": "x"}}, status, times=9)
    failed = await proxy.post(path, body)
    proxy.provider.next[path].clear()  # not all were fetched: LiteLLM asks three times for embeddings
    assert failed.status == status
    assert "not now" in failed.json["error"]["message"]
    assert (await proxy.post(path, body)).status == 200


@pytest.mark.parametrize("wrong", [{"choices": None}, {"choices": "text"}, {"choices": 5}, {}], ids=str)
async def test_choices_that_are_none_are_not_kept(proxy: Proxy, wrong: dict[str, Any]) -> None:
    text, before = fresh(), proxy.asked()
    proxy.provider.says(CHAT, {**HEAD, **wrong})
    await proxy.chat(text)
    again = await proxy.chat(text)
    assert (again.status, again.key) == (200, None)
    assert again.json["choices"][0]["message"]["content"]
    assert proxy.asked() == before + 2


@pytest.mark.differs("malformed-answers")
async def test_an_answer_that_is_no_chat_completion_is_passed_on_as_it_came(proxy: Proxy) -> None:
    said = {**HEAD, "choices": "text"}
    proxy.provider.says(CHAT, said)
    answer = await proxy.chat(fresh())
    assert (answer.status, answer.json) == (200, said)


@pytest.mark.differs("own-errors")
async def test_a_request_that_is_no_json_is_the_clients_fault(proxy: Proxy) -> None:
    answer = await proxy.send("POST", CHAT, data=b'{"model": "toy",}', headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "body")
