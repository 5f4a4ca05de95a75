"""Streams: kept when whole, replayed with all that they said."""

from typing import Any

import pytest

from tests.litellm.behaviours.proxies import Answer, Proxy, fresh
from tests.litellm.behaviours.questions import TALKING, asked, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"
HEAD = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "toy"}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def response(status: str) -> dict[str, Any]:
    """A response with nothing in it."""
    asked = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return {
        "id": "resp_9",
        "object": "response",
        "created_at": 1,
        "model": "toy",
        "status": status,
        "output": [],
        **asked,
    }


async def test_a_stream_is_replayed_with_its_id_and_its_text(proxy: Proxy) -> None:
    text, before = fresh(), proxy.asked()
    first, again = [await proxy.chat(text, stream=True) for _ in range(2)]
    assert first.key is None
    assert again.key is not None
    assert again.said == first.said != ""
    assert {event["id"] for event in again.events} == {event["id"] for event in first.events}
    assert again.body.rstrip().endswith(b"data: [DONE]")
    assert proxy.asked() == before + 1


async def test_a_replayed_stream_tells_its_usage_to_who_asks(proxy: Proxy) -> None:
    text = fresh()
    first, again = [await proxy.chat(text, stream=True, stream_options={"include_usage": True}) for _ in range(2)]
    assert again.key is not None
    usage = [event["usage"] for event in first.events if event.get("usage")]
    assert [event["usage"]["total_tokens"] for event in again.events if event.get("usage")] == [
        one["total_tokens"] for one in usage
    ]


@pytest.mark.differs("text-streams")
async def test_a_streamed_text_completion_is_replayed(proxy: Proxy) -> None:
    path, body = asked("text", fresh())
    before = proxy.asked(path)
    first, again = [await proxy.post(path, {**body, "stream": True}) for _ in range(2)]
    assert proxy.asked(path) == before + 1
    assert words("text", again) == words("text", first) != ""


def tool_calls(answer: Answer) -> list[tuple[str, str]]:
    """Name and arguments of each call, put together."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for event in answer.events:
        for choice in event["choices"]:
            for call in choice["delta"].get("tool_calls") or []:
                at, function = call["index"], call["function"]
                names[at] = names.get(at, "") + (function.get("name") or "")
                arguments[at] = arguments.get(at, "") + (function.get("arguments") or "")
    return [(names[at], arguments[at]) for at in sorted(names)]


async def test_a_streamed_tool_call_is_replayed(proxy: Proxy) -> None:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    more = {"stream": True, "tools": [{"type": "function", "function": function}]}
    text = fresh()
    first, again = [await proxy.chat(text, **more) for _ in range(2)]
    assert again.key is not None
    assert tool_calls(again) == tool_calls(first) != []


EMPTY: dict[str, list[dict[str, Any]]] = {
    "chat": [chunk({"role": "assistant"}), chunk({}, "stop")],
    "text": [
        {"id": "cmpl-9", "object": "text_completion", "created": 1, "model": "toy",
         "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]},
    ],
    "responses": [
        {"type": "response.created", "sequence_number": 0, "response": response("in_progress")},
        {"type": "response.completed", "sequence_number": 1, "response": response("completed")},
    ],
    "messages": [
        {"type": "message_start",
         "message": {"id": "msg_9", "type": "message", "role": "assistant", "model": "c", "content": [],
                     "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 0}},
        {"type": "message_stop"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("route", TALKING)
async def test_an_empty_stream_is_never_replayed(proxy: Proxy, route: str) -> None:
    path, body = asked(route, fresh())
    before = proxy.asked(path)
    proxy.provider.streams(path, *EMPTY[route])
    empty, real, again = [await proxy.post(path, {**body, "stream": True}) for _ in range(3)]
    assert [answer.status for answer in (empty, real, again)] == [200] * 3
    assert words(route, empty) == ""
    assert words(route, real) != ""
    assert proxy.asked(path) == before + 2


async def test_a_stream_without_an_end_is_never_replayed(proxy: Proxy) -> None:
    text = fresh()
    proxy.provider.streams(CHAT, chunk({"role": "assistant", "content": "half of"}))
    await proxy.chat(text, stream=True)
    assert (await proxy.chat(text, stream=True)).key is None


async def test_reasoning_survives_a_stream(proxy: Proxy) -> None:
    text = fresh()
    proxy.provider.streams(
        CHAT,
        chunk({"role": "assistant", "reasoning_content": "thought"}),
        chunk({"content": "said"}),
        chunk({}, "stop"),
    )
    await proxy.chat(text, stream=True)
    again = await proxy.chat(text, stream=True)
    assert again.key is not None
    thought = [choice["delta"].get("reasoning_content") for event in again.events for choice in event["choices"]]
    assert "".join(one or "" for one in thought) == "thought"


@pytest.mark.differs("one-entry-for-both-forms")
async def test_a_stream_and_a_plain_answer_are_one_entry(proxy: Proxy) -> None:
    text = fresh()
    plain = await proxy.chat(text)
    streamed = await proxy.chat(text, stream=True)
    assert streamed.key is not None
    assert streamed.said == plain.json["choices"][0]["message"]["content"]


async def test_several_choices_are_replayed_apart(proxy: Proxy) -> None:
    text = fresh()
    first, again = [await proxy.chat(text, stream=True, n=2) for _ in range(2)]

    def said(answer: Answer, index: int) -> str:
        choices = [choice for event in answer.events for choice in event["choices"] if choice["index"] == index]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    assert again.key is not None
    for index in (0, 1):
        assert said(again, index) == said(first, index) != ""


async def test_a_stream_of_messages_is_replayed_event_by_event(proxy: Proxy) -> None:
    path, body = asked("messages", fresh())
    before = proxy.asked(path)
    first, again = [await proxy.post(path, {**body, "stream": True}) for _ in range(2)]
    assert first.status == 200
    assert again.events == first.events
    assert proxy.asked(path) == before + 1


async def test_a_stream_of_a_response_is_replayed(proxy: Proxy) -> None:
    path, body = asked("responses", fresh())
    before = proxy.asked(path)
    first, again = [await proxy.post(path, {**body, "stream": True}) for _ in range(2)]
    assert proxy.asked(path) == before + 1
    assert words("responses", again) == words("responses", first) != ""
    assert again.events[-1]["type"] == "response.completed"


@pytest.mark.differs("as-it-came")
async def test_a_stream_of_a_response_is_replayed_event_by_event(proxy: Proxy) -> None:
    path, body = asked("responses", fresh())
    first, again = [await proxy.post(path, {**body, "stream": True}) for _ in range(2)]
    assert again.body == first.body
