"""Redis behind sentinels, for tests: they watch a master and its replica, and say which of the two it is now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis
from pydantic import SecretStr

from askonce.config.settings import Node
from tests.redis_topologies import KEEPER, KEEPERS_WORD, SECURED, Authority, Servers, TlsRedis, port, until
from tests.servers import Child, RedisLike, Valkey

SERVICE: Final = "answers"  # what sentinels call the master


class _Sentinel(RedisLike):
    """Its file, into which it writes what it learns, has to come first."""

    def command(self) -> list[str]:
        binary, *options = super().command()
        return [binary, str(self.folder / "sentinel.conf"), "--sentinel", *options]


class _ValkeySentinel(_Sentinel, Valkey):
    pass


class _TlsSentinel(_Sentinel, TlsRedis):
    pass


class Sentinels(Servers):
    """A master, a replica, and three sentinels that replace the master when it does not answer for a second.

    `password` is the sentinels' own, which clients have to give and which says nothing of the servers'.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: Authority | None = None,
        password: str | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        super().__init__(folder, tls, (*options, "--repl-diskless-sync-delay", "0"))
        self._password = password
        secured = () if tls is None else SECURED
        self.master = self._server("master", *secured)
        self.replica = self._server("replica", "--replicaof", "127.0.0.1", str(self.master.port), *secured)
        self.sentinels = [self._sentinel(f"sentinel{number}") for number in range(3)]

    def _sentinel(self, name: str) -> Child:
        folder = self._folder / name
        folder.mkdir(parents=True)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 2",
            f"sentinel auth-user {SERVICE} {KEEPER}",
            f"sentinel auth-pass {SERVICE} {KEEPERS_WORD}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if self._password is not None:
            lines += [f"requirepass {self._password}", f"sentinel sentinel-pass {self._password}"]
        (folder / "sentinel.conf").write_text("\n".join([*lines, ""]))
        if self.tls is None:
            server: Child = _ValkeySentinel(folder, port())
        else:
            server = _TlsSentinel(folder, port(), self.tls, SECURED)
        self.children.append(server)
        return server

    @property
    def data_servers(self) -> Sequence[Child]:
        return [self.master, self.replica]

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        until(self._following, "the replica follows")
        for sentinel in self.sentinels:
            sentinel.start()
            with self.watch(sentinel) as client:  # tells and asks more often than each 2 and 10 s
                client.execute_command("SENTINEL", "DEBUG", "INFO-PERIOD", 300, "PUBLISH-PERIOD", 100)
        self.settle()

    def _following(self) -> bool:
        with self.client(self.replica) as client:
            return bool(client.info("replication")["master_link_status"] == "up")

    def settle(self) -> None:
        """Returns once all sentinels that run know of each other and of a replica that can take over."""
        until(lambda: all(self._ready(sentinel) for sentinel in self.sentinels), "the sentinels know all")

    def current(self) -> Child | None:
        """The master as the first sentinel has it."""
        with self.watch(self.sentinels[0]) as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next((one for one in self.data_servers if one.port == int(port)), None)

    @contextmanager
    def watch(self, sentinel: Child) -> Iterator[redis.Redis]:
        """A client of a sentinel."""
        with self.client(sentinel, username=None, password=self._password) as client:
            client.response_callbacks.clear()
            yield client

    def _ready(self, sentinel: Child) -> bool:
        try:
            with self.watch(sentinel) as client:
                master = _pairs(client.execute_command("SENTINEL", "MASTER", SERVICE))
                replicas = [_pairs(one) for one in client.execute_command("SENTINEL", "REPLICAS", SERVICE)]
        except redis.RedisError:
            return False
        following = [one for one in replicas if one["flags"] == "slave" and one["master-link-status"] == "ok"]
        return master["flags"] == "master" and master["num-other-sentinels"] == "2" and len(following) == 1

    def _addresses(self) -> dict[str, Any]:
        nodes = tuple(Node(host="127.0.0.1", port=one.port) for one in self.sentinels)
        known = {} if self._password is None else {"sentinel_password": SecretStr(self._password)}
        return {"sentinel_nodes": nodes, "service_name": SERVICE, **known}


def _pairs(flat: Any) -> dict[str, str]:
    if isinstance(flat, dict):
        return {str(key): str(value) for key, value in flat.items()}
    return dict(zip(flat[::2], flat[1::2], strict=True))
