"""The queue seen by its administrator: what lies in it, and how soon it hands out again what a dead writer held."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.js import JetStreamContext

from askonce.bus import names
from tests.e2e.stack import eventually

SETTLED_WITHIN = 45.0  # seconds: what a dead writer held is handed out again after thirty


@dataclass(frozen=True)
class Queue:
    js: JetStreamContext
    store: str

    async def pending(self) -> int:
        """Answers that no writer has acknowledged."""
        return (await self.js.stream_info(names.STREAM)).state.messages

    async def empties(self) -> bool:
        """Whether writers come to acknowledge everything."""

        async def is_empty() -> bool:
            return await self.pending() == 0

        return await eventually(is_empty, SETTLED_WITHIN)

    async def hasten(self) -> None:
        """Half a minute is what a writer may take for a batch; a test need not wait that long for a dead one. It may
        have to all the same: a writer that comes back later sets this right again.
        """
        for stream in (names.STREAM, names.TOMBSTONE_STREAM):
            config = (await self.js.consumer_info(stream, self.store)).config
            config.ack_wait = 1.0
            await self.js.add_consumer(stream, config)

    async def publish(self, data: bytes, name: str | None = None) -> None:
        await self.js.publish(names.answered(self.store), data, headers={} if name is None else {"Nats-Msg-Id": name})

    async def dead(self) -> list[tuple[str, bytes]]:
        """Reason and data of each dead letter."""
        letters = []
        for sequence in range(1, (await self.js.stream_info(names.DEAD_STREAM)).state.last_seq + 1):
            message = await self.js.get_msg(names.DEAD_STREAM, sequence)
            letters.append(((message.headers or {})[names.REASON], message.data or b""))
        return letters


@asynccontextmanager
async def administering(url: str, store: str) -> AsyncIterator[Queue]:
    client = await nats.connect(url)
    try:
        yield Queue(client.jetstream(), store)
    finally:
        await client.close()


def admin_url(data_dir: Path) -> str:
    """That of the nats-server which `askonce up` runs, out of its configuration file."""
    text = (data_dir / "nats" / "server.conf").read_text()
    port = text.partition("port: ")[2].split()[0]
    password = text.partition('user: "admin", password: "')[2].partition('"')[0]
    return f"nats://admin:{password}@127.0.0.1:{port}"
