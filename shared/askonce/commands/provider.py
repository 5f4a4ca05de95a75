"""`askonce toy`: the built-in toy provider by itself, for a stack that is to be tried without an API key."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from askonce.core.errors import ConfigError
from askonce.runtime.clock import wall
from askonce.runtime.signals import stop_event
from askonce.toy.provider import Toy, serving

_PACE: Final = 0.02  # seconds from one chunk of a stream to the next


def provide(host: str, port: int, latency: float) -> int:
    """Serves until SIGTERM or Ctrl-C. `latency` is seconds before an answer's first byte. Raises ConfigError when the
    address cannot be had.
    """
    return asyncio.run(_provide(host, port, latency))


async def _provide(host: str, port: int, latency: float) -> int:
    stop = stop_event()
    async with AsyncExitStack() as opened:
        try:
            base = await opened.enter_async_context(serving(Toy(latency=latency, pace=_PACE, clock=wall), host, port))
        except OSError as error:
            reason = f"cannot be had on {host} ({error.strerror}); choose another with --port or --host"
            raise ConfigError("askonce toy", f"--port {port}", reason) from None
        _say(f"a toy provider with OpenAI's API; it takes any key, and thinks for {latency:g} s")
        _say(f"ready: {base}   Ctrl-C stops")
        await stop.wait()
    _say("stopped")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
