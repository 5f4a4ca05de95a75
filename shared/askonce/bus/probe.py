"""One look at a NATS server, for who wants to know whether it could be used. Creates nothing there."""

import asyncio
from typing import Final

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from askonce.bus import names
from askonce.bus.errors import translated
from askonce.bus.login import Login
from askonce.core.errors import BusUnavailable

_DOING: Final = "reaching NATS"


async def probe(url: str, login: Login, within: float) -> str:
    """The server's version, if JetStream answers. It asks what each role may, and hears the answer where one of them
    may. Raises BusUnavailable, without credentials in its text.
    """
    try:
        async with asyncio.timeout(within):
            for inbox in (names.FRONTEND_INBOX, names.WRITER_INBOX):
                if (version := await _look(url, login, inbox, within)) is not None:
                    return version
    except TimeoutError:
        raise BusUnavailable(f"{_DOING}: no answer within {within:g} s") from None
    raise BusUnavailable(f"{_DOING}: this login may do neither a frontend's work nor a writer's")


async def _look(url: str, login: Login, inbox: str, within: float) -> str | None:
    """None where the login may not ask, or not hear what is answered there."""
    client = Client()
    denied = asyncio.Event()

    async def told(error: Exception) -> None:
        """What else fails is raised too; nats-py would print it besides."""
        if "permissions violation" in str(error).lower():
            denied.set()

    waiting = asyncio.create_task(denied.wait())
    asking = None
    try:
        with translated(_DOING):
            servers = [part.strip() for part in url.split(",")]
            await client.connect(servers=servers, **login, inbox_prefix=inbox, allow_reconnect=False, error_cb=told)
            asking = asyncio.create_task(_ask(client, within))
            await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return None
            asking.result()
            version = client.connected_server_version
            return f"{version.major}.{version.minor}.{version.patch}"
    finally:
        tasks = [task for task in (waiting, asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def _ask(client: Client, within: float) -> None:
    try:
        await client.jetstream(timeout=within).stream_info(names.STREAM)
    except NotFoundError:
        return  # which JetStream alone can say
