"""Clients that keep asking while something is broken on purpose, and what the proxy counts meanwhile."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from askonce.core.key import CacheKey
from tests.e2e.asking import Client

IN_FLIGHT: Final = 16
FOR_EVER: Final = 1_000_000


@dataclass
class Load:
    """Misses, some at a time; every one must be answered. `asked` counts the questions put, `answered` has the number
    and the key of each that was answered.

    With `patient` a question whose connection broke is put again; else that is a failure, like any other.
    """

    client: Client
    patient: bool = False
    asked: int = 0
    answered: list[tuple[int, CacheKey]] = field(default_factory=list)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)
    _enough: bool = False

    @property
    def keys(self) -> list[CacheKey]:
        return [key for _, key in self.answered]

    def keys_asked_after(self, number: int) -> list[CacheKey]:
        return [key for asked, key in self.answered if asked > number]

    async def run(self, name: str, misses: int = FOR_EVER) -> None:
        async def ask_on() -> None:
            while self.asked < misses and not self._enough:
                self.asked += 1
                await self._ask(name, self.asked)

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(ask_on())
        assert len(set(self.keys)) == len(self.keys) == self.asked

    async def _ask(self, name: str, number: int) -> None:
        try:
            answer = await self.client.chat(f"{name} {number}", stream=number % 4 == 0)
        except aiohttp.ClientError:
            if not self.patient:
                raise
            await self._ask(name, number)
            return
        assert answer.status == 200
        assert self.patient or (answer.hit, answer.stored) == (False, True)
        self.answered.append((number, answer.key))
        self._progress.set()

    async def reaches(self, answers: int) -> None:
        while len(self.answered) < answers:
            self._progress.clear()
            await self._progress.wait()

    async def goes_on(self, answers: int) -> None:
        """Waits for so many more."""
        await self.reaches(len(self.answered) + answers)

    async def end(self) -> None:
        """After a few more, so that what came last is still put to the test."""
        await self.goes_on(100)
        self._enough = True


async def metric(client: Client, name: str) -> float:
    """A metric without labels; zero while nobody has counted."""
    text = (await client.send("GET", "/metrics")).body.decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(dict(lines).get(name, "0"))
