"""Pydantic AI over OpenAI's API: an agent's words, its objects, and a run with a tool, which is two questions."""

from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from trial import KEY, URL, asks, twice

PROVIDER = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)


def agent(**more: Any) -> Agent[None, Any]:
    return Agent(OpenAIChatModel("toy", provider=PROVIDER), retries=0, **more)


def test_words() -> None:
    first, second = twice(lambda: agent().run_sync("What is kept?"))
    assert second.output == first.output
    assert first.output.startswith("You asked: What is kept?")
    assert second.usage.total_tokens == first.usage.total_tokens > 0


async def test_words_streamed() -> None:
    async def ask() -> str:
        async with agent().run_stream("What is streamed?") as answer:
            return await answer.get_output()

    with asks(1):
        first = await ask()
    with asks(0):
        assert await ask() == first
        assert (await agent().run("What is streamed?")).output == first


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


def test_an_object() -> None:
    first, second = twice(lambda: agent(output_type=Weather).run_sync("Rain in Oslo").output)
    assert isinstance(first, Weather)
    assert second == first


def test_a_run_with_a_tool() -> None:
    told: list[str] = []

    def forecast(city: str) -> str:
        """What the weather will be."""
        told.append(city)
        return "rain"

    with asks(2):
        first = agent(tools=[forecast]).run_sync("What of Oslo?").output
    with asks(0):
        second = agent(tools=[forecast]).run_sync("What of Oslo?").output
    assert second == first
    assert len(told) == 2, "the tool itself is used each time"


def test_responses() -> None:
    model = OpenAIResponsesModel("toy", provider=PROVIDER)
    first, second = twice(lambda: Agent(model, retries=0).run_sync("What is a response?").output)
    assert second == first
    assert first


def test_controls() -> None:
    def ask(**cache: Any) -> Any:
        settings = OpenAIChatModelSettings(extra_body={"cache": cache})
        return agent().run_sync("What is controlled?", model_settings=settings).response.provider_response_id

    with asks(2):
        kept, anew = ask(), ask(**{"no-cache": True})
    assert anew != kept
    with asks(1):
        settings = OpenAIChatModelSettings(extra_headers={"Cache-Control": "no-cache"})
        agent().run_sync("What is controlled?", model_settings=settings)
