"""LangChain over OpenAI's API and over Anthropic's: chat, tools, embeddings, and the controls of each."""

from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from trial import KEY, URL, asks, hit, twice

PLACE: dict[str, Any] = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}


def chat(**more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="toy", include_response_headers=True, **PLACE, **more)


def claude(**more: Any) -> ChatAnthropic:
    return ChatAnthropic(model="claude-sonnet-4-5", base_url=URL, api_key=KEY, max_retries=0, max_tokens=500, **more)


def test_chat() -> None:
    first, second = twice(lambda: chat().invoke("What is kept?"))
    assert not hit(first.response_metadata["headers"])
    assert hit(second.response_metadata["headers"])
    assert second.content == first.content
    assert second.usage_metadata == first.usage_metadata


def test_chat_streamed() -> None:
    def ask() -> str:
        return "".join(chunk.content for chunk in chat().stream("What is streamed?"))

    first, second = twice(ask)
    assert first == second
    with asks(0):
        assert chat().invoke("What is streamed?").content == first


async def test_the_asynchronous_methods() -> None:
    with asks(1):
        first = await chat().ainvoke("And without waiting?")
        second = "".join([chunk.content async for chunk in chat().astream("And without waiting?")])
    assert second == first.content


def test_a_batch_asks_each_question_once() -> None:
    with asks(2):
        chat().batch(["one of two", "two of two"])
    with asks(1):
        answers = chat().batch(["two of two", "three of two"])
    assert [hit(answer.response_metadata["headers"]) for answer in answers] == [True, False]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


def test_structured_output() -> None:
    model = chat().with_structured_output(Weather, method="function_calling")
    first, second = twice(lambda: model.invoke("Rain in Oslo"))
    assert isinstance(first, Weather)
    assert second == first


def test_tools_streamed() -> None:
    def ask() -> Any:
        first, *others = chat().bind_tools([Weather]).stream("Snow in Oslo")
        for chunk in others:
            first += chunk
        return first.tool_calls

    first, second = twice(ask)
    assert first[0]["args"]["city"]
    assert second == first


def test_responses() -> None:
    model = chat(use_responses_api=True)
    first, second = twice(lambda: model.invoke("What is a response?"))
    assert second.content == first.content
    assert first.text


def test_embeddings() -> None:
    # Texts as they are: otherwise LangChain fetches a tokenizer from elsewhere and sends numbers.
    embedder = OpenAIEmbeddings(model="toy-embedding", check_embedding_ctx_length=False, **PLACE)
    first, second = twice(lambda: embedder.embed_documents(["one", "two"]))
    assert second == first
    with asks(0):
        assert embedder.embed_query("two") == first[1]


def test_controls() -> None:
    with asks(2):
        kept = chat().invoke("What is controlled?")
        anew = chat(extra_body={"cache": {"no-cache": True}}).invoke("What is controlled?")
    assert anew.id != kept.id
    with asks(1):
        chat(default_headers={"Cache-Control": "no-cache"}).invoke("What is controlled?")


def test_claude() -> None:
    first, second = twice(lambda: claude().invoke("What is a message?"))
    assert second.content == first.content
    assert second.id == first.id or second.response_metadata["id"] == first.response_metadata["id"]


def test_claude_streamed() -> None:
    def ask() -> str:
        return "".join(chunk.text for chunk in claude().stream("What is a streamed message?"))

    first, second = twice(ask)
    assert first == second
    assert first


def test_claude_with_structured_output() -> None:
    model = claude().with_structured_output(Weather)
    first, second = twice(lambda: model.invoke("Rain in Oslo"))
    assert isinstance(first, Weather)
    assert second == first


def test_controls_of_claude() -> None:
    with asks(2):
        claude().invoke("What is controlled?")
        claude(model_kwargs={"extra_body": {"cache": {"no-cache": True}}}).invoke("What is controlled?")
