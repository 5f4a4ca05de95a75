"""Commands on keys, the same for one server as for a cluster. Knows redis-py and no entry."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

from redis import exceptions as errors
from redis.asyncio import Redis

from askonce.core.errors import StoreError, StoreRefused
from askonce.stores.redis.client import ours, translated

_UNLINKED_AT_ONCE: Final = 1000
_SCANNED_AT_ONCE: Final = 1000  # keys that a server walks past in one command, which takes it well under a millisecond
_SPECIAL: Final = re.compile(r"[\\*?\[\]^-]")  # in a pattern of SCAN

# Its name, its only key, and whatever else it takes; or a script with its keys, all of one slot.
Command = tuple[str | bytes | int, ...]


class Keys(Protocol):
    """What cannot be done with one key says nothing of the others: each answer is one of Redis or a StoreError."""

    async def values(self, keys: Sequence[str]) -> list[bytes | StoreError | None]:
        """One for each key, in order."""
        ...

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """One answer for each command, in order; StoreErrors among them. A command may be carried out twice."""
        ...

    async def unlink(self, keys: Sequence[str]) -> None:
        """Raises StoreUnavailable."""
        ...

    def beginning_with(self, start: str) -> AsyncIterator[list[str]]:
        """The names of values that begin so, part by part, some of them more than once. All that are there from the
        beginning to the end, unless keys move from server to server meanwhile. Raises StoreUnavailable.
        """
        ...

    async def ping(self, *, whole: bool) -> None:
        """Raises StoreUnavailable unless every key can be had, or unless any can. Also opens connections."""
        ...

    async def answers(self, key: str) -> bool:
        """Whether the server that has this key can be talked to now."""
        ...

    async def close(self) -> None: ...


def key_of(command: Command) -> str:
    """The key whose slot the command is for."""
    return str(command[3 if command[0] in {"EVALSHA", "EVAL"} else 1])


def raise_first(answers: Sequence[Any]) -> None:
    """Raises the first StoreError among the answers; a refusal only where nothing else is wrong, since a store that is
    away may refuse more when it is back.
    """
    found = [one for one in answers if isinstance(one, StoreError)]
    for error in sorted(found, key=lambda one: isinstance(one, StoreRefused)):
        raise error


def value(answer: Any) -> bytes | StoreError | None:
    """What stands under a key: something that is not text, a list say, is none of ours."""
    return answer if isinstance(answer, bytes | StoreError) else None


def scan(start: str, cursor: int) -> Command:
    """The next names that begin so. Values that are no text, lists say, are none of ours."""
    pattern = _SPECIAL.sub(r"\\\g<0>", start) + "*"
    return ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED_AT_ONCE, "TYPE", "string")


def scanned(answer: Any) -> tuple[int, list[str]]:
    """Where to go on (0 at the end), and names. Raises a StoreError that is the answer."""
    if isinstance(answer, StoreError):
        raise answer
    cursor, names = answer
    return int(cursor), [name.decode(errors="replace") for name in names]


class OneServer:
    """All keys with one server, or with the master that sentinels name."""

    def __init__(self, client: Redis, prefix: str) -> None:
        """`prefix` stands before the keys that pings read, as before all others."""
        self._client = client
        self._pinged = [f"{prefix}ping:{number}" for number in range(2)]

    async def values(self, keys: Sequence[str]) -> list[bytes | StoreError | None]:
        if not keys:
            return []
        try:
            return [value(one) for one in await self._client.mget(keys)]
        except (errors.RedisError, OSError) as error:
            return [ours(error)] * len(keys)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        answers = await sent(self._client, commands)
        return [ours(one) if isinstance(one, Exception) else one for one in answers]

    async def unlink(self, keys: Sequence[str]) -> None:
        with translated():
            for start in range(0, len(keys), _UNLINKED_AT_ONCE):
                await self._client.unlink(*keys[start : start + _UNLINKED_AT_ONCE])

    async def beginning_with(self, start: str) -> AsyncIterator[list[str]]:
        cursor = -1
        while cursor:
            (answer,) = await self.run([scan(start, max(0, cursor))])
            cursor, names = scanned(answer)
            yield names

    async def ping(self, *, whole: bool) -> None:  # noqa: ARG002 - one server has all or nothing
        """As reads do: a user may be let in and not to these keys, and a node of a cluster has not all of them."""
        with translated():
            await self._client.mget(self._pinged)

    async def answers(self, key: str) -> bool:
        return not isinstance((await self.values([key]))[0], StoreError)

    async def close(self) -> None:
        await self._client.aclose()


async def sent(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """An answer for each command, all sent in one go; redis-py's errors among them."""
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    try:
        return list(await pipeline.execute(raise_on_error=False))
    except (errors.RedisError, OSError) as error:
        return [error] * len(commands)
