"""LiteLLM's own SDK before askonce, as before LiteLLM's proxy: the provider `openai/`, and an `api_base`."""

from typing import Any

import litellm
from trial import KEY, URL, asks, hit, twice

PLACE: dict[str, Any] = {"api_base": f"{URL}/v1", "api_key": KEY, "max_retries": 0}


def question(text: str) -> dict[str, Any]:
    return {"model": "openai/toy", "messages": [{"role": "user", "content": text}], **PLACE}


def test_completion() -> None:
    first, second = twice(lambda: litellm.completion(**question("What is kept?")))
    assert not hit(first._response_headers)
    assert hit(second._response_headers)
    assert second._hidden_params["additional_headers"]["llm_provider-x-litellm-cache-key"]
    assert second.model_dump() == first.model_dump()


def test_completion_streamed() -> None:
    def ask() -> str:
        stream = litellm.completion(**question("What is streamed?"), stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    first, second = twice(ask)
    assert first == second
    with asks(0):
        assert litellm.completion(**question("What is streamed?")).choices[0].message.content == first


async def test_acompletion() -> None:
    with asks(1):
        first = await litellm.acompletion(**question("And without waiting?"))
        stream = await litellm.acompletion(**question("And without waiting?"), stream=True)
        second = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert second == first.choices[0].message.content


def test_tools() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    first, second = twice(lambda: litellm.completion(**question("Rain in Oslo"), tools=tools))
    assert second.choices[0].message.tool_calls == first.choices[0].message.tool_calls
    assert "Oslo" in first.choices[0].message.tool_calls[0].function.arguments


def test_text_completion() -> None:
    def ask() -> Any:
        return litellm.text_completion(model="text-completion-openai/toy", prompt="Once upon a time", **PLACE)

    first, second = twice(ask)
    assert second.choices[0].text == first.choices[0].text


def test_embedding() -> None:
    def ask(*texts: str) -> list[Any]:
        return [
            item["embedding"] for item in litellm.embedding("openai/toy-embedding", input=list(texts), **PLACE).data
        ]

    first, second = twice(lambda: ask("one", "two"))
    assert second == first
    with asks(1):
        assert ask("two", "three")[0] == first[1]


def test_transcription() -> None:
    def ask() -> str:
        file = ("speech.wav", b"RIFF of LiteLLM", "audio/wav")
        return litellm.transcription(model="openai/toy-transcribe", file=file, **PLACE).text

    first, second = twice(ask)
    assert second == first


def test_speech() -> None:
    def ask() -> bytes:
        return litellm.speech(model="openai/toy-speech", voice="alloy", input="Read this aloud.", **PLACE).content

    first, second = twice(ask)
    assert second == first
    assert first


def test_responses() -> None:
    def ask() -> Any:
        return litellm.responses(model="openai/toy", input="What is a response?", **PLACE).output[0].content[0].text

    first, second = twice(ask)
    assert second == first
    assert first


def test_rerank() -> None:
    def ask() -> Any:
        return litellm.rerank(
            model="cohere/toy-rerank", query="rain", documents=["sun", "rain"], api_base=f"{URL}/v2/rerank", api_key=KEY
        ).results

    first, second = twice(ask)
    assert second == first
    assert len(first) == 2


def test_messages() -> None:
    def ask() -> Any:
        body = question("What is a message?")["messages"]
        return litellm.completion(model="anthropic/claude-sonnet-4-5", messages=body, api_base=URL, api_key=KEY)

    first, second = twice(ask)
    assert second.choices[0].message.content == first.choices[0].message.content
    assert first.choices[0].message.content


def test_the_whole_of_the_proxy_by_its_provider() -> None:
    """`litellm_proxy/` is how LiteLLM's SDK names a proxy like this one."""
    body = question("What is behind the proxy?") | {"model": "litellm_proxy/toy"}
    first, second = twice(lambda: litellm.completion(**body))
    assert second.choices[0].message.content == first.choices[0].message.content


def test_controls() -> None:
    def ask(**cache: Any) -> str:
        return litellm.completion(**question("What is controlled?"), extra_body={"cache": cache}).id

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
        litellm.completion(**body)
        litellm.completion(**body, extra_headers={"Cache-Control": "no-cache"})
