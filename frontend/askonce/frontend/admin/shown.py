"""Keys and teams as they are shown: LiteLLM's members, times as ISO 8601, money in US dollars. A key itself is nowhere
in it: only whoever makes one is told it, once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from askonce.bus.protocols import Tally
from askonce.core.errors import BusUnavailable
from askonce.core.money import dollars
from askonce.frontend.access.records import KeyRecord, TeamRecord, key_record, team_record

_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def iso(time: float | None) -> str | None:
    """A time that calendars do not reach is their first or last second."""
    if time is None:
        return None
    return datetime.fromtimestamp(min(max(time, _FIRST), _LAST), UTC).isoformat().replace("+00:00", "Z")


def shown_key(key: KeyRecord, spend: float | None) -> dict[str, Any]:
    """`spend` of None: it cannot be told now."""
    return {
        **_granted(key, spend),
        "key_name": key.key_name,
        "key_alias": key.key_alias,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "allowed_cache_controls": list(key.allowed_cache_controls),
        "expires": iso(key.expires),
    }


def shown_team(team: TeamRecord, spend: float | None) -> dict[str, Any]:
    return {"team_id": team.team_id, "team_alias": team.team_alias, **_granted(team, spend)}


def _granted(one: KeyRecord | TeamRecord, spend: float | None) -> dict[str, Any]:
    return {
        **one.more,
        "models": list(one.models),
        "rpm_limit": one.rpm_limit,
        "tpm_limit": one.tpm_limit,
        "max_parallel_requests": one.max_parallel_requests,
        "model_rpm_limit": dict(one.model_rpm_limit),
        "model_tpm_limit": dict(one.model_tpm_limit),
        "max_budget": one.max_budget,
        "spend": spend,
        "blocked": one.blocked,
        "metadata": dict(one.metadata),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
    }


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent, under the names that a key's or a team's record has."""

    tally: Tally

    async def of_key(self, token: str) -> float | None:
        return await self._of(key_record(token))

    async def of_team(self, team_id: str) -> float | None:
        return await self._of(team_record(team_id))

    async def of_keys(self, tokens: Sequence[str]) -> list[float | None]:
        return list(await asyncio.gather(*map(self.of_key, tokens)))

    async def of_teams(self, teams: Sequence[str]) -> list[float | None]:
        return list(await asyncio.gather(*map(self.of_team, teams)))

    async def move(self, before: str, after: str) -> None:
        """From one key to the one that stands in for it. Raises BusUnavailable."""
        amount = await self.tally.total(key_record(before))
        if amount:
            await self.tally.add(key_record(after), amount, once=f"moved:{before}")

    async def _of(self, name: str) -> float | None:
        """None where it is not known: a queue may be too old to keep sums."""
        try:
            return dollars(await self.tally.total(name))
        except BusUnavailable:
            return None
