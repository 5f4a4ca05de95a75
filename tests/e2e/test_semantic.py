"""Questions matched by meaning, on real processes: what is served, what is not, and what it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.meanings import STORES, Scene, semantic_scene, similarity
from tests.e2e.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESET = "How do I reset my password?"
RESET_TOO = "How can I reset my password?"
PAY = "How do I move 15 dollars from my checking account to my savings account?"
PAY_MORE = "How do I move 50 dollars from my checking account to my savings account?"
SYSTEM = {"role": "system", "content": "Answer in one word."}


def turns(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": content} for at, content in enumerate(contents)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def scene(request, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with semantic_scene(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


async def test_the_same_question_in_other_words_is_a_hit_on_every_frontend(scene: Scene):
    first = await scene.kept(RESET, "words")
    assert (first.hit, similarity(first)) == (False, 0.0)
    for client in (scene.a, scene.b):
        again = await scene.ask(RESET_TOO, "words", client)
        assert again.hit
        assert (again.body, again.key, again.cache["detail"]) == (first.body, first.key, "semantic")
        told = similarity(again)
        assert told is not None
        assert 0.8 <= told < 1.0


async def test_an_exact_hit_needs_no_vector(scene: Scene):
    await scene.kept(RESET, "exact")
    before = await scene.count("askonce_embeddings_total")
    for client in (scene.a, scene.b):
        again = await scene.ask(RESET, "exact", client)
        assert (again.hit, similarity(again)) == (True, 1.0)
        assert again.cache["detail"] != "semantic"
    assert await scene.count("askonce_embeddings_total") == before


async def test_a_stream_is_served_from_what_was_asked_whole_and_in_other_words(scene: Scene):
    first = await scene.kept(RESET, "stream")
    streamed = await scene.ask(RESET_TOO, "stream", stream=True)
    assert streamed.hit
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in streamed.chunks)
    assert said == first.json["choices"][0]["message"]["content"]


async def test_another_number_is_a_near_miss_that_the_guard_refused(scene: Scene):
    await scene.kept(PAY, "numbers")
    refused = await scene.count("askonce_semantic_refused_total")
    other = await scene.ask(PAY_MORE, "numbers")
    assert not other.hit
    told = similarity(other)
    assert told is not None
    assert told >= 0.8
    assert await scene.count("askonce_semantic_refused_total") == refused + 1


async def test_a_question_about_something_else_says_how_far_the_nearest_is(scene: Scene):
    await scene.kept(RESET, "far")
    other = await scene.ask("Which wine goes with grilled fish?", "far")
    assert not other.hit
    told = similarity(other)
    assert told is not None
    assert told < 0.8


@pytest.mark.parametrize(
    ("name", "kept", "asked"),
    [
        ("system", {}, {"messages": [SYSTEM, *turns(RESET_TOO)]}),
        ("turns", {"messages": turns("Hello", "Hi", RESET)}, {"messages": turns("Good day", "Hi", RESET_TOO)}),
        ("answers", {"messages": turns("Hello", "Hi", RESET)}, {"messages": turns("Hello", "Ho", RESET_TOO)}),
        ("temperature", {"temperature": 0.5}, {"temperature": 0.6}),
        ("model", {"model": "toy"}, {"model": "toy-2"}),
        ("user", {"user": "ann"}, {"user": "bob"}),
    ],
)
async def test_everything_but_the_last_user_text_must_be_equal(scene: Scene, name, kept, asked):
    space = f"filter-{name}"
    await scene.kept(RESET, space, **kept)
    other = await scene.ask(RESET_TOO, space, **asked)
    assert (other.hit, similarity(other)) == (False, 0.0)


async def test_another_namespace_is_another_world(scene: Scene):
    await scene.kept(RESET, "one-world")
    other = await scene.ask(RESET_TOO, "another-world")
    assert (other.hit, similarity(other)) == (False, 0.0)


async def test_with_equal_turns_before_it_the_last_text_is_matched(scene: Scene):
    first = await scene.kept(RESET, "talk", messages=turns("Hello", "Hi", RESET))
    again = await scene.ask(RESET_TOO, "talk", messages=turns("Hello", "Hi", RESET_TOO))
    assert (again.hit, again.body) == (True, first.body)


async def test_with_tools_only_the_exact_key_answers(scene: Scene):
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    first = await scene.ask(RESET, "tools", tools=tools)
    assert (first.hit, similarity(first)) == (False, None)
    assert (await scene.ask(RESET, "tools", tools=tools)).hit
    other = await scene.ask(RESET_TOO, "tools", tools=tools)
    assert (other.hit, similarity(other)) == (False, None)


def tool_turn(question: str, result: str, name: str = "look_up") -> list[dict[str, object]]:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        *turns(question),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


async def test_a_turn_with_tools_never_gets_the_answer_of_another(scene: Scene):
    """Its last user text is that of the turn before it, whatever the tool has said since."""
    turn = tool_turn(RESET, "by mail")
    plain = await scene.kept(RESET, "tool-turns")
    first = await scene.ask(RESET, "tool-turns", messages=turn)
    assert (first.hit, similarity(first)) == (False, None)
    assert first.json["id"] != plain.json["id"]
    again = await scene.ask(RESET, "tool-turns", messages=turn)
    assert (again.hit, again.body) == (True, first.body)
    others = [
        tool_turn(RESET, "by post"),
        tool_turn(RESET, "by mail", "find"),
        tool_turn(RESET_TOO, "by mail"),
        [*turn, {"role": "assistant", "content": "By mail."}, *turns(RESET_TOO)],
    ]
    for other in others:
        answer = await scene.ask(RESET, "tool-turns", messages=other)
        assert (answer.hit, similarity(answer)) == (False, None)


async def test_a_request_may_raise_the_threshold_and_never_lower_it(scene: Scene):
    await scene.kept(RESET, "raise")
    strict = await scene.ask(RESET_TOO, "raise", cache={"similarity-threshold": 0.9999, "no-store": True})
    assert not strict.hit
    assert (similarity(strict) or 0.0) >= 0.8
    assert (await scene.ask(RESET_TOO, "raise", cache={"similarity-threshold": 0.1})).hit
    far = await scene.ask("Which wine goes with fish?", "raise", cache={"similarity-threshold": 0})
    assert not far.hit


async def test_what_is_asked_past_the_cache_is_found_by_meaning_afterwards(scene: Scene):
    """Its vector was not worked out before it was asked."""
    await scene.kept(RESET, "past", cache={"no-cache": True})
    assert (await scene.ask(RESET_TOO, "past")).hit


async def test_a_match_is_held_to_the_age_that_the_request_accepts(scene: Scene):
    await scene.kept(RESET, "age")
    assert not (await scene.ask(RESET_TOO, "age", cache={"s-maxage": 0, "no-store": True})).hit
    assert (await scene.ask(RESET_TOO, "age", cache={"s-maxage": 600})).hit


async def test_a_deleted_answer_is_matched_no_more(scene: Scene):
    first = await scene.kept(RESET, "deleted")
    assert (await scene.ask(RESET_TOO, "deleted", scene.b)).hit
    answer = await scene.b.send("POST", "/cache/delete", json={"keys": [str(first.key)]})
    assert answer.status == 200
    for client in (scene.a, scene.b):
        again = await scene.ask(RESET_TOO, "deleted", client, cache={"no-store": True})
        assert (again.hit, similarity(again)) == (False, 0.0)


async def test_a_prompt_of_the_old_kind_is_matched_too(scene: Scene):
    cache = {"namespace": "prompt"}
    first = await scene.a.ask("text_completion", RESET, cache)

    async def matched() -> bool:
        return (await scene.b.ask("text_completion", RESET_TOO, {**cache, "no-store": True})).hit

    assert not first.hit
    assert await eventually(matched)


async def test_embeddings_say_nothing_about_likeness(scene: Scene):
    cache = {"namespace": "items"}
    for hit in (False, True):
        answer = await scene.a.ask("embedding", RESET, cache)
        assert (answer.hit, similarity(answer)) == (hit, None)


async def test_many_who_ask_the_same_at_once_cost_one_call_and_one_vector(scene: Scene):
    calls = scene.toy.calls["/v1/chat/completions"]
    text = "Where do storks spend the winter months?"
    answers = await asyncio.gather(*(scene.ask(text, "crowd") for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert scene.toy.calls["/v1/chat/completions"] == calls + 1
