"""Answers get the vectors they lack before they are queued, and are queued whatever becomes of that."""

import asyncio

from askonce.core.entry import JSON, Entry, Lookup, Vector
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from askonce.frontend import enriching
from askonce.frontend.enriching import Enricher
from askonce.frontend.outbox import size
from tests.frontend.embeddings import embedding, ill, provider, values
from tests.frontend.kit import until


class Queue:
    def __init__(self):
        self.events = []

    def put(self, event):
        self.events.append(event)

    @property
    def vectors(self):
        return [
            None if one.lookup.vector is None else one.lookup.vector.values for e in self.events for one in e.entries
        ]


def answered(text, number=0, vector=None):
    lookup = Lookup(CacheKey("", f"{number:064x}"), "5" * 64 if text else "", text, vector)
    return Answered(f"event-{number}", 1.0, (Entry(lookup, b"{}", JSON, 1.0, None, "m", "completion"),))


async def test_a_text_without_a_vector_gets_one():
    queue = Queue()
    async with provider() as asked, embedding(asked.base) as scene:
        Enricher(scene.embedding, queue, 1 << 20).put(answered("a question"))
        await until(lambda: queue.events)
    assert queue.vectors == [values("a question")]


async def test_what_needs_none_is_queued_at_once():
    queue = Queue()
    async with provider(shut=True) as asked, embedding(asked.base) as scene:
        enricher = Enricher(scene.embedding, queue, 1 << 20)
        enricher.put(answered(""))
        enricher.put(answered("known", vector=Vector("m", values("known"))))
        assert queue.vectors == [None, values("known")]
    assert asked.inputs == []


async def test_an_answer_whose_text_cannot_be_embedded_is_queued_without():
    queue = Queue()
    async with provider(ill) as asked, embedding(asked.base) as scene:
        Enricher(scene.embedding, queue, 1 << 20).put(answered("a question"))
        await until(lambda: queue.events)
    assert queue.vectors == [None]


async def test_what_waits_at_the_end_of_the_time_is_queued_without():
    queue = Queue()
    async with provider(shut=True) as asked, embedding(asked.base) as scene:
        enricher = Enricher(scene.embedding, queue, 1 << 20)
        for number in range(5):
            enricher.put(answered(f"question {number}", number))
        await until(lambda: asked.inputs)
        await enricher.drain(0.01)
        assert sorted(event.id for event in queue.events) == [f"event-{number}" for number in range(5)]
        assert queue.vectors == [None] * 5
        asked.gate.set()


async def test_the_drain_waits_for_vectors_that_come_in_time():
    queue = Queue()
    async with provider(shut=True) as asked, embedding(asked.base) as scene:
        enricher = Enricher(scene.embedding, queue, 1 << 20)
        enricher.put(answered("a question"))
        draining = asyncio.create_task(enricher.drain(30))
        await until(lambda: asked.inputs)
        asked.gate.set()
        await draining
    assert queue.vectors == [values("a question")]


async def test_more_than_may_wait_are_queued_without(monkeypatch):
    monkeypatch.setattr(enriching, "_MOST", 2)
    queue = Queue()
    async with provider(shut=True) as asked, embedding(asked.base) as scene:
        enricher = Enricher(scene.embedding, queue, 1 << 20)
        for number in range(3):
            enricher.put(answered(f"question {number}", number))
        assert [event.id for event in queue.events] == ["event-2"]
        asked.gate.set()
        await enricher.drain(30)
    assert sorted(event.id for event in queue.events) == ["event-0", "event-1", "event-2"]
    assert queue.vectors.count(None) == 1


async def test_more_bytes_than_may_wait_are_queued_without():
    queue = Queue()
    async with provider(shut=True) as asked, embedding(asked.base) as scene:
        enricher = Enricher(scene.embedding, queue, 2 * size(answered("question 0")))
        for number in range(3):
            enricher.put(answered(f"question {number}", number))
        assert [event.id for event in queue.events] == ["event-2"]
        asked.gate.set()
        await enricher.drain(30)
        enricher.put(answered("question 3", 3))
        assert len(queue.events) == 3, "there is room again"
        await enricher.drain(30)
    assert queue.vectors.count(None) == 1
