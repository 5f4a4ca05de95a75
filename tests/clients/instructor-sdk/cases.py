"""Instructor over the OpenAI SDK: answers as objects, by a tool's call, whole and as they come in."""

import instructor
import openai
from pydantic import BaseModel
from trial import KEY, URL, asks, twice

client = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0))


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


def told(one: Weather) -> dict[str, object]:
    """What was said: the object also remembers the answer it came in, and that one the id of its request."""
    return one.model_dump()


def question(text: str) -> dict[str, object]:
    return {"model": "toy", "messages": [{"role": "user", "content": text}], "response_model": Weather}


def test_an_object() -> None:
    first, second = twice(lambda: client.chat.completions.create(**question("Rain in Oslo"), max_retries=0))
    assert isinstance(first, Weather)
    assert told(second) == told(first)


def test_an_object_and_its_answer() -> None:
    def ask() -> tuple[Weather, openai.types.chat.ChatCompletion]:
        return client.chat.completions.create_with_completion(**question("Snow in Oslo"), max_retries=0)

    first, second = twice(ask)
    assert told(second[0]) == told(first[0])
    assert second[1].id == first[1].id


def test_an_object_streamed() -> None:
    def ask() -> list[Weather]:
        return list(client.chat.completions.create_partial(**question("Wind in Oslo"), max_retries=0))

    first, second = twice(ask)
    assert told(second[-1]) == told(first[-1])
    assert first[-1].city


async def test_the_asynchronous_client() -> None:
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as inner:
        other = instructor.from_openai(inner)
        with asks(1):
            first = await other.chat.completions.create(**question("And without waiting?"))
            second = await other.chat.completions.create(**question("And without waiting?"))
    assert told(second) == told(first)


def test_controls() -> None:
    def ask(**cache: object) -> str:
        body = question("What is controlled?")
        _, answer = client.chat.completions.create_with_completion(**body, extra_body={"cache": cache})
        return answer.id

    with asks(2):
        kept, anew = ask(), ask(**{"no-cache": True})
    assert anew != kept
    with asks(0):
        assert ask() == anew
