"""Whether a request's client is still there: aiohttp tells only who reads from it or writes to it, and a request may
wait for its provider for long.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiohttp import web

_LOOK_EVERY: Final = 1.0  # seconds that a request may go on whose client has gone
_Given = TypeVar("_Given")


class GoneError(ConnectionError):
    """Nobody is there to be answered."""


async def while_there(request: web.BaseRequest, working: Awaitable[_Given]) -> _Given:
    """What the work gives. It is cancelled when the client goes, which raises GoneError."""
    loop = asyncio.get_running_loop()
    looking: asyncio.TimerHandle

    def look() -> None:
        nonlocal looking
        if request.transport is None:
            scope.reschedule(loop.time())
        else:
            looking = loop.call_later(_LOOK_EVERY, look)

    scope = asyncio.timeout(None)
    looking = loop.call_later(_LOOK_EVERY, look)
    try:
        async with scope:
            return await working
    except TimeoutError:
        if scope.expired():
            raise GoneError from None
        raise
    finally:
        looking.cancel()


def unheard() -> web.Response:
    """For a client that has gone: nginx's word for it, that nobody hears."""
    return web.Response(status=499)
