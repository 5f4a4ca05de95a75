"""A real Prometheus for tests: what it scrapes, and what it answers. Knows no metric."""

import socket
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.servers import Child, debian_binary, need


class Prometheus(Child):
    """Scrapes one address (`127.0.0.1:4000`) once a second, as the job `askonce-frontend`."""

    def __init__(self, folder: Path, target: str, port: int | None = None) -> None:
        super().__init__(folder, port)
        self._binary = need("prometheus", debian_binary("prometheus"))
        scrape = {"job_name": "askonce-frontend", "static_configs": [{"targets": [target]}]}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        return [
            self._binary,
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
        return b" 200 " in link.recv(64)

    async def ask(self, session: aiohttp.ClientSession, expr: str) -> list[dict[str, Any]]:
        """The vector that an expression is now. An error of Prometheus fails the test."""
        async with session.post(f"http://127.0.0.1:{self.port}/api/v1/query", data={"query": expr}) as answer:
            said = await answer.json()
        assert said["status"] == "success", (expr, said)
        found: list[dict[str, Any]] = said["data"]["result"]
        return found

    async def value(self, session: aiohttp.ClientSession, expr: str) -> float:
        """The one value of an expression."""
        [found] = await self.ask(session, expr)
        return float(found["value"][1])
