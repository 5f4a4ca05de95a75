"""What a NATS server knows of flushes: the last one of each namespace, and which frontends listen. Changes nothing."""

from contextlib import suppress
from typing import Final

from nats.js.api import ConsumerInfo, RawStreamMsg
from nats.js.errors import NotFoundError

from askonce.bus import names
from askonce.bus.link import Link

_PAGE: Final = 256  # consumers that the server lists at a time


async def last_flushes(link: Link) -> list[tuple[int, bytes]]:
    """Sequence and frame of the last flush of each namespace, for as long as the bucket remembers it; in order.

    Raises BusUnavailable.
    """
    found: list[RawStreamMsg] = []
    async with link.asking("asking for flushes") as js:
        state = (await js.stream_info(names.TOMBSTONE_STREAM, subjects_filter=f"{names.FLUSHES}.*")).state
        for subject in state.subjects or ():
            with suppress(NotFoundError):  # its time was over just now
                # of the stream's leader: a replica may be behind
                found.append(await js.get_last_msg(names.TOMBSTONE_STREAM, subject))
    return sorted((one.seq, one.data) for one in found if one.seq is not None and one.data is not None)


async def listeners(link: Link) -> set[str]:
    """The frontends that listen now; a process that has ended, or lost its connection, is none of them.

    Raises BusUnavailable.
    """
    found: list[ConsumerInfo] = []
    async with link.asking("asking who listens") as js:
        while True:
            page = await js.consumers_info(names.TOMBSTONE_STREAM, offset=len(found))
            found += page
            if len(page) < _PAGE:
                break
    named = (names.listener(one.config.description) for one in found if one.push_bound)
    return {one for one in named if one is not None}
