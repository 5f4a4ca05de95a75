"""One look at a NATS server, for who wants to know whether it could be used. Creates nothing there."""

import asyncio

from nats.aio.client import Client

from askonce.bus.errors import translated
from askonce.core.errors import BusUnavailable


async def probe(url: str, within: float) -> str:
    """The server's version, if JetStream answers. Raises BusUnavailable, without credentials in its text."""
    client = Client()
    try:
        async with asyncio.timeout(within):
            with translated("reaching NATS"):
                await client.connect(servers=url.split(","), allow_reconnect=False, error_cb=_quiet)
                await client.jetstream(timeout=within).account_info()
                version = client.connected_server_version
                return f"{version.major}.{version.minor}.{version.patch}"
    except TimeoutError:
        raise BusUnavailable(f"reaching NATS: no answer within {within:g} s") from None
    finally:
        await client.close()


async def _quiet(_error: Exception) -> None:
    """What fails is raised too; nats-py would print it besides."""
