"""The Anthropic SDK: messages, whole and as its own kind of stream, with tools and with controls."""

from typing import Any

import anthropic
from trial import KEY, URL, asks, hit, twice

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)


def question(text: str) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 500, "messages": [{"role": "user", "content": text}]}


def test_messages() -> None:
    body = question("What is a message?")
    first, second = twice(lambda: client.messages.with_raw_response.create(**body))
    assert not hit(first.headers)
    assert hit(second.headers)
    assert second.parse() == first.parse()
    assert first.parse().content[0].text
    assert first.parse().usage.output_tokens > 0


def test_messages_streamed() -> None:
    def ask() -> tuple[str, Any]:
        with client.messages.stream(**question("What is a streamed message?")) as stream:
            return "".join(stream.text_stream), stream.get_final_message()

    first, second = twice(ask)
    assert first == second
    assert first[1].content[0].text == first[0]
    assert first[1].usage.output_tokens > 0


def test_the_events_of_a_stream() -> None:
    def ask() -> list[Any]:
        return list(client.messages.create(**question("Which events are there?"), stream=True))

    first, second = twice(ask)
    assert second == first
    assert (first[0].type, first[-1].type) == ("message_start", "message_stop")


async def test_the_asynchronous_client() -> None:
    async with anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0) as other:
        with asks(1):
            first = await other.messages.create(**question("And without waiting?"))
            second = await other.messages.create(**question("And without waiting?"))
    assert second == first


def test_tools() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"name": "weather", "description": "The weather of a city.", "input_schema": schema}]
    first, second = twice(lambda: client.messages.create(**question("Rain in Oslo"), tools=tools))
    assert second == first
    assert [block.input["city"] for block in first.content if block.type == "tool_use"]


def test_another_version_of_the_api_is_another_question() -> None:
    body = question("What is a beta?")
    with asks(2):
        client.messages.create(**body)
        client.beta.messages.create(**body, betas=["some-beta-2025-01-01"])


def test_controls_in_the_body() -> None:
    def ask(**cache: Any) -> str:
        return client.messages.create(**question("What is controlled?"), extra_body={"cache": cache}).id

    with asks(2):
        kept, anew = ask(), ask(**{"no-cache": True})
    assert anew != kept
    with asks(0):
        assert ask() == anew
    with asks(1):
        assert ask(namespace="elsewhere") != anew


def test_controls_in_a_header() -> None:
    body = question("What is controlled by a header?")
    with asks(2):
        client.messages.create(**body)
        client.messages.create(**body, extra_headers={"Cache-Control": "no-cache"})


def test_errors_are_the_providers() -> None:
    try:
        client.messages.create(**question("What is nothing?") | {"messages": []})
    except anthropic.BadRequestError as error:
        assert error.body["error"]["type"] == "invalid_request_error"
    else:
        raise AssertionError("an answer")
