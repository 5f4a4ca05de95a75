"""A queue in memory: messages in order, each handed out when it is due. Knows no event."""

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Message:
    """`due` is when it may be handed out (again), seconds since the epoch. `token` names a deletion's key."""

    data: bytes
    sequence: int
    due: float
    token: str = ""
    deliveries: int = 0


@dataclass(slots=True)
class Queue:
    """`size` is in bytes. Messages stand in the order of their sequences."""

    messages: dict[int, Message] = field(default_factory=dict)
    size: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, message: Message) -> None:
        self.messages[message.sequence] = message
        self.size += len(message.data)
        self.changed.set()

    def remove(self, message: Message) -> None:
        if self.messages.pop(message.sequence, None) is not None:
            self.size -= len(message.data)

    def take(self, limit: int, now: float, ack_wait: float) -> list[Message]:
        due = [message for message in self.messages.values() if message.due <= now][:limit]
        for message in due:
            message.deliveries += 1
            message.due = now + ack_wait
        return due

    def next_due(self, now: float) -> float | None:
        """Seconds until a message may be handed out."""
        return min((message.due - now for message in self.messages.values()), default=None)

    async def wait(self, now: float, within: float) -> None:
        """Until a message may be handed out, one is added, or so many seconds have passed."""
        due = self.next_due(now)
        try:
            async with asyncio.timeout(within if due is None else min(within, max(due, 0.001))):
                await self.changed.wait()
        except TimeoutError:
            return
