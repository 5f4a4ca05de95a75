"""A nats-server with the users and permissions of the one that `askonce up` runs."""

from pathlib import Path

from askonce.bus.server import server_config
from askonce.config.settings import ProxySettings
from tests.servers import NatsServer

SETTINGS = ProxySettings(queue_bytes=1 << 20)
WORDS = {role: f"{role}-0123456789abcdef" for role in ("frontend", "writer", "admin")}


class UpServer(NatsServer):
    """`as_role` is its address with the login of a role; `url` has none, and lets nobody in."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, port)
        text = server_config(
            settings=SETTINGS,
            store_dir=folder / "js",
            port=self.port,
            frontend_password=WORDS["frontend"],
            writer_password=WORDS["writer"],
            admin_password=WORDS["admin"],
        )
        (folder / "nats.conf").write_text(text)

    def as_role(self, role: str) -> str:
        return f"nats://{role}:{WORDS[role]}@127.0.0.1:{self.port}"
