"""LlamaIndex over any API like OpenAI's: chat, completions, tools and embeddings. It shows no headers of answers."""

from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike
from trial import KEY, URL, asks, twice

PLACE: dict[str, Any] = {"api_base": f"{URL}/v1", "api_key": KEY, "max_retries": 0}


def model(**more: Any) -> OpenAILike:
    return OpenAILike(model="toy", **({"is_chat_model": True, "is_function_calling_model": True} | more), **PLACE)


def question(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def test_chat() -> None:
    first, second = twice(lambda: model().chat(question("What is kept?")))
    assert second.message.content == first.message.content
    assert first.message.content.startswith("You asked: What is kept?")
    assert second.raw.id == first.raw.id


def test_chat_streamed() -> None:
    def ask() -> str:
        return "".join(part.delta or "" for part in model().stream_chat(question("What is streamed?")))

    first, second = twice(ask)
    assert first == second
    with asks(0):
        assert model().chat(question("What is streamed?")).message.content == first


async def test_the_asynchronous_methods() -> None:
    with asks(1):
        first = await model().achat(question("And without waiting?"))
        parts = await model().astream_chat(question("And without waiting?"))
        second = "".join([part.delta or "" async for part in parts])
    assert second == first.message.content


def test_completions() -> None:
    plain = model(is_chat_model=False)
    first, second = twice(lambda: plain.complete("Once upon a time"))
    assert second.text == first.text
    with asks(0):
        assert "".join(part.delta or "" for part in plain.stream_complete("Once upon a time")) == first.text


def weather(city: str, days: int) -> str:
    """The weather of a city."""
    return f"{days} days of rain in {city}"


def test_tools() -> None:
    tools = [FunctionTool.from_defaults(weather)]

    def ask() -> dict[str, Any]:
        asker = model()
        (call,) = asker.get_tool_calls_from_response(asker.chat_with_tools(tools, user_msg="Rain in Oslo"))
        return call.tool_kwargs

    first, second = twice(ask)
    assert set(first) == {"city", "days"}
    assert second == first


def test_embeddings() -> None:
    # `model_name` takes any name, `model` those of OpenAI only.
    embedder = OpenAIEmbedding(model_name="toy-embedding", **PLACE)
    first, second = twice(lambda: embedder.get_text_embedding_batch(["one", "two"]))
    assert second == first
    with asks(1):
        assert embedder.get_text_embedding_batch(["two", "three"])[0] == first[1]


def test_controls() -> None:
    with asks(2):
        kept = model().chat(question("What is controlled?"))
        anew = model(additional_kwargs={"extra_body": {"cache": {"no-cache": True}}}).chat(
            question("What is controlled?")
        )
    assert anew.raw.id != kept.raw.id
    with asks(1):
        model(default_headers={"Cache-Control": "no-cache"}).chat(question("What is controlled?"))
