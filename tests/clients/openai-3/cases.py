"""The OpenAI SDK for Python: every route that it knows and askonce keeps. Its major versions run the same cases."""

from typing import Any

import openai
from pydantic import BaseModel
from trial import KEY, URL, asks, hit, twice

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def question(text: str) -> dict[str, Any]:
    return {"model": "toy", "messages": [{"role": "user", "content": text}]}


def raw_twice(create: Any, **body: Any) -> tuple[Any, Any]:
    """The answers, of which the first was a miss and the second a hit, by the proxy's own word."""
    first, second = twice(lambda: create(**body))
    assert not hit(first.headers)
    assert hit(second.headers)
    return first.parse(), second.parse()


def test_chat() -> None:
    first, second = raw_twice(client.chat.completions.with_raw_response.create, **question("What is kept?"))
    assert second == first
    assert first.choices[0].message.content.startswith("You asked: What is kept?")
    assert first.usage.total_tokens > 0


def test_chat_streamed() -> None:
    body = question("What is streamed?")

    def ask() -> str:
        return "".join(
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(**body, stream=True)
            if chunk.choices
        )

    first, second = twice(ask)
    assert first == second
    with asks(0):
        plain = client.chat.completions.with_raw_response.create(**body)
    assert hit(plain.headers)
    assert plain.parse().choices[0].message.content == first


def test_chat_streamed_with_usage_after_a_plain_ask() -> None:
    body = question("What does it cost?")
    with asks(1):
        plain = client.chat.completions.create(**body)
        with client.chat.completions.stream(**body, stream_options={"include_usage": True}) as stream:
            final = stream.get_final_completion()
    assert final.usage == plain.usage
    assert final.id == plain.id
    assert final.choices[0].message.content == plain.choices[0].message.content


async def test_the_asynchronous_client() -> None:
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as other:
        with asks(1):
            first = await other.chat.completions.create(**question("And without waiting?"))
            stream = await other.chat.completions.create(**question("And without waiting?"), stream=True)
            second = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert second == first.choices[0].message.content


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


def test_tools_are_parsed() -> None:
    tools = [openai.pydantic_function_tool(Weather)]
    first, second = twice(lambda: client.chat.completions.parse(**question("Rain in Oslo"), tools=tools))
    (call,) = first.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Weather)
    assert second == first


def test_text_completions() -> None:
    body = {"model": "toy", "prompt": "Once upon a time"}
    first, second = raw_twice(client.completions.with_raw_response.create, **body)
    assert second == first
    with asks(0):
        streamed = "".join(chunk.choices[0].text for chunk in client.completions.create(**body, stream=True))
    assert streamed == first.choices[0].text


def test_embeddings() -> None:
    create = client.embeddings.with_raw_response.create
    first, second = raw_twice(create, model="toy-embedding", input=["one", "two"])
    assert [item.embedding for item in second.data] == [item.embedding for item in first.data]
    with asks(1):
        partial = create(model="toy-embedding", input=["two", "three"])
    assert "fwd=partial" in partial.headers["cache-status"]
    assert partial.parse().data[0].embedding == first.data[1].embedding


def test_transcriptions() -> None:
    body = {"model": "toy-transcribe", "file": ("speech.wav", b"RIFF of an SDK", "audio/wav")}
    first, second = raw_twice(client.audio.transcriptions.with_raw_response.create, **body)
    assert second == first
    assert first.text


def test_transcriptions_streamed() -> None:
    def ask() -> str:
        file = ("speech.wav", b"RIFF of an SDK, streamed", "audio/wav")
        stream = client.audio.transcriptions.create(model="toy-transcribe", file=file, stream=True)
        return next(event.text for event in stream if event.type == "transcript.text.done")

    first, second = twice(ask)
    assert first == second


def test_speech() -> None:
    create = client.audio.speech.with_raw_response.create
    first, second = twice(lambda: create(model="toy-speech", voice="alloy", input="Read this aloud."))
    assert not hit(first.headers)
    assert hit(second.headers)
    assert first.content == second.content
    assert first.content
    with (
        asks(0),
        client.audio.speech.with_streaming_response.create(
            model="toy-speech", voice="alloy", input="Read this aloud."
        ) as response,
    ):
        assert b"".join(response.iter_bytes()) == first.content


def test_responses() -> None:
    body = {"model": "toy", "input": "What is a response?"}
    first, second = raw_twice(client.responses.with_raw_response.create, **body)
    assert second == first
    assert first.output_text


def test_responses_streamed() -> None:
    def ask() -> tuple[list[str], str]:
        with client.responses.stream(model="toy", input="What is a streamed response?") as stream:
            return [event.type for event in stream], stream.get_final_response().output_text

    first, second = twice(ask)
    assert first == second
    assert first[1]


def test_controls_in_the_body() -> None:
    body = question("What is controlled?")
    create = client.chat.completions.create

    def ask(**cache: Any) -> str:
        return create(**body, extra_body={"cache": cache}).id

    with asks(2):
        kept, anew = ask(), ask(**{"no-cache": True})
    assert anew != kept
    with asks(0):
        assert ask() == anew
    with asks(2):
        unkept = ask(**{"no-store": True, "namespace": "elsewhere"})
        assert ask(namespace="elsewhere", ttl=60) != unkept


def test_controls_in_a_header() -> None:
    create = client.chat.completions.with_raw_response.create
    body = question("What is controlled by a header?")
    with asks(0):
        try:
            create(**body, extra_headers={"Cache-Control": "only-if-cached"})
        except openai.APIStatusError as error:
            assert error.status_code == 504
        else:
            raise AssertionError("an answer that nobody keeps")
    with asks(2):
        create(**body)
        anew = create(**body, extra_headers={"Cache-Control": "no-cache"})
    assert not hit(anew.headers)


def test_controls_of_embeddings() -> None:
    def ask(**cache: Any) -> Any:
        return client.embeddings.create(model="toy-embedding", input="controlled", extra_body={"cache": cache})

    with asks(2):
        ask()
        ask(**{"no-cache": True})


def test_azure() -> None:
    azure = openai.AzureOpenAI(azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", max_retries=0)
    body = question("What does Azure say?")
    first, second = raw_twice(azure.chat.completions.with_raw_response.create, **body)
    assert second == first
    with asks(0):
        stream = azure.chat.completions.create(**body, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert streamed == first.choices[0].message.content


def test_models() -> None:
    assert client.models.list().data


def test_errors_are_the_providers() -> None:
    try:
        client.chat.completions.create(**question("What is too much?") | {"model": "toy-error-429"})
    except openai.RateLimitError as error:
        assert error.code == "toy-error-429"
    else:
        raise AssertionError("an answer")
