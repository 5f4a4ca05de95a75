"""Qdrant's engine behind HTTP, for tests: a "qdrant-edge REST shim (subset)", see `tests.qdrant_shim`. No Qdrant
server."""

import importlib.util
import socket
import sys
from pathlib import Path

from tests.servers import Child, need

_ROOT = Path(__file__).parents[1]


class QdrantEdge(Child):
    """The shim as a child process; `start` after `stop` or `kill` finds port and collections as they were."""

    def __init__(self, folder: Path, port: int | None = None, *, api_key: str | None = None) -> None:
        super().__init__(folder, port)
        need("qdrant-edge-py", "here" if importlib.util.find_spec("qdrant_edge") else None)
        self._key = () if api_key is None else ("--api-key", api_key)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(_ROOT)}

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--dir", str(self.folder / "collections")]
        return [sys.executable, "-m", "tests.qdrant_shim", *where, *self._key]

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"GET /collections HTTP/1.1\r\nHost: shim\r\nConnection: close\r\n\r\n")
        return link.recv(64)[:12] in {b"HTTP/1.1 200", b"HTTP/1.1 401"}
