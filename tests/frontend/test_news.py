"""What other processes tell, in this frontend's memory."""

from askonce.core.events import Answered, Superseded
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
