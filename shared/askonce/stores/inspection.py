"""What operators are shown of a store's server: how it is reached, and what it tells of itself. Nothing secret."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Described:
    """How a server is reached, from the settings alone. `client` and `pool` are for people to read; a secret among the
    `arguments` is stars. `host` and `port` are None where it is not one server.
    """

    client: str
    pool: str
    arguments: dict[str, Any]
    host: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the server tells. `clients` is None where the user may not ask for them."""

    clients: list[dict[str, Any]] | None
    info: dict[str, Any]


class Inspector(Protocol):
    """Asks the server of a store about itself. Its verbs raise StoreUnavailable, also where the user may not ask."""

    @property
    def described(self) -> Described: ...

    async def version(self) -> str:
        """As the server writes it."""
        ...

    async def told(self) -> Told: ...

    async def close(self) -> None: ...
