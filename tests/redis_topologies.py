"""Redis as it is run where it matters: what Cluster (`tests.redis_cluster`), Sentinel (`tests.redis_sentinels`) and
one server by TLS with a private authority have in common. Real servers on 127.0.0.1.

Every server has a user `keeper` who may do everything: tests set up and look with it, replicas follow with it. What
the others may do, the user `default` included, is up to `acl`.
"""

import os
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final, TypeVar

import redis
import trustme
from pydantic import SecretStr

from askonce.config.settings import RedisSettings
from tests.redis_servers import RedisStack
from tests.servers import Child, Valkey

USER: Final = "askonce"
WORD: Final = "the-word-of-the-user"
# Of `acl`: all that the store needs, and nothing else, as docs/stores.md has it.
RIGHTS: Final = ("reset", "on", f">{WORD}", "~askonce:*", "-@all", "+mget", "+set", "+unlink", "+scan", "+getrange")
KEEPER: Final = "keeper"
KEEPERS_WORD: Final = "the-word-of-the-keeper"
SECURED: Final = ("--tls-replication", "yes")
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


def _ports() -> Iterator[int]:
    """One after the other, each process of a test run in a range of its own: none is handed out twice before its server
    has bound it.
    """
    first = 12_000 + 2_500 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8)
    begin = random.randrange(2_500)  # another test run may have begun elsewhere
    return cycle(first + (begin + step) % 2_500 for step in range(2_500))


_NUMBERS: Final = _ports()


def port() -> int:
    """A free one that no outgoing connection is given, as those of `free_port` are: so many servers start and stop and
    talk to each other here that one of theirs would be taken now and then.
    """
    while True:
        number = next(_NUMBERS)
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


class Servers:
    """Some servers that are one to their clients."""

    def __init__(self, folder: Path, tls: Authority | None, options: tuple[str, ...]) -> None:
        self._folder = folder
        self.tls = tls
        keeper = ("--user", KEEPER, "on", f">{KEEPERS_WORD}", "~*", "&*", "+@all")
        self._options = (*keeper, "--masteruser", KEEPER, "--masterauth", KEEPERS_WORD, *options)
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
        arguments: dict[str, Any] = {"username": KEEPER, "password": KEEPERS_WORD, "socket_timeout": 5, **more}
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


class Tls(Servers):
    """One Redis that takes nothing but TLS, with a certificate of a private authority."""

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(folder, Authority(folder), options)
        self.server = self._server("server")

    def start(self) -> None:
        self.server.start()

    def _addresses(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.server.port}


Running = TypeVar("Running", bound=Servers)


@contextmanager
def running(servers: Running, *rights: str) -> Iterator[Running]:
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
