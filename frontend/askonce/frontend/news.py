"""What other processes tell, brought into this frontend's memory tier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from askonce.core.events import Answered, Cooled, Deleted, Event, Flushed, Superseded
from askonce.stores.memory import MemoryStore
from askonce.telemetry.logs import Log


@dataclass(frozen=True, slots=True)
class News:
    memory: MemoryStore
    log: Log
    clock: Callable[[], float]
    on_cooled: Callable[[Cooled], None] = lambda _: None

    def hear(self, event: Event) -> None:
        match event:
            case Answered(entries=entries, asked_at=asked_at):
                now = self.clock()
                for entry in entries:
                    self.memory.keep(entry, now, asked_at)
            case Superseded(keys=keys, at=at):
                for key in keys:
                    self.memory.drop_older(key, at)
            case Deleted(keys=keys, at=at):
                self.memory.forget(keys, at)
            case Flushed():
                self.memory.flush(event)
            case Cooled():
                self.on_cooled(event)
            case _:
                assert_never(event)

    def gap(self) -> None:
        """Something may have been missed: what is in memory may be deleted or replaced, so it goes."""
        self.memory.clear(self.clock())
        self.log.warning("memory_emptied", reason="news may have been missed")
