"""`askonce up`: a queue, writers and frontends on one machine, each kept alive, stopped in order.

The port opens only when everything behind it is ready. Nothing here knows what a frontend or a writer does.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from askonce.config.settings import Settings
from askonce.core.errors import BusUnavailable, ConfigError
from askonce.runtime.children import Child, ChildError, spawned
from askonce.runtime.drain import Drain
from askonce.runtime.link import Orders, ParentLink
from askonce.runtime.queue import NatsServer
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import FOLDER, forget_process

_READY_WITHIN = 60.0
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Crew:
    """How many of what, and how a child is called: `command(role)` gives its arguments, and `environment` is its
    environment.
    """

    settings: Settings
    host: str
    port: int
    frontends: int
    writers: int
    command: Callable[[str], list[str]]
    environment: Mapping[str, str]
    folder: Path | None = None


class Supervisor:
    def __init__(self, crew: Crew, log: Log, say: Callable[[str], None]) -> None:
        self._crew = crew
        self._log = log
        self._say = say
        self._proxy = crew.settings.proxy
        self._links: dict[str, ParentLink] = {}
        self._open = False
        self._socket: socket.socket | None = None
        self._nats: NatsServer | None = None
        self._nats_child: Child | None = None
        self._children: dict[str, list[Child]] = {"writer": [], "frontend": []}
        self._metrics_dir = self._proxy.data_dir / "metrics"

    @property
    def address(self) -> tuple[str, int]:
        """Where the frontends listen."""
        if self._socket is None:
            raise RuntimeError("not started")
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Brings everything up, then opens the port. Raises ConfigError or ChildError, naming the part and why.

        Whether it ends well, raises or is cancelled: `stop` is due.
        """
        self._socket = _bind(self._crew.host, self._crew.port)
        self._metrics_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._metrics_dir.glob("*_*.db"):  # the last run's; whatever else lies there is not ours
            old.unlink(missing_ok=True)
        urls = await self._start_queue()
        for role, count in (("writer", self._crew.writers), ("frontend", self._crew.frontends)):
            fd = self._socket.fileno() if role == "frontend" else None
            orders = Orders(urls[role], fd)
            places = [self._place(role, n, orders) for n in range(1, count + 1)]
            self._children[role] = places
            outcomes = await asyncio.gather(*(child.begin() for child in places), return_exceptions=True)
            for failure in outcomes:
                if failure is not None:
                    raise failure
            if count:
                self._say(f"  {role + 's':<10} {count} ready")
        # Listening here too: the queue of connections outlives any child.
        self._socket.listen(_BACKLOG)
        self._open = True
        for link in self._links.values():
            link.go()

    async def stop(self) -> None:
        """In order: frontends finish their requests and publishes, writers their batches, then the queue ends."""
        grace = Drain(self._proxy.drain_seconds).longest
        if self._socket is not None:
            self._socket.close()
        for role in ("frontend", "writer"):
            await asyncio.gather(*(child.stop(grace) for child in self._children[role]))
        if self._nats_child is not None:
            await self._nats_child.stop(10.0)
        for link in self._links.values():
            link.close()

    async def _start_queue(self) -> dict[str, str]:
        """The queue's URL for each role."""
        external = self._proxy.nats_url
        if external is not None:
            self._say("  queue      NATS at the address given")
            return dict.fromkeys(("frontend", "writer"), external.get_secret_value())
        self._nats = NatsServer(self._proxy.data_dir / "nats", self._proxy)
        self._nats_child = Child("nats-server", self._start_nats, self._log, lambda _pid: None)
        await self._nats_child.begin()
        self._say(f"  queue      nats-server on 127.0.0.1:{self._nats.port}, kept in {self._nats.folder}")
        return {"frontend": self._nats.url("frontend"), "writer": self._nats.url("writer")}

    async def _start_nats(self) -> asyncio.subprocess.Process:
        if self._nats is None:
            raise RuntimeError("no embedded queue")
        try:
            async with spawned(self._nats.command(), environment={}, quiet=True) as process:
                await self._nats.ready(process)
        except BusUnavailable as error:
            raise ChildError(f"nats-server: {error}") from None
        return process

    def _place(self, role: str, number: int, orders: Orders) -> Child:
        name = f"{role}-{number}"

        async def start() -> asyncio.subprocess.Process:
            return await self._start_child(name, role, orders)

        return Child(name, start, self._log, lambda pid: forget_process(pid, self._metrics_dir))

    async def _start_child(self, name: str, role: str, orders: Orders) -> asyncio.subprocess.Process:
        link, theirs = await ParentLink.open(orders)
        fds = [theirs.fileno()] if orders.socket_fd is None else [theirs.fileno(), orders.socket_fd]
        command = [*self._crew.command(role), "--supervised", str(theirs.fileno()), "--name", name]
        try:
            async with spawned(command, environment=self._environment(), folder=self._crew.folder, fds=fds) as process:
                theirs.close()
                await _ready(name, link)
        except BaseException:
            theirs.close()
            link.close()
            raise
        previous = self._links.get(name)
        if previous is not None:
            previous.close()
        self._links[name] = link
        if self._open:
            link.go()
        return process

    def _environment(self) -> dict[str, str]:
        return {
            **self._crew.environment,
            FOLDER: str(self._metrics_dir.absolute()),
            "ASKONCE_DATA_DIR": str(self._proxy.data_dir.absolute()),
            "ASKONCE_LOG_LEVEL": self._proxy.log_level,
        }


async def _ready(name: str, link: ParentLink) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN):
            why = await link.answer()
    except TimeoutError:
        why = f"not ready within {_READY_WITHIN:.0f} s"
    if why is not None:
        raise ChildError(f"{name}: {why}")


def _bind(host: str, port: int) -> socket.socket:
    """The listening socket, not yet listening: a client is refused until everything is ready."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setblocking(False)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            "askonce up",
            f"--host {host} --port {port}",
            f"cannot be had ({error.strerror}); choose another with --port",
        ) from None
    return listening
