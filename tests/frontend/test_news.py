"""What other processes tell, in this frontend's memory."""

from dataclasses import replace

from askonce.core.events import Answered, Superseded
from askonce.frontend.news import News
from askonce.stores.memory import MemoryStore
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import NOW, entry, event, key
from tests.frontend.stage import opened


async def test_a_gap_empties_the_memory_and_refuses_what_was_asked_before_it() -> None:
    async with opened() as scene:
        scene.here.news.hear(event(7))
        scene.there.news.hear(event(7))
        scene.clock.now = NOW + 5
        scene.bus.disconnect()
        scene.bus.reconnect()
        assert (len(scene.here.memory), len(scene.there.memory)) == (0, 0)
        scene.here.news.hear(Answered("late", NOW + 4, (entry(1),)))
        assert scene.here.holds(entry(1)) is None
        scene.here.news.hear(Answered("later", NOW + 6, (entry(1),)))
        assert scene.here.holds(entry(1)) == entry(1)


async def test_news_never_bring_back_what_is_older() -> None:
    async with opened() as scene:
        newer, older = entry(1, b"newer", stored_at=NOW), entry(1, b"older", stored_at=NOW - 9)
        for one in (newer, older):
            scene.here.news.hear(Answered("e", NOW, (one,)))
        assert scene.here.holds(newer) == newer
        scene.here.news.hear(Superseded((key(1),), NOW - 1))
        assert scene.here.holds(newer) == newer
        scene.here.news.hear(Superseded((key(1), key(2)), NOW + 1))
        assert scene.here.holds(newer) is None
        scene.here.news.hear(event(3, b"a", b"b"))
        assert len(scene.here.memory) == 2


async def test_a_flush_empties_every_memory_of_what_its_proxy_kept_and_of_nothing_else() -> None:
    ours, theirs = replace(entry(1), home=""), replace(entry(2), home="team")
    async with opened() as scene:
        for frontend in (scene.here, scene.there):
            frontend.news.hear(Answered("e", NOW - 1, (ours, theirs)))
        await scene.bus.publisher().flush("", NOW, within=5)
        for frontend in (scene.here, scene.there):
            assert (frontend.holds(ours), frontend.holds(theirs)) == (None, theirs)
            frontend.news.hear(Answered("late", NOW, (ours,)))
            assert frontend.holds(ours) is None, "it was asked before"
            frontend.news.hear(Answered("later", NOW + 1, (ours,)))
            assert frontend.holds(ours) == ours


async def test_a_frontend_that_starts_after_a_flush_knows_of_it() -> None:
    async with opened() as scene:
        await scene.bus.publisher().flush("", NOW, within=5)
        memory = MemoryStore(1 << 20, Metrics())
        news = News(memory, Log("test"), scene.clock)
        await scene.bus.publisher().listen(news.hear, news.gap)
        assert memory.flushed(replace(entry(1, stored_at=NOW), home=""))
        assert not memory.flushed(replace(entry(1, stored_at=NOW + 1), home=""))
