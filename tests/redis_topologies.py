"""Redis as it is run where it matters: Cluster, Sentinel, TLS with a private authority. Real servers on 127.0.0.1.

Every server has a user `keeper` who may do everything: tests set up and look with it, replicas follow with it. What
the others may do, the user `default` included, is up to `acl`.
"""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import redis
import trustme
from pydantic import SecretStr
from redis.crc import key_slot

from askonce.config.settings import Node, RedisSettings
from tests.redis_servers import RedisStack
from tests.servers import Child, Valkey

SERVICE: Final = "answers"  # what sentinels call the master
USER: Final = "askonce"
WORD: Final = "the-word-of-the-user"
# Of `acl`: all that the store needs, and nothing else, as docs/stores.md has it.
RIGHTS: Final = ("reset", "on", f">{WORD}", "~askonce:*", "-@all", "+ping", "+mget", "+set", "+unlink")
RIGHTS_IN_A_CLUSTER: Final = (*RIGHTS, "+cluster|slots", "+asking")
_KEEPER: Final = "keeper"
_WORD: Final = "the-word-of-the-keeper"
_SLOTS: Final = 16384
_SECURED: Final = ("--tls-replication", "yes")
_PATIENCE: Final = 60.0


class Authority:
    """A private certificate authority and a certificate of 127.0.0.1, as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(self.ca)
        issued.private_key_pem.write_to_path(self.key)
        with self.certificate.open("wb") as file:
            file.writelines(part.bytes() for part in issued.cert_chain_pems)

    @property
    def arguments(self) -> dict[str, Any]:
        """What a client of redis-py needs beside `ssl`."""
        return {"ssl_ca_certs": str(self.ca)}

    def options(self, port: int) -> tuple[str, ...]:
        """Arguments of a server that takes nothing but TLS, and asks clients for no certificate."""
        files = ("--tls-ca-cert-file", self.ca, "--tls-cert-file", self.certificate, "--tls-key-file", self.key)
        return ("--port", "0", "--tls-port", str(port), *map(str, files), "--tls-auth-clients", "no")


def port() -> int:
    """A free one that no outgoing connection is given, as those of `free_port` are: so many servers start and stop and
    talk to each other here that one of theirs would be taken now and then.
    """
    while True:
        number = random.randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number


class TlsRedis(RedisStack):
    """Redis that takes nothing but TLS."""

    def __init__(self, folder: Path, port: int, authority: Authority, options: tuple[str, ...] = ()) -> None:
        super().__init__(folder, port, (*authority.options(port), *options))
        self._authority = authority

    def greeted(self, link: socket.socket) -> bool:
        context = ssl.create_default_context(cafile=self._authority.ca)
        with context.wrap_socket(link, server_hostname="127.0.0.1") as secured:
            return super().greeted(secured)


class _ValkeySentinel(Valkey):
    """A sentinel; its file, into which it writes what it learns, has to come first."""

    def command(self) -> list[str]:
        binary, *options = super().command()
        return [binary, str(self.folder / "sentinel.conf"), "--sentinel", *options]


class _TlsSentinel(TlsRedis):
    def command(self) -> list[str]:
        binary, *options = super().command()
        return [binary, str(self.folder / "sentinel.conf"), "--sentinel", *options]


class _Servers:
    """Some servers that are one to their clients."""

    def __init__(self, folder: Path, tls: Authority | None, options: tuple[str, ...]) -> None:
        self._folder = folder
        self.tls = tls
        keeper = ("--user", _KEEPER, "on", f">{_WORD}", "~*", "&*", "+@all")
        self._options = (*keeper, "--masteruser", _KEEPER, "--masterauth", _WORD, *options)
        self.children: list[Child] = []

    def _server(self, name: str, *options: str) -> Child:
        folder, options = self._folder / name, (*self._options, *options)
        server = Valkey(folder, port(), options) if self.tls is None else TlsRedis(folder, port(), self.tls, options)
        self.children.append(server)
        return server

    def running(self) -> list[Child]:
        return [one for one in self.children if one._process is not None and one._process.poll() is None]

    @property
    def data_servers(self) -> Sequence[Child]:
        return self.children

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        for child in self.children:
            child.kill()

    @contextmanager
    def client(self, server: Child, **more: Any) -> Iterator[redis.Redis]:
        """A client of one server alone: the keeper's, unless `more` says another `username` and `password`."""
        arguments: dict[str, Any] = {"username": _KEEPER, "password": _WORD, "socket_timeout": 5, **more}
        if self.tls is not None:
            arguments |= {"ssl": True, **self.tls.arguments}
        client = redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True, **arguments)
        try:
            yield client
        finally:
            client.close()

    def acl(self, user: str, *rules: str) -> None:
        """`ACL SETUSER` on every server that runs, such as `acl("default", "on", ">a-token", "~*", "+@all")`."""
        for server in self.data_servers:
            with suppress(redis.ConnectionError), self.client(server) as client:
                client.execute_command("ACL SETUSER", user, *rules)

    def flush(self) -> None:
        for server in self.data_servers:
            with suppress(redis.ReadOnlyError), self.client(server) as client:
                client.flushall()

    def settings(self, **more: Any) -> RedisSettings:
        """How clients reach them; `more` are fields of RedisSettings, such as `username`."""
        tls = {} if self.tls is None else {"ssl": True}
        arguments = {**({} if self.tls is None else self.tls.arguments), **more.pop("arguments", {})}
        secrets = {name: SecretStr(more.pop(name)) for name in ("password", "sentinel_password") if name in more}
        return RedisSettings(**{**self._addresses(), **tls, "arguments": arguments, **secrets, **more})

    def _addresses(self) -> dict[str, Any]:
        raise NotImplementedError


