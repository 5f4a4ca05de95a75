"""A model whose group fails: another is asked, and what it says is kept under its own name only."""

import asyncio
import re

import pytest

from tests.e2e.asking import Answer, Client
from tests.e2e.falls import REFUSED, TOO_LONG, WRONG, Fall, Held, at_once, breaks_off, fails, fall, stage
from tests.e2e.stack import eventually

__all__ = ["fall", "stage"]
pytestmark = pytest.mark.asyncio(loop_scope="module")
A_TO_B = {"fallbacks": {"a": ("b",)}}
UNCACHED = "litellm_settings: {cache: true, cache_params: {type: local, supported_call_types: []}}\n"


def told(answer: Answer) -> tuple[str, str]:
    return answer.headers["x-litellm-model-group"], answer.headers["x-litellm-attempted-fallbacks"]


async def counted(client: Client, result: str) -> bool:
    """Requests are counted a moment after they are answered, each once."""
    metrics = (await client.send("GET", "/metrics")).body.decode()
    return sum(map(float, re.findall(rf'askonce_requests_total\{{.*result="{result}"\}} (\S+)', metrics))) == 1


@pytest.mark.parametrize("how", [{}, {"stream": True}])
async def test_what_a_fallback_says_is_kept_under_its_own_name_and_no_other(fall: Fall, how: dict[str, bool]) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontends(2, **A_TO_B) as (here, there):
        fallen = await here.chat("hi", model="a", **how)
        assert (fallen.status, told(fallen)) == (200, ("b", "1"))
        assert b"b says" in fallen.body
        assert await eventually(lambda: counted(here, "miss"))
        assert (fallen.cache["fwd"], fallen.cache["detail"]) == ("miss", "fallback")
        for client in (here, there):
            asked = await client.chat("hi", model="b", **how)
            assert asked.hit
            assert asked.key == fallen.key
            assert how or asked.body == fallen.body
        fall.models.fail.clear()
        for client, hit in ((here, False), (there, True)):
            again = await client.chat("hi", model="a", **how)
            assert again.hit == hit
            assert b"a says" in again.body
    assert fall.models.calls == {"a": 2, "b": 1}


@pytest.mark.parametrize("call_type", ["embedding", "transcription", "speech"])
async def test_forms_sound_and_vectors_fall_back_too(fall: Fall, call_type: str) -> None:
    fall.models.fail["a"] = fails(500)
    async with fall.frontend(**A_TO_B) as client:
        fallen = await client.ask(call_type, "hi", model="a")
        assert (fallen.status, told(fallen)) == (200, ("b", "1"))
        asked = await client.ask(call_type, "hi", model="b")
        assert asked.hit
        assert asked.said == fallen.said
    assert fall.models.calls == {"a": 1, "b": 1}


async def test_a_fallback_that_was_asked_before_is_a_hit(fall: Fall) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontend(**A_TO_B) as client:
        asked = await client.chat("known", model="b")
        fallen = await client.chat("known", model="a")
        assert fallen.hit
        assert fallen.body == asked.body
        metrics = (await client.send("GET", "/metrics")).body
    assert fall.models.calls == {"a": 1, "b": 1}
    assert b'askonce_fallbacks_total{call_type="completion",outcome="hit"} 1.0' in metrics


async def test_of_vectors_found_in_part_all_are_asked_under_the_other_name(fall: Fall) -> None:
    async with fall.frontend(**A_TO_B) as client:
        await client.ask("embedding", "one", model="a")
        fall.models.fail["a"] = fails(503)
        fallen = await client.send("POST", "/v1/embeddings", json={"model": "a", "input": ["one", "three"]})
        assert [one["embedding"] for one in fallen.json["data"]] == [[1.0, 3.0], [1.0, 5.0]]
        assert told(fallen) == ("b", "1")
        assert (await client.ask("embedding", "one", model="b")).hit
        assert (await client.ask("embedding", "one", model="a")).json["data"][0]["embedding"] == [0.0, 3.0]


@pytest.mark.parametrize("how", [{}, {"stream": True}])
async def test_many_who_ask_at_once_cost_one_call_of_each(fall: Fall, how: dict[str, bool]) -> None:
    fall.models.fail["a"] = held = Held(fails(503))
    async with fall.frontend(**A_TO_B) as client:
        asking = asyncio.create_task(at_once(20, lambda: client.chat("all", model="a", **how)))
        await held.asked(fall.models, "a")
        await at_once(20, lambda: client.chat("others", model="c"))  # they come after those that wait
        held.goes_on.set()
        answers = await asking
    assert {answer.status for answer in answers} == {200}
    assert {told(answer) for answer in answers if not answer.hit} == {("b", "1")}
    assert fall.models.calls == {"a": 1, "b": 1, "c": 1}


async def test_a_model_that_takes_no_more_falls_back_and_says_so_where_nobody_can(fall: Fall) -> None:
    fall.models.fail["d"] = held = Held(fails(503))
    async with fall.frontend(fallbacks={"d": ("b",)}) as client:
        asking = asyncio.create_task(client.chat("first", model="d"))
        await held.asked(fall.models, "d")
        assert told(await client.chat("second", model="d")) == ("b", "1")
        fall.models.fail["b"] = fails(500)
        refused = await client.chat("third", model="d")
        assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
        del fall.models.fail["b"]
        held.goes_on.set()
        assert told(await asking) == ("b", "1")
    assert fall.models.calls == {"d": 1, "b": 3}


