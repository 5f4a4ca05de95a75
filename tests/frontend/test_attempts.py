"""Who is asked after a failure, when, and what of it the client sees."""

import asyncio
from collections import Counter

import pytest
from aiohttp import web

from askonce.core.errors import RequestError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from askonce.frontend.routing.attempts import asking
from askonce.frontend.routing.cooldowns import Reason
from askonce.frontend.upstream import MOST_RETRIES, asked_retries
from tests.frontend.failing import BODY, Answering, breaks, breaks_late, hangs_up, says, sleeps, staged
from tests.frontend.kit import ask, count

FAILING = [says(500), says(429), says(408), says(503), hangs_up, breaks]


@pytest.mark.parametrize("failing", FAILING, ids=["500", "429", "408", "503", "mid-head", "before the first byte"])
async def test_another_member_answers_for_one_that_fails(failing: Answering) -> None:
    async with staged([failing], [says(200, "well")]) as stage:
        course = stage.course()
        async with asking(stage.upstream, course, ask(BODY), BODY, None) as answer:
            assert (answer.status, b"".join([chunk async for chunk in answer.chunks()])) == (200, b"well")
            assert (course.target.model, course.retries) == ("m1", 1)
        assert stage.asked == ["m0", "m1"]
        assert stage.waits == []
        assert count(stage.metrics, "askonce_deployment_failures_total", deployment="m#1") == 1
        assert count(stage.metrics, "askonce_upstream_retries_total") == 1


async def test_one_that_takes_too_long_is_given_up_for_another() -> None:
    async with staged([sleeps], [says(200, "well")], each=[{"timeout": 0.1}, {}]) as stage:
        assert await stage.asks() == (200, b"well")
        assert count(stage.metrics, "askonce_deployment_failures_total", deployment="m#1", reason="timeout") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_what_is_the_clients_fault_is_neither_retried_nor_counted(status: int) -> None:
    async with staged([says(status)], [says(200)], num_retries=2) as stage:
        assert (await stage.asks())[0] == status
        assert stage.asked == ["m0"]
        assert count(stage.metrics, "askonce_deployment_failures_total") == 0


async def test_each_member_is_asked_once_and_the_last_failure_passes_as_it_is() -> None:
    async with staged([says(500)], [hangs_up], [says(503, "sorry", X_Why="busy")]) as stage:
        course = stage.course()
        async with asking(stage.upstream, course, ask(BODY), BODY, None) as answer:
            assert (answer.status, dict(answer.headers)["X-Why"]) == (503, "busy")
            assert b"".join([chunk async for chunk in answer.chunks()]) == b"sorry"
        assert stage.asked == ["m0", "m1", "m2"]
        assert course.retries == 2


async def test_an_error_that_is_no_answer_passes_where_it_was_the_last() -> None:
    async with staged([says(500)], [hangs_up]) as stage:
        with pytest.raises(UpstreamUnavailable):
            await stage.asks()
    async with staged([sleeps], each=[{"timeout": 0.05}]) as stage:
        with pytest.raises(UpstreamTimeout):
            await stage.asks()


async def test_a_break_behind_the_first_byte_is_the_clients_to_see() -> None:
    async with staged([breaks_late], [says(200)], num_retries=2) as stage:
        with pytest.raises(UpstreamError):
            await stage.asks()
        assert stage.asked == ["m0"]


async def test_further_tries_wait_longer_each_time_and_go_from_one_to_another() -> None:
    async with staged([says(500)], [says(500)], num_retries=4) as stage:
        assert (await stage.asks())[0] == 500
        assert stage.asked == ["m0", "m1", "m0", "m1", "m0", "m1"]
        for number, wait in enumerate(stage.waits):
            assert 0.25 * 2**number <= wait <= 0.5 * 2**number


async def test_the_shortest_wait_is_the_settings() -> None:
    async with staged([says(500)], num_retries=6, retry_after=3.0) as stage:
        await stage.asks()
        assert len(stage.waits) == 6
        assert stage.waits[:2] == [3.0, 3.0]
        assert max(stage.waits) <= 8.0


@pytest.mark.parametrize(("said", "waited"), [("20", 20.0), ("3600", 60.0)])
async def test_a_provider_is_asked_again_when_it_says_so(said: str, waited: float) -> None:
    async with staged([says(429, Retry_After=said), says(200, "well")], num_retries=1) as stage:
        assert (await stage.asks(), stage.waits) == ((200, b"well"), [waited])


async def test_no_wait_goes_beyond_the_requests_own_time() -> None:
    async with staged([says(429, Retry_After="20"), says(200)], num_retries=3) as stage:
        assert (await stage.asks({**BODY, "timeout": 10}))[0] == 429
        assert (stage.asked, stage.waits) == (["m0"], [])
    async with staged([says(429, Retry_After="20"), says(200)], num_retries=3, patience=15.0) as stage:
        assert (await stage.asks())[0] == 429
        assert stage.waits == []


