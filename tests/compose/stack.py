"""The stack of compose.yaml, up: in a copy of `compose/`, under a name and ports of its own, as `init.sh` makes it.

Knows containers, services and addresses; what is asked of them is the tests' business.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.compose.podman import TOP, compose_binary, inspect, podman, podman_binary, ran
from tests.servers import free_port

HEALTHY_WITHIN: Final = 120.0  # seconds; the machine may be busy with other things


@dataclass(slots=True)
class Stack:
    """`url` is the balancer, `prometheus` Prometheus; both on this machine."""

    folder: Path
    project: str
    frontends: int
    writers: int
    profiles: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    prometheus_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def prometheus(self) -> str:
        return f"http://127.0.0.1:{self.prometheus_port}"

    def secret(self, name: str) -> str:
        return (self.folder / "compose" / "secrets" / name).read_text()

    @property
    def key(self) -> str:
        return self.secret("litellm_master_key")

    def prepare(self, config: str | None) -> None:
        """As a user would: a copy of the tree, `init.sh`, `.env`. `config` is a path seen from compose/, or text."""
        shutil.copytree(TOP / "compose", self.folder / "compose", ignore=shutil.ignore_patterns("secrets", ".env"))
        shutil.copytree(TOP / "grafana", self.folder / "grafana", ignore=shutil.ignore_patterns("pictures", "source"))
        (self.folder / "compose").chmod(0o755)
        ran(["sh", "init.sh"], cwd=self.folder / "compose", env=dict.fromkeys(("OPENAI_API_KEY", "AZURE_API_KEY"), ""))
        if config is not None and "\n" in config:
            path = self.folder / "compose" / "config.yaml"
            path.write_text(config)
            config = "./config.yaml"
        lines = {
            "FRONTENDS": self.frontends,
            "WRITERS": self.writers,
            "ASKONCE_PUBLISHED_PORT": self.port,
            "PROMETHEUS_PUBLISHED_PORT": self.prometheus_port,
            "COMPOSE_PROFILES": ",".join(self.profiles),
            "ASKONCE_CONFIG": config or "./config.yaml",
        }
        with (self.folder / "compose" / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in lines.items())

    def compose(self, *arguments: str, check: bool = True) -> str:
        options = [part for profile in self.profiles for part in ("--profile", profile)]
        command = [compose_binary(), "--podman-path", podman_binary(), "-p", self.project, *options, *arguments]
        return ran(command, cwd=self.folder / "compose", check=check)

    def up(self, *options: str) -> None:
        """`up`, until every container says that it is healthy."""
        self.compose("up", "--detach", "--no-build", *options)
        self.healthy()

    def names(self, service: str | None = None) -> list[str]:
        """Containers, those that have ended too, by their numbers."""
        labels = [f"label=io.podman.compose.project={self.project}"]
        if service is not None:
            labels.append(f"label=com.docker.compose.service={service}")
        filters = [part for label in labels for part in ("--filter", label)]
        return sorted(podman("ps", "--all", *filters, "--format", "{{.Names}}").split())

    def healthy(self, *names: str) -> None:
        """Waits for these, or all. podman runs health checks by timers of systemd; where there is none nobody would,
        so they are run from here, each until it is content once.
        """
        until = time.monotonic() + HEALTHY_WITHIN
        waiting = list(names) or self.names()
        with ThreadPoolExecutor(2) as pool:
            while waiting:
                content = list(pool.map(_healthy, waiting))
                waiting = [name for name, good in zip(waiting, content, strict=True) if not good]
                if waiting and time.monotonic() > until:
                    logs = "\n".join(f"{name}:\n{podman_logs(name)[-1500:]}" for name in waiting)
                    raise AssertionError(f"not healthy: {waiting}\n{logs}")
                if waiting:
                    time.sleep(0.3)

    def pid(self, name: str) -> int:
        """Of the container's first process, as this machine counts."""
        return int(inspect(name)["State"]["Pid"])

    def restarts(self, name: str) -> int:
        return int(inspect(name)["RestartCount"])

    def kill(self, name: str) -> None:
        """SIGKILL from outside of podman: the end that nobody asked for, after which the restart policy holds."""
        os.kill(self.pid(name), 9)

    def address(self, name: str) -> str:
        """In the stack's network, which this machine reaches too."""
        [network] = inspect(name)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def execute(self, name: str, *command: str) -> str:
        return podman("exec", name, *command)

    def logs(self) -> dict[str, str]:
        return {name: podman_logs(name) for name in self.names()}

    def down(self) -> None:
        """Containers first, each with its nameless volumes; then what has the project's name."""
        for name in self.names():
            podman("rm", "--force", "--time", "0", "--volumes", name, check=False)
        self.compose("down", "--volumes", "--timeout", "1", check=False)
        for kind in ("volume", "network"):  # what `down` could not
            for name in podman(kind, "ls", "--quiet", "--filter", f"name={self.project}_", check=False).split():
                podman(kind, "rm", "--force", name, check=False)


@contextmanager
def up(
    folder: Path, name: str, config: str | None, profiles: tuple[str, ...], frontends: int = 3, writers: int = 2
) -> Iterator[Stack]:
    """A stack until the end of the block. `name` ends the project's name, which no other stack of this machine has."""
    stack = Stack(folder, f"askonce-seen-{name}-{os.getpid()}", frontends, writers, profiles)
    stack.prepare(config)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


async def until(what: str, seen: Callable[[], Any], within: float = 60.0) -> Any:
    """The first answer of `seen` that says yes; it may be a coroutine function. An answer of errors is a no."""
    ends = time.monotonic() + within
    found: Any = None
    while time.monotonic() < ends:
        try:
            found = seen()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
        except (OSError, aiohttp.ClientError) as error:
            found = error
        await asyncio.sleep(0.5)
    raise AssertionError(f"{what}: not within {within:g} s; last {found!r}")


def podman_logs(name: str) -> str:
    done = subprocess.run([podman_binary(), "logs", name], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def _healthy(name: str) -> bool:
    done = subprocess.run([podman_binary(), "healthcheck", "run", name], capture_output=True, check=False, timeout=60)
    return done.returncode == 0