class Tls(_Servers):
    """One Redis that takes nothing but TLS, with a certificate of a private authority."""

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(folder, Authority(folder), options)
        self.server = self._server("server")

    def start(self) -> None:
        self.server.start()

    def _addresses(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.server.port}


class Cluster(_Servers):
    """Three masters, then three replicas, one for each: of Valkey, or with `tls` of Redis and nothing but TLS.

    A node that does not answer for a second is replaced by its replica. `options` are for every node, such as
    `("--cluster-require-full-coverage", "no")`.
    """

    def __init__(self, folder: Path, *, tls: Authority | None = None, options: tuple[str, ...] = ()) -> None:
        super().__init__(folder, tls, (*options, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000"))
        self.nodes = [self.add(f"node{number}") for number in range(6)]

    def add(self, name: str) -> Child:
        """One more node, not started and not joined."""
        bus = port()
        secured = () if self.tls is None else ("--tls-cluster", "yes", *_SECURED)
        node = self._server(name, "--cluster-port", str(bus), "--repl-diskless-sync-delay", "0", *secured)
        self._buses = {**getattr(self, "_buses", {}), node.port: bus}
        return node

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        share = _SLOTS // 3 + 1
        for number, node in enumerate(self.nodes[:3]):
            self.ask(node, "ADDSLOTSRANGE", number * share, min((number + 1) * share, _SLOTS) - 1)
        for node in self.nodes[1:]:
            self._meet(node)
        until(self._acquainted, "all know all")
        for master, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
            self.ask(replica, "REPLICATE", self.ask(master, "MYID"))
        self.settle()

    def ask(self, node: Child, *arguments: Any) -> Any:
        """`CLUSTER …` of one node."""
        with self.client(node) as client:
            return client.execute_command("CLUSTER", *arguments)

    def join(self, name: str) -> Child:
        """One more master, without slots; returns once all know it and it takes the cluster for well."""
        node = self.add(name)
        node.start()
        self._meet(node)
        until(self._acquainted, "all know all")
        until(lambda: self._well(node), "the new node is well")
        return node

    def migrate(self, source: Child, target: Child, key: str) -> None:
        with self.client(source) as client:
            login = ("AUTH2", _KEEPER, _WORD)
            client.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000, *login)

    def _meet(self, node: Child) -> None:
        self.ask(self.nodes[0], "MEET", "127.0.0.1", node.port, self._buses[node.port])

    def _acquainted(self) -> bool:
        ports = {node.port for node in self.running()}
        return all({port for port, _ in self._known(node)} == ports for node in self.running())

    def settle(self) -> None:
        """Returns once every node that runs takes the cluster for well and every replica follows."""
        until(lambda: all(self._well(node) for node in self.running()), "the cluster is well")

    def master(self, key: str) -> Child:
        """The node that has the key's slot now, as the others see it."""
        slot = key_slot(key.encode())
        for node in self.running():
            for first, last, (_, port, *_), *_ in self._slots(node):
                if first <= slot <= last:
                    return next(one for one in self.children if one.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def _slots(self, node: Child) -> list[Any]:
        with self.client(node) as client:
            client.response_callbacks.pop("CLUSTER SLOTS", None)
            return list(client.execute_command("CLUSTER", "SLOTS"))

    def _known(self, node: Child) -> list[tuple[int, str]]:
        """Port and flags of each node that this one knows."""
        with self.client(node) as client:
            client.response_callbacks.pop("CLUSTER NODES", None)
            lines = str(client.execute_command("CLUSTER", "NODES")).splitlines()
        fields = [line.split() for line in lines]
        return [(int(one[1].partition("@")[0].rpartition(":")[2]), one[2]) for one in fields]

    def _well(self, node: Child) -> bool:
        try:
            with self.client(node) as client:
                state = client.execute_command("CLUSTER", "INFO")
                replication = client.info("replication")
                held = client.role()
        except redis.RedisError:
            return False
        text = state if isinstance(state, str) else f"cluster_state:{state['cluster_state']}"
        following = replication.get("master_link_status", "up") == "up" and held[0] in {"master", "slave"}
        agreed = len(self._replicas()) >= min(3, len(self.running()) - 3)
        return "cluster_state:ok" in text and following and agreed

    def _replicas(self) -> set[int]:
        """Ports of the replicas that every node knows as such."""
        seen = [
            {port for port, flags in self._known(node) if {"slave", "fail", "fail?"} & {*flags.split(",")} == {"slave"}}
            for node in self.running()
        ]
        return set.intersection(*seen)

    def _addresses(self) -> dict[str, Any]:
        return {"cluster_nodes": tuple(Node(host="127.0.0.1", port=node.port) for node in self.nodes[:3])}


class Sentinels(_Servers):
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
        secured = () if tls is None else _SECURED
        self.master = self._server("master", *secured)
        self.replica = self._server("replica", "--replicaof", "127.0.0.1", str(self.master.port), *secured)
        self.sentinels = [self._sentinel(f"sentinel{number}") for number in range(3)]

    def _sentinel(self, name: str) -> Child:
        folder = self._folder / name
        folder.mkdir(parents=True)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 2",
            f"sentinel auth-user {SERVICE} {_KEEPER}",
            f"sentinel auth-pass {SERVICE} {_WORD}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if self._password is not None:
            lines += [f"requirepass {self._password}", f"sentinel sentinel-pass {self._password}"]
        (folder / "sentinel.conf").write_text("\n".join([*lines, ""]))
        if self.tls is None:
            server: Child = _ValkeySentinel(folder, port())
        else:
            server = _TlsSentinel(folder, port(), self.tls, _SECURED)
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


Servers = TypeVar("Servers", Cluster, Sentinels, Tls)


def _pairs(flat: Any) -> dict[str, str]:
    if isinstance(flat, dict):
        return {str(key): str(value) for key, value in flat.items()}
    return dict(zip(flat[::2], flat[1::2], strict=True))


@contextmanager
def running(servers: Servers, *rights: str) -> Iterator[Servers]:
    """Them started, with USER allowed these, until the end of the block."""
    try:
        servers.start()
        if rights:
            servers.acl(USER, *rights)
        yield servers
    finally:
        servers.kill()


def until(holds: Callable[[], bool], what: str) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not yet: {what}"
        time.sleep(0.02)
