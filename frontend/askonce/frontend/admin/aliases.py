"""Whose an alias of a key is: a record of its own, which only one can make. Knows no request."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson

from askonce.bus.protocols import Bucket, Record
from askonce.core.errors import BusConflict, BusUnavailable, RequestError, WireError, bad_request
from askonce.frontend.access.records import KeyRecord, alias_record, key_record

# What a process that died between alias and key has left is anybody's after this. Who claims one writes its key at
# once, and no wait for NATS is nearly as long.
_ABANDONED_SECONDS: Final = 60.0
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOBODYS: Final = ("", 0.0)


@dataclass(frozen=True, slots=True)
class Aliases:
    """All verbs raise BusUnavailable."""

    bucket: Bucket
    clock: Callable[[], float]

    async def claim(self, alias: str, token: str) -> None:
        """Raises RequestError (400) where another key has it."""
        record, value = alias_record(alias), orjson.dumps({"token": token, "at": self.clock()})
        try:
            await self.bucket.put(record, value, revision=0)
        except BusConflict:
            found = await self.bucket.get(record)
            if found is not None and not await self._free(alias, token, found):
                raise _taken(alias) from None
            try:
                await self.bucket.put(record, value, revision=0 if found is None else found.revision)
            except BusConflict:
                raise _taken(alias) from None

    async def hand_over(self, alias: str, before: str, after: str) -> None:
        """From one token to another, where it is still that one's."""
        found = await self.bucket.get(alias_record(alias))
        if found is not None and _owner(found)[0] == before:
            value = orjson.dumps({"token": after, "at": self.clock()})
            await self._if_unchanged(self.bucket.put(alias_record(alias), value, revision=found.revision))

    async def release(self, alias: str | None, token: str) -> None:
        """Where it is still this token's."""
        if alias is None:
            return
        found = await self.bucket.get(alias_record(alias))
        if found is not None and _owner(found)[0] == token:
            await self._if_unchanged(self.bucket.delete(alias_record(alias), revision=found.revision))

    async def let_go(self, alias: str | None, token: str) -> None:
        """`release` after what matters is done already: what is left behind is free in a minute anyway."""
        try:
            await self.release(alias, token)
        except BusUnavailable:
            return

    async def token(self, alias: str) -> str | None:
        """Whose it is."""
        found = await self.bucket.get(alias_record(alias))
        if found is None:
            return None
        token, _ = _owner(found)
        return token if token and await self._has(token, alias) else None

    async def _free(self, alias: str, token: str, found: Record) -> bool:
        owner, since = _owner(found)
        if owner == token:
            return True
        return not owner or (self.clock() - since > _ABANDONED_SECONDS and not await self._has(owner, alias))

    async def _has(self, token: str, alias: str) -> bool:
        key = await self.bucket.get(key_record(token))
        try:
            return key is not None and KeyRecord.decode(key.value).key_alias == alias
        except WireError:
            return False

    @staticmethod
    async def _if_unchanged(write: Awaitable[object]) -> None:
        try:
            await write
        except BusConflict:
            return  # it is somebody else's by now


def _owner(found: Record) -> tuple[str, float]:
    """Nobody's, since long ago, where it cannot be read."""
    try:
        said = orjson.loads(found.value)
        token, since = said["token"], said["at"]
        return (token, float(since)) if isinstance(token, str) and _HASH.fullmatch(token) else _NOBODYS
    except (ValueError, TypeError, KeyError, OverflowError):
        return _NOBODYS


def _taken(alias: str) -> RequestError:
    said = f"Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
    return bad_request(said, "key_alias")
