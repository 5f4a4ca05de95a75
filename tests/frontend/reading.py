"""Readers of a recording, each at a pace of its own, and a flight that feeds them."""

import asyncio

from askonce.core.errors import UpstreamError
from askonce.frontend.recording import CutOffError, Head, Reading, Recording

HEAD = Head(200, [("Content-Type", "application/json")], "application/json", None)
WINDOW = 256 * 1024  # what the upstream may be ahead of the fastest reader after an overflow
STRAGGLE = 8 * WINDOW  # what a reader may be behind the fastest
CHUNK = 64 * 1024


class Client:
    """Reads by itself, `turns` turns of the loop for each chunk."""

    def __init__(self, recording: Recording, turns: int = 0) -> None:
        self.reading = recording.join()
        self.got: list[bytes] = []
        self.error: Exception | None = None
        self.task = asyncio.create_task(self._read(turns))

    async def _read(self, turns: int) -> None:
        try:
            async for chunk in self.reading.chunks():
                self.got.append(chunk)
                for _ in range(turns):
                    await asyncio.sleep(0)
        except (UpstreamError, CutOffError) as error:
            self.error = error
        finally:
            self.reading.leave()

    @property
    def body(self) -> bytes:
        return b"".join(self.got)


async def done(*clients: Client) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(client.task for client in clients))


async def feed(recording: Recording, chunks: list[bytes]) -> bool:
    """As a flight does; False where nobody wanted the rest."""
    async with asyncio.timeout(20):
        for chunk in chunks:
            recording.append(chunk)
            if not await recording.room():
                return False
            await asyncio.sleep(0)
    return True


def chunks_of(number: int, size: int = CHUNK) -> list[bytes]:
    return [bytes([n % 251]) * size for n in range(number)]


async def read(reading: Reading, number: int) -> list[bytes]:
    """The next chunks, which must be there."""
    got: list[bytes] = []
    async with asyncio.timeout(20):
        while len(got) < number:
            async for chunk in reading.chunks():
                got.append(chunk)
                break
    return got
