"""Redis Cluster for tests: six nodes, which can be asked, joined, killed, and waited for."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import redis
from redis.crc import key_slot

from askonce.config.settings import Node
from tests.redis_topologies import KEEPER, KEEPERS_WORD, RIGHTS, SECURED, Authority, Servers, port, until
from tests.servers import Child

RIGHTS_IN_A_CLUSTER: Final = (*RIGHTS, "+cluster|slots", "+asking")
_SLOTS: Final = 16384


class Cluster(Servers):
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
        secured = () if self.tls is None else ("--tls-cluster", "yes", *SECURED)
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
            until(partial(self._follows, replica, master), "the replica knows its master")
        self.settle()

    def _follows(self, replica: Child, master: Child) -> bool:
        """Whether the replica could be told: a node that is still being met has another name."""
        try:
            self.ask(replica, "REPLICATE", self.ask(master, "MYID"))
        except redis.ResponseError:
            return False
        return True

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
            login = ("AUTH2", KEEPER, KEEPERS_WORD)
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
            for first, last, (_, its, *_), *_ in self._slots(node):
                if first <= slot <= last:
                    return next(one for one in self.children if one.port == its)
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