@pytest.mark.parametrize(
    ("own", "body", "header", "routers", "tries"),
    [
        (None, None, None, 0, 1),
        (None, None, None, 2, 3),
        (None, 1, None, 2, 2),
        (None, None, "1", 2, 2),
        (None, 3, "1", 2, 4),
        (None, 0, None, 2, 1),
        (0, 3, "3", 3, 1),
        (2, None, None, 0, 3),
        (None, "many", None, 1, 2),
    ],
)
async def test_how_often_is_said_by_the_entry_or_the_request_or_the_router(
    own: int | None, body: object, header: str | None, routers: int, tries: int
) -> None:
    async with staged([says(500)], each=[{"num_retries": own}], num_retries=routers) as stage:
        asked = BODY if body is None else {**BODY, "num_retries": body}
        await stage.asks(asked, {} if header is None else {"x-litellm-num-retries": header})
        assert len(stage.asked) == tries


def test_nobody_may_ask_for_a_thousand_tries() -> None:
    found = Counter(asked_retries(ask({**BODY, "num_retries": said})) for said in (1000, "99", float("inf"), True, -1))
    assert found == {MOST_RETRIES: 2, None: 2, 0: 1}


async def test_what_we_are_told_of_tries_stays_here() -> None:
    seen = []

    async def heard(request: web.Request) -> web.StreamResponse:
        seen.append((await request.json(), "x-litellm-num-retries" in request.headers))
        return web.Response(text="well")

    async with staged([heard]) as stage:
        await stage.asks({**BODY, "num_retries": 2}, {"x-litellm-num-retries": "2"})
    assert seen == [({**BODY, "model": "m0"}, False)]


async def test_a_cooled_member_is_the_last_to_be_asked() -> None:
    async with staged([says(429)], [says(200, "well")]) as stage:
        assert await stage.asks() == (200, b"well")
        assert await stage.asks() == (200, b"well")
        assert stage.asked == ["m0", "m1", "m1"]
    async with staged([says(429), says(200, "again")], [says(200), says(500)]) as stage:
        assert (await stage.asks())[0] == 200
        assert await stage.asks() == (200, b"again"), "better than an error"
        assert stage.asked == ["m0", "m1", "m1", "m0"]


async def test_where_all_are_cooled_one_is_asked_and_the_others_are_left_alone() -> None:
    async with staged([says(500)], [says(500)], [says(500)]) as stage:
        for wait, member in zip((30, 10, 20), stage.members, strict=True):
            member.cooled_until = stage.clock.now + wait
        assert (await stage.asks())[0] == 500
        assert stage.asked == ["m1"], "whose cooldown ends first"
        await stage.asks({**BODY, "num_retries": 1})
        assert stage.asked == ["m1", "m1", "m2"], "another one is a further try"
        stage.members[0].cooled_until = 0.0
        stage.asked.clear()
        await stage.asks()
        assert stage.asked == ["m0", "m1"]


async def test_the_time_that_other_models_had_is_gone() -> None:
    async with staged([says(429, Retry_After="20")], num_retries=3) as stage:
        route = stage.known.route("m", "/chat/completions")
        course = stage.router.course(route, ask({**BODY, "timeout": 60}), stage.clock.now + 10)
        assert course.left == 10
        course.failed(Reason.RATE_LIMITED, 20)
        assert not course.follow()


async def test_where_all_are_full_a_question_is_refused_in_litellms_words() -> None:
    async with staged([says(200)], each=[{"max_parallel_requests": 1}]) as stage:
        course = stage.course()
        with pytest.raises(RequestError, match="No deployments available for selected model") as refusal:
            stage.course()
        assert (refusal.value.status, refusal.value.headers) == (429, {"retry-after": "1"})
        course.end()
        course.end()
        assert (await stage.asks())[0] == 200


async def test_where_all_are_used_up_the_end_of_the_minute_is_told() -> None:
    async with staged([says(200)], each=[{"rpm": 2}], strategy="usage-based-routing-v2") as stage:
        stage.clock.now += 60 - stage.clock.now % 60 + 42.5
        await stage.asks()
        await stage.asks()
        with pytest.raises(RequestError, match="Try again in 18 seconds") as refusal:
            stage.course()
        assert (refusal.value.status, refusal.value.headers) == (429, {"retry-after": "18"})
        stage.clock.now += 18
        assert (await stage.asks())[0] == 200


async def test_who_gives_up_leaves_nothing_in_flight() -> None:
    async with staged([says(500), sleeps], num_retries=1) as stage:
        task = asyncio.create_task(stage.asks())
        async with asyncio.timeout(20):
            while len(stage.asked) < 2:
                await asyncio.sleep(0.005)
        assert [member.in_flight for member in stage.router.members] == [1]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [member.in_flight for member in stage.router.members] == [0]
