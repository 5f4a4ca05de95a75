"""A TCP proxy before a server on 127.0.0.1 that makes it slow, silent or absent. Knows no protocol."""

import asyncio
from contextlib import suppress
from typing import Final

_SIZE: Final = 1 << 16


class SlowProxy:
    """Clients connect to `port`, which it keeps. `latency`, in seconds, is what each answer is late by; `heard` is all
    that clients have sent, one after the other, whether or not it was passed on.
    """

    def __init__(self, behind: int) -> None:
        self.port = 0
        self.latency = 0.0
        self.heard = bytearray()
        self._behind = behind
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """From here on it takes connections."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def fall_silent(self) -> None:
        """A black hole: it takes connections and what they send, and nothing comes back."""
        self._speaking.clear()

    def speak(self) -> None:
        """What was held back goes on its way."""
        self._speaking.set()

    async def refuse(self) -> None:
        """Resets every connection and takes no new ones, until `open`."""
        if self._server is not None:
            self._server.close()
        self.reset()
        await asyncio.gather(*self._links, return_exceptions=True)

    def reset(self) -> None:
        """Resets every connection that there is."""
        for task, client in self._links.items():
            client.transport.abort()
            task.cancel()

    async def close(self) -> None:
        await self.refuse()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer
        try:
            with suppress(OSError):
                answers, questions = await asyncio.open_connection("127.0.0.1", self._behind)
                with suppress(asyncio.CancelledError):
                    await self._pass_on(reader, questions, answers, writer)
                questions.transport.abort()
        finally:
            del self._links[task]
            writer.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        questions: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Returns when either side hangs up."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        ways = [
            asyncio.create_task(way)
            for way in (self._ask(reader, questions), self._listen(answers, late), self._answer(late, writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, questions: asyncio.StreamWriter) -> None:
        while data := await reader.read(_SIZE):
            self.heard += data
            await self._speaking.wait()
            questions.write(data)

    async def _listen(self, answers: asyncio.StreamReader, late: asyncio.Queue[tuple[float, bytes]]) -> None:
        while data := await answers.read(_SIZE):
            late.put_nowait((asyncio.get_running_loop().time() + self.latency, data))

    async def _answer(self, late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await self._speaking.wait()
            writer.write(data)
