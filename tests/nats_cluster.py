"""Three real nats-servers that are one cluster: each holds a copy of a stream that asks for three."""

from pathlib import Path

from tests.servers import NatsServer, free_port


class NatsCluster:
    """`url` lists all of them, as `nats_url` takes it."""

    def __init__(self, folder: Path) -> None:
        routes = [free_port() for _ in range(3)]
        known = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        self.servers = {
            f"n{at}": NatsServer(
                folder / f"n{at}",
                config=f"server_name: n{at}\ncluster {{ name: c, listen: 127.0.0.1:{port}, routes: [{known}] }}",
            )
            for at, port in enumerate(routes)
        }

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers.values())

    def start(self) -> None:
        for server in self.servers.values():
            server.start()

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()
