"""What becomes of a complete answer: judged, kept in memory, told to the others, queued for the writers, counted."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from askonce.calls.embeddings import EMBEDDINGS
from askonce.core.control import CacheControl
from askonce.core.entry import JSON, SSE, Entry, Usage
from askonce.core.events import Answered, Deleted, Superseded
from askonce.core.policy import Skip, SkipReason, Store, Why
from askonce.frontend.keeping import Whole
from askonce.frontend.question import Question
from askonce.frontend.recording import Head
from tests.frontend.kit import NOW, RULES, ask, count, entry, place
from tests.frontend.stage import BROADCAST, Frontend, opened

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
ANSWER: dict[str, Any] = {"object": "chat.completion", "model": "gpt-4o", "choices": [CHOICE], "usage": USAGE}
PAYLOAD = orjson.dumps(ANSWER)


def stream(*chunks: Any, done: bool = True) -> bytes:
    events = [b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks]
    return b"".join([*events, b"data: [DONE]\n\n" if done else b""])


def piece(content: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": "gpt-4o", "choices": [choice]}


STREAM = stream(piece("hel"), piece("lo", "stop"), {"object": "chat.completion.chunk", "choices": [], "usage": USAGE})


def whole(
    payload: bytes = PAYLOAD,
    *,
    question: Question | None = None,
    media_type: str = JSON,
    status: int = 200,
    asked_at: float = NOW,
) -> Whole:
    question = place(ask()) if question is None else question
    return Whole(
        question=question,
        body=question.ask.body,
        lookups=question.lookups,
        model="gpt-4o-2024",
        asked_at=asked_at,
        head=Head(status, [], media_type, None),
        payload=payload,
        size=len(payload),
        room=1 << 20,
    )


def skipped(frontend: Frontend, reason: str = "") -> float:
    return count(frontend.metrics, "askonce_skipped_total", **({"reason": reason} if reason else {}))


def kept(frontend: Frontend) -> float:
    return count(frontend.metrics, "askonce_kept_total", call_type="completion")


async def test_a_whole_answer_is_in_every_memory_and_in_the_queue() -> None:
    async with opened() as scene:
        given = whole(asked_at=NOW - 3)
        assert await scene.here.finish(given) is None
        usage = Usage(prompt=3, completion=5)
        wanted = Entry(given.lookups[0], PAYLOAD, JSON, NOW, 600.0, "gpt-4o-2024", "completion", usage, home="")
        assert scene.here.holds(given.question) == wanted
        assert scene.there.holds(given.question) == wanted
        assert await scene.here.outbox.flush(20) == 0
        (queued,) = scene.queued()
        assert queued == Answered(queued.id, NOW - 3, (wanted,))  # type: ignore[union-attr]
        assert scene.told == [queued]
        assert (kept(scene.here), skipped(scene.here)) == (1, 0)


@pytest.mark.parametrize("inner", ["", "b", "team", "team:b"])
@pytest.mark.parametrize("namespace", ["", "team"])
async def test_an_answer_is_at_home_in_the_configured_namespace_whatever_the_requests(
    namespace: str, inner: str
) -> None:
    async with opened() as scene:
        question = place(ask(control=CacheControl(namespace=inner)), namespace=namespace)
        await scene.here.finish(whole(question=question))
        held = scene.here.holds(question)
        assert held is not None
        assert held.home == namespace


async def test_every_answer_is_an_event_of_its_own() -> None:
    async with opened(step=1.0) as scene:
        for _ in range(2):
            assert await scene.here.finish(whole()) is None
        assert await scene.here.outbox.flush(20) == 0
        first, second = scene.queued()
        assert isinstance(first, Answered)
        assert isinstance(second, Answered)
        assert first.id != second.id
        assert first.entries[0].key == second.entries[0].key


@pytest.mark.parametrize("step", [0.0, 0.25])
async def test_a_large_answer_is_told_by_key_only_and_older_copies_go(step: float) -> None:
    async with opened(step=step) as scene:
        large = orjson.dumps({**ANSWER, "more": "x" * 2 * BROADCAST})
        question = place(ask())
        before = replace(entry(payload=b"before", stored_at=NOW - 50), lookup=question.lookups[0])
        scene.there.memory.keep(before, NOW, NOW - 50)
        assert await scene.here.finish(whole(large, question=question)) is None
        mine = scene.here.holds(question)
        assert mine is not None, "its own news must not take it away"
        assert mine.payload == large
        assert scene.there.holds(question) is None
        assert scene.told == [Superseded((question.lookups[0].key,), mine.stored_at)]
        assert await scene.here.outbox.flush(20) == 0
        assert [one.entries for one in scene.queued() if isinstance(one, Answered)] == [(mine,)]


async def test_a_long_answer_is_judged_alike() -> None:
    async with opened() as scene:
        long = orjson.dumps({**ANSWER, "more": "x" * 100_000})
        assert await scene.here.finish(whole(long)) is None
        assert await scene.here.keeper.judge(whole(long[:-1])) == Skip(SkipReason.MALFORMED)


async def test_an_answer_asked_before_its_key_was_deleted_is_in_no_memory() -> None:
    async with opened() as scene:
        question = place(ask())
        scene.here.news.hear(Deleted((question.lookups[0].key,), NOW))
        scene.there.news.hear(Deleted((question.lookups[0].key,), NOW))
        assert await scene.here.finish(whole(question=question, asked_at=NOW)) is SkipReason.DELETED
        assert scene.queued() == [], "a writer would only refuse it"
        assert scene.here.holds(question) is None
        assert scene.there.holds(question) is None
        assert await scene.here.finish(whole(question=question, asked_at=NOW + 0.5)) is None
        assert scene.here.holds(question) is not None
        assert scene.there.holds(question) is not None


async def test_a_deletion_over_the_bus_takes_the_answer_out_of_every_memory() -> None:
    async with opened() as scene:
        given = whole()
        await scene.here.finish(given)
        await scene.bus.publisher().delete([given.lookups[0].key], NOW + 1, within=1, confirm=False)
        await scene.bus.publisher().in_step()
        assert scene.here.holds(given.question) is None
        assert scene.there.holds(given.question) is None


async def test_without_the_queue_an_answer_is_kept_here_and_waits() -> None:
    async with opened() as scene:
        scene.bus.disconnect()
        given = whole()
        assert await scene.here.finish(given) is None
        assert scene.here.holds(given.question) is not None
        assert scene.queued() == scene.told == []
        scene.bus.reconnect()
        assert await scene.here.outbox.flush(20) == 0
        assert len(scene.queued()) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (whole(status=500), SkipReason.STATUS),
        (whole(status=201), SkipReason.STATUS),
        (whole(b""), SkipReason.EMPTY),
        (whole(orjson.dumps({**ANSWER, "choices": []})), SkipReason.EMPTY),
        (whole(PAYLOAD[:-2]), SkipReason.MALFORMED),
        (whole(b'{"error": {"message": "no"}}'), SkipReason.MALFORMED),
        (whole(b"<html>"), SkipReason.MALFORMED),
        (replace(whole(b""), size=(1 << 20) + 1), SkipReason.TOO_LARGE),
        (whole(orjson.dumps({**ANSWER, "more": "x" * (1 << 20)})), SkipReason.TOO_LARGE),
        (whole(stream(piece("hel"), done=False), media_type=SSE), SkipReason.INCOMPLETE),
        (whole(stream(piece("hello"), done=True), media_type=SSE), SkipReason.INCOMPLETE),
        (whole(stream(piece("", "stop"), {"choices": [], "usage": USAGE}), media_type=SSE), SkipReason.EMPTY),
        (whole(question=place(ask(control=CacheControl(no_store=True)))), Why.NO_STORE),
        (whole(question=place(ask(control=CacheControl(ttl=0.0)))), Why.TTL_ZERO),
        (whole(question=place(ask(), rules=replace(RULES, enabled=False))), Why.OFF),
        (whole(question=place(ask(), rules=replace(RULES, call_types=frozenset()))), Why.CALL_TYPE),
    ],
)
async def test_what_is_not_kept_is_nowhere_and_counted_by_reason(given: Whole, reason: SkipReason | Why) -> None:
    async with opened() as scene:
        assert await scene.here.finish(given) == reason
        assert await scene.here.outbox.flush(20) == 0
        assert scene.here.holds(given.question) is None
        assert scene.queued() == scene.told == []
        assert (skipped(scene.here, reason), skipped(scene.here), kept(scene.here)) == (1, 1, 0)


async def test_a_stream_is_kept_as_the_answer_that_it_amounts_to() -> None:
    async with opened() as scene:
        question = place(ask())
        assert await scene.here.finish(whole(STREAM, question=question, media_type=SSE)) is None
        mine = scene.here.holds(question)
        assert mine is not None
        assert (mine.media_type, orjson.loads(mine.payload), mine.usage) == (JSON, ANSWER, Usage(3, 5))


async def test_a_request_may_set_its_own_life_and_still_read_nothing() -> None:
    async with opened() as scene:
        question = place(ask(control=CacheControl(ttl=7.0, no_cache=True)))
        assert await scene.here.finish(whole(question=question)) is None
        mine = scene.here.holds(question)
        assert mine is not None
        assert mine.ttl == 7.0
        assert scene.here.holds(question, NOW + 7) is None


async def test_of_a_batch_of_embeddings_only_what_does_not_fit_is_lost() -> None:
    async with opened(rules=replace(RULES, max_entry_bytes=300)) as scene:
        body = {"model": "gpt-4o", "input": ["a", "b", "c"], "encoding_format": "float"}
        question = place(ask(body, endpoint=EMBEDDINGS))
        vectors = [[0.5], [0.25] * 200, [0.125]]
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        answer = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
        verdict = await scene.here.keeper.judge(whole(orjson.dumps(answer), question=question))
        assert isinstance(verdict, Store)
        assert [one.key for one in verdict.entries] == [question.lookups[0].key, question.lookups[2].key]
        assert await scene.here.keeper.settle(whole(question=question), verdict) is None
        assert len(scene.there.memory) == 2


async def test_a_partly_known_batch_is_judged_by_what_was_asked() -> None:
    async with opened() as scene:
        question = place(ask({"model": "gpt-4o", "input": ["a", "b", "c"]}, endpoint=EMBEDDINGS))
        answer = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "model": "m"}
        given = whole(orjson.dumps(answer), question=question)
        asked = replace(given, body=question.body_for([1]), lookups=[question.lookups[1]])
        verdict = await scene.here.keeper.judge(asked)
        assert isinstance(verdict, Store)
        assert [one.key for one in verdict.entries] == [question.lookups[1].key]
        assert await scene.here.keeper.judge(given) == Skip(SkipReason.MALFORMED)
