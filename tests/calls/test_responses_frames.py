"""Plain answers told as streams: nothing is lost, and OpenAI's library knows every event."""

from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent

from askonce.calls.endpoint import Answer
from askonce.calls.responses import RESPONSES
from askonce.core.entry import JSON, SSE, Usage
from askonce.core.sse import SseParser
from tests.calls.answers import quick
from tests.calls.chunks import ROOM
from tests.calls.responses import ANSWERS, SCORE, USAGE, answer, spoken, text

BODY = {"model": "m", "input": "Hi", "stream": True}


def plain(one):
    return Answer(orjson.dumps(one), JSON, Usage() if one["usage"] is None else Usage(10, 5))


def framed(one):
    """The events, with their names checked."""
    events = SseParser().feed(RESPONSES.frames(plain(one), BODY))
    read = [orjson.loads(event.data) for event in events]
    assert [event.event.decode() for event in events] == [event["type"] for event in read]
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    return read


@quick
@given(spoken)
def test_an_answer_survives_its_own_frames(one):
    stream = RESPONSES.frames(plain(one), BODY)
    assert RESPONSES.complete(stream)
    for room in (ROOM, 0):
        kept = RESPONSES.assemble(stream, room)
        assert kept.media_type == (SSE if room else JSON)
        assert kept.usage == plain(one).usage
        assert orjson.loads(RESPONSES.combine(BODY, [kept])[0]) == one
        assert RESPONSES.frames(kept, BODY) == stream


@quick
@given(spoken, st.data())
def test_frames_that_are_cut_are_not_complete(one, data):
    stream = RESPONSES.frames(plain(one), BODY)
    assert not RESPONSES.complete(stream[: data.draw(st.integers(0, len(stream) - 1))])


@quick
@given(spoken)
def test_what_the_events_tell_piece_by_piece_is_the_answer(one):
    created, progress, *events, completed = framed(one)
    assert (created["type"], progress["type"]) == ("response.created", "response.in_progress")
    assert created["response"] == progress["response"]
    begun = {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    assert created["response"] == {**one, **begun}
    assert completed["response"] == one
    built = {}
    for event in events:
        grow(built, event)
    assert [built[place] for place in sorted(built)] == one["output"]


def grow(items, event):
    """What a client does that puts the answer together from everything but its end."""
    kind, place = event["type"].removeprefix("response."), event["output_index"]
    if kind == "output_item.added":
        assert place == len(items)
        items[place] = event["item"]
        return
    item = items[place]
    if kind == "output_item.done":
        finished = {**item, **({"status": "completed"} if item.get("status") == "in_progress" else {})}
        assert finished == event["item"]
        items[place] = event["item"]
        return
    assert event["item_id"] == item["id"]
    if kind in ("content_part.added", "reasoning_summary_part.added"):
        list_of(item, event).append(event["part"])
    elif kind in ("content_part.done", "reasoning_summary_part.done"):
        grown = list_of(item, event)[at(event)]
        assert {**grown, **{name: event["part"][name] for name in ("logprobs",) if name in grown}} == event["part"]
        list_of(item, event)[at(event)] = event["part"]
    elif kind == "output_text.annotation.added":
        noted = list_of(item, event)[at(event)]["annotations"]
        assert event["annotation_index"] == len(noted)
        noted.append(event["annotation"])
    else:
        write(item if at(event) is None else list_of(item, event)[at(event)], kind, event)


def write(where, kind, event):
    name = {
        "output_text": "text",
        "refusal": "refusal",
        "reasoning_text": "text",
        "reasoning_summary_text": "text",
        "function_call_arguments": "arguments",
        "custom_tool_call_input": "input",
    }[kind.partition(".")[0]]
    if kind.endswith(".delta"):
        assert event["delta"]
        where[name] += event["delta"]
    else:
        assert where[name] == event[name]


def list_of(item, event):
    return item["summary" if "summary_index" in event else "content"]


def at(event):
    return event.get("content_index", event.get("summary_index"))


KNOWN = {
    model.model_fields["type"].annotation.__args__[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_event_is_one_that_openais_library_knows(name):
    for event in framed(ANSWERS[name]):
        read = KNOWN[event["type"]].model_validate_json(orjson.dumps(event), strict=True)
        assert read.to_dict(mode="json", exclude_unset=True) == event


def test_a_text_is_told_in_openais_order():
    assert [event["type"].removeprefix("response.") for event in framed(ANSWERS["annotations and scores"])] == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.annotation.added", "output_text.annotation.added"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]


def test_reasoning_is_told_in_openais_order():
    kinds = {name: [event["type"].removeprefix("response.") for event in framed(ANSWERS[name])] for name in ANSWERS}
    assert kinds["reasoning"][3:7] == [
        *("reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        "reasoning_summary_part.done",
    ]
    assert kinds["reasoning that is open"][3:7] == [
        *("content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done")
    ]


def test_what_a_tool_is_given_is_told_in_openais_order():
    for name, kind in (("a custom call", "custom_tool_call_input"), ("calls", "function_call_arguments")):
        kinds = [event["type"].removeprefix("response.") for event in framed(ANSWERS[name])]
        assert kinds[2:6] == ["output_item.added", f"{kind}.delta", f"{kind}.done", "output_item.done"]


@quick
@given(spoken)
def test_what_has_only_begun_is_empty(one):
    for event in framed(one):
        if event["type"].endswith(".added"):
            begun = event.get("item") or event.get("part") or {}
            filled = {"arguments", "input", "content", "summary", "text", "refusal", "logprobs", "annotations"}
            assert not [name for name in filled if begun.get(name)]


def test_an_item_is_in_progress_until_it_is_done():
    for name in ("calls", "a search", "text"):
        events = framed(ANSWERS[name])
        states = [event["item"]["status"] for event in events if "item" in event]
        assert states == ["in_progress", "completed"] * (len(states) // 2)
    [_, done] = [event for event in framed(ANSWERS["calls"]) if event["type"].endswith("arguments.done")]
    assert (done["name"], done["arguments"], done["item_id"]) == ("weather", "{}", "fc_2")


def test_the_scores_of_a_text_come_with_its_delta():
    [delta] = [event for event in framed(ANSWERS["annotations and scores"]) if "delta" in event]
    assert (delta["delta"], delta["logprobs"]) == ("Hello", [SCORE])


def test_what_is_of_no_known_form_is_told_whole():
    odd = [
        {"type": "message", "content": "Hello"},
        {"type": "message", "content": [text("Hello"), "bare"]},
        {"type": "message", "content": [text(["no text"]), {"type": "refusal"}, {"type": ["x"]}, {}]},
        {"type": "reasoning", "summary": "Hm.", "content": "Hm."},
        {"type": "reasoning", "summary": [{"type": "summary_text"}], "content": [{"type": "reasoning_text"}]},
        {"type": "function_call", "arguments": {"city": "Rome"}},
        {"type": "custom_tool_call"},
        {"type": ["no text"]},
        {"id": 7},
    ]
    one = answer(*odd)
    events = framed(one)
    assert events[-1]["response"] == one
    assert [event["item"] for event in events if event["type"].endswith("item.done")] == odd
    assert not [event for event in events if "delta" in event]


def test_an_answer_that_lacks_members_is_told_without_them():
    bare = {"id": "resp_1", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}
    created, *_, completed = framed({**bare, "usage": USAGE})
    assert completed["response"] == {**bare, "usage": USAGE}
    assert created["response"] == {"id": "resp_1", "output": [], "status": "in_progress", "usage": None}
