"""Two frontends on one bus, each with its memory, its outbox and its ear for news."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from askonce.bus.local import LocalBus
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.entry import Entry
from askonce.core.events import Event
from askonce.core.policy import Rules, SkipReason, Why
from askonce.frontend.keeping import Keeper, Whole
from askonce.frontend.news import News
from askonce.frontend.outbox import Outbox
from askonce.frontend.question import Question
from askonce.stores.memory import MemoryStore
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import NOW, RULES, Clock

BROADCAST = 1000  # bytes up to which an answer is told whole


@dataclass
class Frontend:
    """One frontend's side of the bus."""

    keeper: Keeper
    memory: MemoryStore
    outbox: Outbox
    metrics: Metrics
    news: News

    def holds(self, one: Entry | Question, now: float = NOW + 1) -> Entry | None:
        where = one.key if isinstance(one, Entry) else one.lookups[0].key
        found = self.memory.peek(where, now)
        return None if found is None else found.entry

    async def finish(self, whole: Whole) -> SkipReason | Why | None:
        return await self.keeper.settle(whole, await self.keeper.judge(whole))


@dataclass
class Scene:
    bus: LocalBus
    clock: Clock
    here: Frontend
    there: Frontend
    told: list[Event]

    def queued(self) -> list[Event]:
        return [wire.decode(message.data) for message in self.bus.answers.messages.values()]


@asynccontextmanager
async def opened(*, step: float = 0.0, rules: Rules = RULES) -> AsyncIterator[Scene]:
    clock = Clock(step)
    bus = LocalBus(clock)
    frontends, told = [], list[Event]()
    for _ in range(2):
        metrics = Metrics()
        memory = MemoryStore(64 << 20, metrics)
        publisher, news = bus.publisher(), News(memory, Log("test"), clock)
        await publisher.listen(news.hear, news.gap)
        outbox = Outbox(publisher, ProxySettings(), metrics, Log("test"), clock)
        outbox.start()
        keeper = Keeper(
            rules=rules, memory=memory, bus=publisher, queue=outbox, broadcast_bytes=BROADCAST, metrics=metrics,
            log=Log("test"), clock=clock,
        )  # fmt: skip
        frontends.append(Frontend(keeper, memory, outbox, metrics, news))
    await bus.publisher().listen(told.append, lambda: None)
    try:
        yield Scene(bus, clock, *frontends, told)
    finally:
        for frontend in frontends:
            await frontend.outbox.close()