@pytest.mark.parametrize(
    ("error", "named", "answers"),
    [
        (TOO_LONG, {"context_window_fallbacks": {"a": ("c",)}, **A_TO_B}, "c"),
        (REFUSED, {"content_policy_fallbacks": {"a": ("d",)}, **A_TO_B}, "d"),
        (TOO_LONG, A_TO_B, "b"),
        (TOO_LONG, {"content_policy_fallbacks": {"a": ("d",)}, "default_fallbacks": ("c",)}, "c"),
        (TOO_LONG, {"context_window_fallbacks": {"d": ("c",)}, **A_TO_B}, ""),
        (WRONG, {"context_window_fallbacks": {"a": ("c",)}, **A_TO_B}, ""),
    ],
)
async def test_of_wrong_requests_only_some_are_another_models_business(
    fall: Fall, error: object, named: dict[str, object], answers: str
) -> None:
    fall.models.fail["a"] = fails(400, error)
    async with fall.frontend(**named) as client:
        answer = await client.chat("much", model="a")
    if answers:
        assert (answer.status, told(answer)) == (200, (answers, "1"))
    else:
        assert (answer.status, answer.json, told(answer)) == (400, {"error": error}, ("a", "0"))
        assert fall.models.calls == {"a": 1}


@pytest.mark.parametrize("status", [401, 404, 408, 429, 500, 504])
async def test_what_is_the_operators_or_the_groups_trouble_falls_back(fall: Fall, status: int) -> None:
    fall.models.fail["a"] = fails(status)
    async with fall.frontend(default_fallbacks=("a", "c")) as client:
        assert told(await client.chat("hi", model="a")) == ("c", "1")


async def test_an_answer_that_breaks_off_before_its_end_falls_back(fall: Fall) -> None:
    fall.models.fail["a"] = breaks_off
    async with fall.frontend(**A_TO_B) as client:
        assert told(await client.chat("hi", model="a")) == ("b", "1")


async def test_fallbacks_of_a_fallback_come_after_those_of_the_asked_model(fall: Fall) -> None:
    fall.models.fail |= {name: fails(503) for name in "abc"}
    async with fall.frontend(fallbacks={"a": ("b", "c"), "b": ("d", "a")}) as client:
        assert told(await client.chat("hi", model="a")) == ("d", "3")
    assert [name for name, _ in fall.models.bodies] == ["a", "b", "c", "d"]


async def test_where_everything_fails_the_first_failure_is_the_answer(fall: Fall) -> None:
    fall.models.fail |= {"a": fails(429, {"message": "of a"}, x_of="a"), "b": fails(400, WRONG), "c": fails(500)}
    async with fall.frontend(fallbacks={"a": ("b", "c", "d")}, max_fallbacks=2) as client:
        answer = await client.chat("hi", model="a")
        metrics = (await client.send("GET", "/metrics")).body
        assert await eventually(lambda: counted(client, "error"))
    assert (answer.status, answer.json, answer.headers["x-of"]) == (429, {"error": {"message": "of a"}}, "a")
    assert told(answer) == ("a", "2")
    assert fall.models.calls == {"a": 1, "b": 1, "c": 1}
    assert b'askonce_fallbacks_total{call_type="completion",outcome="failed"} 2.0' in metrics


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ({"fallbacks": ["c"]}, "c"),
        ({"fallbacks": [{"model": "c", "temperature": 0}]}, "c"),
        ({"fallbacks": [{"a": ["d"]}]}, "d"),
        ({"fallbacks": ["nobody", "c"]}, "c"),
        ({"disable_fallbacks": True}, ""),
        ({"fallbacks": []}, ""),
        ({}, "b"),
    ],
)
async def test_a_request_names_its_own_fallbacks_or_none(fall: Fall, said: dict[str, object], answers: str) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontend(fallbacks={"a": ("b",)}) as client:
        answer = await client.chat("hi", model="a", **said)
        assert (answer.status, answer.headers["x-litellm-model-group"]) == ((200, answers) if answers else (503, "a"))
        assert all(b"fallbacks" not in body for _, body in fall.models.bodies)
        known = await client.chat("hi", model="b")
        assert known.hit == (answers == "b")


async def test_wishes_about_fallbacks_are_no_part_of_the_question(fall: Fall) -> None:
    async with fall.frontend() as client:
        await client.chat("hi", model="a", fallbacks=["b"])
        assert (await client.chat("hi", model="a")).hit
        assert (await client.chat("hi", model="a", disable_fallbacks=True)).hit
        wrong = await client.chat("hi", model="a", fallbacks=[1])
        assert (wrong.status, wrong.error["param"]) == (400, "fallbacks")


async def test_without_a_cache_there_are_fallbacks_all_the_same(fall: Fall) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontend(UNCACHED, **A_TO_B) as client:
        for how in ({}, {"stream": True}):
            answer = await client.chat("hi", model="a", **how)
            assert (answer.status, told(answer)) == (200, ("b", "1"))
            assert b"b says" in answer.body
        failed = await client.chat("hi", model="a", fallbacks=["a"])
        assert (failed.status, failed.json["error"]["message"]) == (503, "busy")
    assert fall.models.calls == {"a": 3, "b": 2}


async def test_what_a_provider_keeps_is_asked_of_nobody_else(fall: Fall) -> None:
    fall.models.fail["a"] = fails(503)
    async with fall.frontend(**A_TO_B) as client:
        assert (await client.ask("responses", "hi", model="a")).status == 503
        assert (await client.ask("responses", "hi", model="a", store=False, previous_response_id="r")).status == 503
    assert fall.models.calls == {"a": 2}


async def test_only_if_cached_asks_nobody(fall: Fall) -> None:
    async with fall.frontend(**A_TO_B) as client:
        await client.chat("hi", model="b")
        assert not await client.hits("completion", "hi", model="a")
    assert fall.models.calls == {"b": 1}
