"""`askonce demo`: the whole proxy before a built-in toy provider, shown asking and answering."""

import asyncio
import os
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from askonce.commands.up import crew
from askonce.config.load import load
from askonce.runtime.clock import timer, wall
from askonce.runtime.signals import finished, stop_event
from askonce.runtime.supervisor import Supervisor
from askonce.telemetry.logs import Log, set_up
from askonce.toy.provider import Toy, serving

_USUAL_PORT = 4000
_LATENCY, _PACE = 0.4, 0.02  # seconds: a fast model, so that the difference to a cache shows
_WORDS: Final = "Why ask twice?"
_QUESTION: Final = {"model": "toy", "messages": [{"role": "user", "content": _WORDS}]}
_CONFIG: Final = """\
model_list:
  - model_name: "*"
    litellm_params:
      model: openai/*
      api_base: {base}
      api_key: toy
"""


def demo() -> int:
    """Shows a miss, a hit and a streamed hit with their times; on a terminal it then goes on until Ctrl-C."""
    set_up("demo", "warning")
    with tempfile.TemporaryDirectory(prefix="askonce-demo-") as folder:
        return asyncio.run(_demo(Path(folder)))


async def _demo(folder: Path) -> int:
    stop = stop_event()
    toy = Toy(latency=_LATENCY, pace=_PACE, clock=wall)
    async with serving(toy) as base:
        config = folder / "config.yaml"
        config.write_text(_CONFIG.format(base=base))
        environment = _plain_environment() | {
            "ASKONCE_DATA_DIR": str(folder / "data"),
            "ASKONCE_PORT": str(_port()),
            "ASKONCE_FRONTENDS": "1",
            "ASKONCE_LOG_LEVEL": "warning",
        }
        settings = load(config, environment, cwd=folder)
        print("A toy provider that thinks for 0.4 s, and the whole proxy before it:", flush=True)
        supervisor = Supervisor(
            replace(crew(settings, config, environment), folder=folder),
            Log("demo"),
            lambda line: print(line, flush=True),
        )
        try:
            if await finished(supervisor.start(), before=stop):
                host, port = supervisor.address
                url = f"http://{host}:{port}/v1"
                if await finished(_tour(url, toy), before=stop) and sys.stdout.isatty():
                    _invite(url)
                    await stop.wait()
        finally:
            await supervisor.stop()
    return 0


def _plain_environment() -> dict[str, str]:
    """The environment less what would steer a proxy: the demo is the same on every machine."""
    steering = ("ASKONCE_", "LITELLM_", "OPENAI_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)}


def _port() -> int:
    """The usual port, so that the README's examples work as they stand, or any other where that one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return 0
    return _USUAL_PORT


async def _tour(url: str, toy: Toy) -> None:
    print(f'\nPOST /v1/chat/completions  {{"role": "user", "content": "{_WORDS}"}}\n')
    async with aiohttp.ClientSession() as session:
        await _ask(session, url, "asked", {})
        await _ask(session, url, "asked again", {})
        await _ask(session, url, "as a stream", {"stream": True})
    asked = sum(toy.calls.values())
    print(f"\n3 questions; the provider was asked {asked} time{'' if asked == 1 else 's'}.", flush=True)


async def _ask(session: aiohttp.ClientSession, url: str, label: str, more: dict[str, object]) -> None:
    started = timer()
    async with session.post(f"{url}/chat/completions", data=orjson.dumps(_QUESTION | more)) as answer:
        await answer.read()
        took = (timer() - started) * 1000
        print(f"  {label:<12} {took:7.1f} ms   {answer.headers.get('Cache-Status')}", flush=True)


def _invite(url: str) -> None:
    body = orjson.dumps(_QUESTION).decode()
    print(f"\nIt goes on until Ctrl-C. Try it:\n\n  curl -i {url}/chat/completions -d '{body}'\n", flush=True)
