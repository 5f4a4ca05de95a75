"""`askonce up`: everything on one machine, and what it says to the person who started it."""

import asyncio
import importlib.metadata
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from askonce.commands.processes import host
from askonce.config.describe import without_credentials
from askonce.config.settings import Deployment, Settings
from askonce.runtime.datadir import held
from askonce.runtime.signals import finished, stop_event
from askonce.runtime.supervisor import Crew, Supervisor
from askonce.stores.registry import STORES
from askonce.telemetry.logs import Log, set_up


def up(settings: Settings, config: Path | None, environment: Mapping[str, str]) -> int:
    """Runs until SIGTERM or Ctrl-C. `environment` is what the settings were read from: children read it too.

    Raises ConfigError or ChildError when a part cannot start, saying which.
    """
    set_up("up", settings.proxy.log_level)
    with held(settings.proxy.data_dir):
        return asyncio.run(_up(settings, config, environment))


async def _up(settings: Settings, config: Path | None, environment: Mapping[str, str]) -> int:
    stop = stop_event()
    for line in introduction(settings):
        _say(line)
    supervisor = Supervisor(crew(settings, config, environment), Log("up"), _say)
    try:
        if await finished(supervisor.start(), before=stop):
            address, port = supervisor.address
            shown = f"http://{_in_url(address)}:{port}"
            _say(f"ready: {shown}/v1   metrics: {shown}/metrics   Ctrl-C stops")
            await stop.wait()
        _say("stopping: requests first, then the queue (Ctrl-C again does not wait)")
    finally:
        await supervisor.stop()
    _say("stopped")
    return 0


def crew(settings: Settings, config: Path | None, environment: Mapping[str, str]) -> Crew:
    """What is to be run for these settings."""
    proxy = settings.proxy
    needs_writers = settings.cache.enabled and STORES[settings.cache.type].shared
    configured = [] if config is None else ["--config", str(config)]
    return Crew(
        settings=settings,
        host=host(settings),
        port=proxy.port,
        frontends=max(1, (os.cpu_count() or 2) - 1) if proxy.frontends is None else proxy.frontends,
        writers=proxy.writers if needs_writers else 0,
        command=lambda role: [sys.executable, "-m", "askonce.cli", role, *configured],
        environment=environment,
    )


def introduction(settings: Settings) -> list[str]:
    """What a person wants to know before the ready line: where answers come from and where they are kept."""
    lines = [f"askonce {importlib.metadata.version('askonce')} ({settings.source})"]
    lines.append(f"  provider   {_providers(settings)}")
    lines.append(f"  store      {_store(settings)}")
    lines.extend(f"  warning    {one}" for one in settings.warnings)
    lines.extend(
        f"  not served {one.pattern}: {one.unsupported}" for one in settings.deployments if one.unsupported is not None
    )
    if settings.ignored:
        count = len(settings.ignored)
        lines.append(f"  ignored    {count} setting{'' if count == 1 else 's'} without effect here:")
        lines.extend(f"             - {one}" for one in settings.ignored)
    return lines


def _in_url(address: str) -> str:
    """An address as a URL has it; one that stands for all of them as this machine's own."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"[{shown}]" if ":" in shown else shown


def _providers(settings: Settings) -> str:
    served = [one for one in settings.deployments if one.unsupported is None]
    if not served:
        return "none that can be served"
    bases = dict.fromkeys(without_credentials(one.api_base) for one in served)
    return f"{', '.join(bases)}, with {_keys(settings, served)}"


def _keys(settings: Settings, served: list[Deployment]) -> str:
    """A client's key goes upstream where a deployment has none, and never where clients show a key of the proxy's."""
    without = list(dict.fromkeys(one.pattern for one in served if one.api_key is None))
    instead = "no key" if settings.master_key is not None else "each client's own key"
    if len(without) == len({one.pattern for one in served}):
        return instead
    return f"configured keys; {instead} for {', '.join(without)}" if without else "configured keys"


def _store(settings: Settings) -> str:
    cache = settings.cache
    if not cache.enabled:
        return "none: caching is off"
    life = "without an end" if cache.ttl is None else f"{cache.ttl:g} s"
    where = f" in {cache.disk.path}" if cache.disk is not None else ""
    return f"{cache.type}{where}, entries live {life}"


def _say(line: str) -> None:
    print(line, flush=True)
