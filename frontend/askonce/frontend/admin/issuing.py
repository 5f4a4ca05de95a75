"""What is done to keys: made, changed, taken away, made anew. Each returns once the bucket has it, from where every
frontend knows it. Knows no request.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from askonce.bus.protocols import Bucket
from askonce.core.errors import BusConflict, BusUnavailable, RequestError, bad_request
from askonce.frontend.access.records import (
    KEYS,
    TEAMS,
    KeyRecord,
    TeamRecord,
    hashed,
    key_record,
    team_record,
)
from askonce.frontend.access.terms import TEAM_MODELS
from askonce.frontend.admin.aliases import Aliases
from askonce.frontend.admin.fields import Said
from askonce.frontend.admin.reading import read_all, read_one
from askonce.frontend.admin.shown import Spent
from askonce.frontend.admin.writing import change, remove
from askonce.telemetry.logs import Log

_BYTES: Final = 32  # of chance in a key
_SHORTEST: Final = 16  # characters of a key that somebody chose, as in LiteLLM


@dataclass(frozen=True, slots=True)
class Issuing:
    """`master` is the hash of the master key. All verbs raise BusUnavailable, what was to be done being done or not."""

    bucket: Bucket
    aliases: Aliases
    spent: Spent
    master: str | None
    clock: Callable[[], float]
    log: Log

    async def issue(self, said: Said, expires: float | None, chosen: Any) -> tuple[str, KeyRecord]:
        """A new key and its record. Raises RequestError (400) for a key or an alias that is taken, and 404 for a team
        that is not there.
        """
        key = self.secret(chosen, "key")
        now, token = self.clock(), hashed(key)
        record = KeyRecord(
            token=token,
            key_name=_name(key),
            expires=expires,
            created_at=now,
            updated_at=now,
            more=said.kept,
            **said.known,
        )
        _check_models(record)
        await self._check_team(record.team_id)
        if record.key_alias is not None:
            await self.aliases.claim(record.key_alias, token)
        try:
            await self.bucket.put(key_record(token), record.encode(), revision=0)
        except BusConflict:
            await self.aliases.let_go(record.key_alias, token)
            raise _taken("key") from None
        await self._check_still_there(record)
        return key, record

    async def change(self, token: str, said: Said, **more: Any) -> KeyRecord:
        """Raises RequestError: 404 for a key or a team that is not there, 400 for an alias that is taken."""
        await self._check_team(said.known.get("team_id"))
        alias = said.known.get("key_alias")
        if not said.known.keys().isdisjoint({"models", "team_id", "key_alias"}):
            _check_models(replace(await self.look(token), **said.known))
        if alias is not None:
            await self.aliases.claim(alias, token)

        def changed(before: KeyRecord) -> KeyRecord:
            kept = {**before.more, **said.kept}
            return replace(before, **said.known, **more, more=kept, updated_at=self.clock())

        try:
            before, after = await change(self.bucket, key_record(token), KeyRecord, changed, not_found())
        except RequestError as error:
            if error.status == 404:  # it was deleted meanwhile
                await self.aliases.let_go(alias, token)
            raise
        if before.key_alias != after.key_alias:
            await self.aliases.let_go(before.key_alias, token)
        return after

    async def revoke(self, tokens: Iterable[str]) -> list[str]:
        """Those that were there, and are no more."""
        gone = []
        for token in tokens:
            there, record = await remove(self.bucket, key_record(token), KeyRecord)
            if there:
                gone.append(token)
            if record is not None:
                await self.aliases.let_go(record.key_alias, token)
        return gone

    async def reissue(self, token: str, said: Said, more: dict[str, Any], chosen: Any) -> tuple[str, KeyRecord]:
        """Another key in place of this one, which is refused from then on: with its settings, but for what is said,
        and with what it has spent. Raises RequestError as `issue` and `change` do.
        """
        key = self.secret(chosen, "new_key")
        new, alias = hashed(key), said.known.get("key_alias")
        await self._check_team(said.known.get("team_id"))
        _check_models(replace(await self.look(token), **said.known))
        if new == token or await self.bucket.get(key_record(new)) is not None:
            raise _taken("new_key")
        if alias is not None:
            await self._claim_for(alias, token, new)

        def renewed(before: KeyRecord) -> KeyRecord:
            kept = {**before.more, **said.kept}
            known = {**said.known, **more, "token": new, "key_name": _name(key), "updated_at": self.clock()}
            return replace(before, **known, more=kept)

        try:
            before, after = await self._replace(token, new, renewed)
        except RequestError:
            await self.aliases.let_go(alias, new)
            raise
        if after.key_alias is not None:
            await self.aliases.hand_over(after.key_alias, token, new)
        if before.key_alias != after.key_alias:
            await self.aliases.let_go(before.key_alias, token)
        return key, after

    async def _replace(
        self, token: str, new: str, renewed: Callable[[KeyRecord], KeyRecord]
    ) -> tuple[KeyRecord, KeyRecord]:
        """Nobody knows the new key before this returns, so that it may be written first; what befalls the old one until
        it is blocked befalls the new one too.
        """
        before = await self.look(token)
        after = renewed(before)
        try:
            await self.bucket.put(key_record(new), after.encode(), revision=0)
        except BusConflict:
            raise _taken("new_key") from None
        try:
            await self._move_spend(before, new)
            before, _ = await change(self.bucket, key_record(token), KeyRecord, _shut, not_found())
        except RequestError:
            await remove(self.bucket, key_record(new), KeyRecord)
            raise
        after = renewed(before)
        await self.bucket.put(key_record(new), after.encode())
        await remove(self.bucket, key_record(token), KeyRecord)
        return before, after

    async def _move_spend(self, before: KeyRecord, new: str) -> None:
        try:
            await self.spent.move(before.token, new)
        except BusUnavailable:
            if before.max_budget is not None:
                raise  # it would have its budget once more

    async def _claim_for(self, alias: str, token: str, new: str) -> None:
        """Its own alias stays its own until the old key is gone."""
        if await self.aliases.token(alias) != token:
            await self.aliases.claim(alias, new)

    async def look(self, token: str) -> KeyRecord:
        """Raises RequestError: 404, or 422 for what cannot be read."""
        found = await self.bucket.get(key_record(token)) if _plain(token) else None
        if found is None:
            raise not_found()
        return read_one(KeyRecord, key_record(token), found.value)

    async def everybody(self) -> list[KeyRecord]:
        """Less what cannot be read."""
        return read_all(KeyRecord, await self.bucket.all(KEYS), self.log)

    async def teams(self) -> list[TeamRecord]:
        """As `everybody`."""
        return read_all(TeamRecord, await self.bucket.all(TEAMS), self.log)

    async def in_team(self, team_id: str) -> list[KeyRecord]:
        return [one for one in await self.everybody() if one.team_id == team_id]

    def secret(self, chosen: Any, field: str) -> str:
        """A key nobody had before, or the one that somebody chose. Raises RequestError (400), without it."""
        if chosen is None:
            return f"sk-{secrets.token_urlsafe(_BYTES)}"
        if not isinstance(chosen, str) or not chosen.startswith("sk-") or not chosen.isascii() or " " in chosen:
            raise bad_request(f"{field} must begin with sk- and be of ASCII characters without spaces.", field)
        if not chosen.isprintable() or len(chosen) > 512:
            raise bad_request(f"{field} must be printable, and of 512 characters at most.", field)
        if len(chosen) < _SHORTEST:
            raise bad_request(f"{field} must have at least {_SHORTEST} characters.", field)
        if hashed(chosen) == self.master:
            raise bad_request(f"{field} is the master key.", field)
        return chosen

    async def _check_team(self, team_id: str | None) -> None:
        if team_id is not None and await self.bucket.get(team_record(team_id)) is None:
            said = f"Team doesn't exist in db. Team={team_id}. Create team via `/team/new` call."
            raise RequestError(404, said, "not_found_error", param="team_id")

    async def _check_still_there(self, record: KeyRecord) -> None:
        """Who deletes a team looks for its keys after the team itself has gone: one of both sees the other."""
        try:
            await self._check_team(record.team_id)
        except RequestError:
            await self.revoke([record.token])
            raise


def token_of(key: str) -> str:
    """The hash of a key, or what is one already, as LiteLLM tells them apart."""
    return hashed(key) if key.startswith("sk-") else key.lower()


def not_found() -> RequestError:
    return RequestError(404, "Key not found.", "not_found_error", param="key", code="404")


def _check_models(key: KeyRecord) -> None:
    if TEAM_MODELS in key.models and key.team_id is None:
        raise bad_request(f"{TEAM_MODELS} needs a team_id: a key without a team could ask no model.", "models")


def _taken(field: str) -> RequestError:
    return bad_request("There is this key already.", field)


def _shut(key: KeyRecord) -> KeyRecord:
    return replace(key, blocked=True)


def _plain(token: str) -> bool:
    return token.isascii() and token.isalnum()


def _name(key: str) -> str:
    return f"sk-...{key[-4:]}"
