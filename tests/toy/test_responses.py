"""The toy's `/v1/responses` as the real OpenAI SDK sees it."""

from contextlib import asynccontextmanager
from typing import get_args

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent

from askonce.toy.provider import Toy, serving

TOOL = {
    "type": "function",
    "name": "find_book",
    "parameters": {"type": "object", "properties": {"title": {"type": "string"}}},
    "strict": True,
}
KNOWN = {
    model.model_fields["type"].annotation.__args__[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])
}


@asynccontextmanager
async def asking():
    toy = Toy(latency=0.0, pace=0.0, clock=lambda: 1_800_000_000.5, slow=0.01)
    async with serving(toy) as url, AsyncOpenAI(api_key="sk-any", base_url=url, max_retries=0, timeout=10) as client:
        yield client


async def test_the_same_question_gets_the_same_words_under_a_fresh_id():
    async with asking() as client:
        first = await client.responses.create(model="toy", input="Who keeps the answers?")
        again = await client.responses.create(
            model="toy", input=[{"role": "user", "content": "Who keeps the answers?"}]
        )
        others = [
            await client.responses.create(model="toy", input="Who keeps the answers?", **change)
            for change in ({"instructions": "Be brief."}, {"previous_response_id": "resp_1"})
        ]
    assert "Who keeps the answers?" in first.output_text
    assert first.output_text == again.output_text
    assert len({first.output_text, *(other.output_text for other in others)}) == 3
    assert len({first.id, again.id, *(other.id for other in others)}) == 4
    assert first.id.startswith("resp_")
    assert (first.status, first.created_at, first.usage.input_tokens) == ("completed", 1_800_000_000, 4)
    assert others[0].usage.input_tokens == 6
    assert others[1].previous_response_id == "resp_1"
    assert first.usage.output_tokens == len(first.output_text.split())


@pytest.mark.parametrize(
    "more",
    [{}, {"tools": [TOOL]}, {"reasoning": {"summary": "auto"}, "stream_options": {"include_obfuscation": False}}],
)
async def test_a_stream_says_what_the_whole_answer_says_in_events_that_the_sdk_knows(more):
    plain = {name: value for name, value in more.items() if name != "stream_options"}
    async with asking() as client:
        whole = await client.responses.create(model="toy", input="Which book?", **plain)
        events = [
            event
            async for event in await client.responses.create(model="toy", input="Which book?", stream=True, **more)
        ]
    Response.model_validate_json(whole.model_dump_json(exclude_unset=True), strict=True)
    for event in events:
        KNOWN[event.type].model_validate_json(event.model_dump_json(exclude_unset=True), strict=True)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert last.output_text == whole.output_text
    assert [item.type for item in last.output] == [item.type for item in whole.output]
    assert last.usage == whole.usage
    padded = [event for event in events if "obfuscation" in event.model_fields_set or "obfuscation" in event.to_dict()]
    assert bool(padded) == ("stream_options" not in more)


async def test_a_tool_is_called_and_its_result_answered_in_words():
    async with asking() as client:
        asked = await client.responses.create(model="toy", input="Which book?", tools=[TOOL])
        [call] = asked.output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "This one."}
        said = await client.responses.create(model="toy", input=[call.to_dict(), result], tools=[TOOL])
    assert (call.type, call.name, call.arguments) == ("function_call", "find_book", '{"title":"Which book?"}')
    assert "This one." in said.output_text


async def test_what_is_not_finished_says_so():
    async with asking() as client:
        queued = await client.responses.create(model="toy", input="Later", background=True, conversation="conv_1")
        cut = await client.responses.create(model="toy", input="Long", max_output_tokens=2)
        stream = await client.responses.create(model="toy", input="Long", max_output_tokens=2, stream=True)
        ends = [event async for event in stream]
        failing = await client.responses.create(model="toy-stream-error", input="Long", stream=True)
        failed = [event async for event in failing]
    assert (queued.status, queued.output, queued.conversation.id) == ("queued", [], "conv_1")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert ends[-1].type == "response.incomplete"
    assert (failed[-1].type, failed[-1].code) == ("error", "toy-stream-error")


async def test_models_that_say_nothing_or_count_nothing():
    async with asking() as client:
        empty = await client.responses.create(model="toy-empty", input="Hi")
        uncounted = await client.responses.create(model="toy-no-usage", input="Hi")
        huge = await client.responses.create(model="toy-huge", input="Hi")
    assert (empty.status, empty.output) == ("completed", [])
    assert uncounted.usage is None
    assert len(huge.output_text) > 2 << 20


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "input"), ({"input": 7}, "input"), ({"input": ["a"]}, "input"), ({"input": "a", "stream": 1}, "stream")],
)
async def test_a_wrong_request_is_refused_by_name(body, param):
    async with asking() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model="toy", extra_body=body)
    assert refused.value.param == param
