"""The line between a supervisor and a child: a socket pair that carries a few words each way.

The supervisor says what to do and, when everybody is ready, "go"; the child says "ready", or why it failed. Secrets
travel here, and neither in arguments nor in the environment. When the supervisor dies the line breaks, and the child
stops by itself.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

import orjson

_GO: Final = b"go\n"


@dataclass(frozen=True, slots=True)
class Orders:
    """`socket_fd` is the listening socket that a frontend inherits; None for a writer."""

    nats_url: str
    socket_fd: int | None


class ChildLink:
    """The child's end. `listen` runs as long as the child does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, orders: Orders) -> None:
        self._reader = reader
        self._writer = writer
        self._go = asyncio.Event()
        self.orders = orders

    @classmethod
    async def open(cls, fd: int) -> "ChildLink":
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd))
        return cls(reader, writer, Orders(**orjson.loads(await reader.readline())))

    async def listen(self, stop: asyncio.Event) -> None:
        """Hears "go", and sets `stop` when the supervisor has gone."""
        with suppress(ConnectionError):
            while word := await self._reader.readline():
                if word == _GO:
                    self._go.set()
        stop.set()

    async def ready(self) -> None:
        """Says so, and waits for the others."""
        await self._say({"ready": True})
        await self._go.wait()

    async def failed(self, why: str) -> None:
        await self._say({"failed": why})

    async def _say(self, word: dict[str, object]) -> None:
        with suppress(ConnectionError):
            self._writer.write(orjson.dumps(word) + b"\n")
            await self._writer.drain()


class ParentLink:
    """The supervisor's end of one child's line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, orders: Orders) -> "tuple[ParentLink, socket.socket]":
        """The parent's end, and the socket that the child is to inherit (close it here once the child runs)."""
        ours, theirs = socket.socketpair()
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        writer.write(orjson.dumps(asdict(orders)) + b"\n")
        return cls(reader, writer), theirs

    async def answer(self) -> str | None:
        """None when the child is ready, else why it is not."""
        with suppress(ConnectionError):
            line = await self._reader.readline()
            if line:
                why = orjson.loads(line).get("failed")
                return None if why is None else str(why)
        return "it ended before it was ready; its log lines say why"

    def go(self) -> None:
        self._writer.write(_GO)

    def close(self) -> None:
        self._writer.close()
