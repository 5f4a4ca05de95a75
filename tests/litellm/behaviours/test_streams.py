"""Streams: kept when whole, replayed with all that they said."""

from typing import Any

import pytest

from tests.litellm.behaviours.proxies import Answer, Proxy, fresh

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"
HEAD = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "toy"}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


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
    body = {"model": "toy-text", "prompt": fresh(), "stream": True}
    before = proxy.asked("/v1/completions")
    first, again = [await proxy.post("/v1/completions", body) for _ in range(2)]
    assert proxy.asked("/v1/completions") == before + 1

    def said(answer: Answer) -> str:
        return "".join(choice.get("text") or "" for event in answer.events for choice in event["choices"])

    assert said(again) == said(first) != ""


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
    asked = {"stream": True, "tools": [{"type": "function", "function": function}]}
    text = fresh()
    first, again = [await proxy.chat(text, **asked) for _ in range(2)]
    assert again.key is not None
    assert tool_calls(again) == tool_calls(first) != []


async def test_an_empty_stream_is_never_replayed(proxy: Proxy) -> None:
    text = fresh()
    proxy.provider.streams(CHAT, chunk({"role": "assistant"}), chunk({}, "stop"))
    await proxy.chat(text, stream=True)
    real = await proxy.chat(text, stream=True)
    assert real.key is None
    assert real.said != ""
    assert (await proxy.chat(text, stream=True)).said == real.said


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


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": ""}]}),
    ],
)
async def test_a_stream_of_messages_is_replayed_event_by_event(proxy: Proxy, path: str, body: dict[str, Any]) -> None:
    body = {**body, "messages": [{"role": "user", "content": fresh()}], "stream": True}
    before = proxy.asked(path)
    first, again = [await proxy.post(path, body) for _ in range(2)]
    assert first.status == 200
    assert again.events == first.events
    assert proxy.asked(path) == before + 1


def output_text(answer: Answer) -> str:
    return "".join(event["delta"] for event in answer.events if event["type"] == "response.output_text.delta")


async def test_a_stream_of_a_response_is_replayed(proxy: Proxy) -> None:
    body = {"model": "toy", "input": fresh(), "stream": True}
    before = proxy.asked("/v1/responses")
    first, again = [await proxy.post("/v1/responses", body) for _ in range(2)]
    assert proxy.asked("/v1/responses") == before + 1
    assert output_text(again) == output_text(first) != ""
    assert again.events[-1]["type"] == "response.completed"


@pytest.mark.differs("as-it-came")
async def test_a_stream_of_a_response_is_replayed_event_by_event(proxy: Proxy) -> None:
    body = {"model": "toy", "input": fresh(), "stream": True}
    first, again = [await proxy.post("/v1/responses", body) for _ in range(2)]
    assert again.body == first.body
