"""`/team/…`: what several keys share. Shapes and words are LiteLLM's (version 1.109: `team_endpoints.py` of its proxy);
members are not built, a team is its keys.
"""

from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from askonce.core.errors import BusConflict, RequestError, bad_request
from askonce.frontend import respond
from askonce.frontend.access.records import TeamRecord, team_record
from askonce.frontend.admin.fields import OF_TEAMS, Said, read_fields, text, texts
from askonce.frontend.admin.issuing import Issuing
from askonce.frontend.admin.keys import read_object
from askonce.frontend.admin.reading import read_one
from askonce.frontend.admin.shown import shown_key, shown_team
from askonce.frontend.admin.writing import change, doing, looking, remove

_ID: Final = frozenset({"team_id"})


@dataclass(frozen=True, slots=True)
class Teams:
    """RequestErrors are as with keys."""

    issuing: Issuing

    async def new(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await read_object(request)
        said = read_fields(body, OF_TEAMS, _ID)
        team_id = text(body, "team_id") if body.get("team_id") else str(uuid4())
        now = self.issuing.clock()
        team = TeamRecord(team_id=team_id, created_at=now, updated_at=now, more=said.kept, **said.known)
        with doing():
            try:
                await self.issuing.bucket.put(team_record(team_id), team.encode(), revision=0)
            except BusConflict:
                told = f"Team id = {team_id} already exists. Please use a different team id."
                raise bad_request(told, "team_id") from None
        return respond.json_response(shown_team(team, await self.issuing.spent.of_team(team_id)))

    async def update(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is not in the body stays; null takes a setting away."""
        body = await read_object(request)
        team_id = text(body, "team_id")
        after = await self._change(team_id, read_fields(body, OF_TEAMS, _ID))
        shown = shown_team(after, await self.issuing.spent.of_team(team_id))
        return respond.json_response({"team_id": team_id, "data": shown})

    async def info(self, request: web.BaseRequest) -> web.StreamResponse:
        """Of `?team_id=`, with its keys."""
        team_id = request.query.get("team_id")
        if not team_id:
            raise bad_request("team_id must be given.", "team_id")
        with looking():
            found = await self.issuing.bucket.get(team_record(team_id))
            if found is None:
                raise _not_found(team_id)
            record = read_one(TeamRecord, team_record(team_id), found.value)
            keys = await self.issuing.in_team(team_id)
        spends = await self.issuing.spent.of_keys([one.token for one in keys])
        team = shown_team(record, await self.issuing.spent.of_team(team_id))
        shown = [{"token": one.token, **shown_key(one, spend)} for one, spend in zip(keys, spends, strict=True)]
        return respond.json_response({"team_id": team_id, "team_info": team, "keys": shown, "team_memberships": []})

    async def list(self, _request: web.BaseRequest) -> web.StreamResponse:
        """By age."""
        with looking():
            teams = sorted(await self.issuing.teams(), key=lambda one: (one.created_at, one.team_id))
        spends = await self.issuing.spent.of_teams([one.team_id for one in teams])
        return respond.json_response([shown_team(one, spend) for one, spend in zip(teams, spends, strict=True)])

    async def delete(self, request: web.BaseRequest) -> web.StreamResponse:
        """With their keys, which are refused as soon as the team has gone."""
        body = await read_object(request)
        team_ids = texts(body, "team_ids")
        if not team_ids:
            raise bad_request("team_ids must be a list of teams.", "team_ids")
        with doing():
            for team_id in team_ids:
                if await self.issuing.bucket.get(team_record(team_id)) is None:
                    raise _not_found(team_id)
            for team_id in team_ids:
                await remove(self.issuing.bucket, team_record(team_id), TeamRecord)
            gone = set(team_ids)
            await self.issuing.revoke([one.token for one in await self.issuing.everybody() if one.team_id in gone])
        return respond.json_response({"deleted_teams": list(team_ids)})

    async def block(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._blocked(request, blocked=True)

    async def unblock(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._blocked(request, blocked=False)

    async def _blocked(self, request: web.BaseRequest, *, blocked: bool) -> web.StreamResponse:
        team_id = text(await read_object(request), "team_id")
        after = await self._change(team_id, Said({"blocked": blocked}, {}))
        return respond.json_response(shown_team(after, await self.issuing.spent.of_team(team_id)))

    async def _change(self, team_id: str, said: Said) -> TeamRecord:
        def changed(before: TeamRecord) -> TeamRecord:
            known: dict[str, Any] = said.known
            return replace(before, **known, more={**before.more, **said.kept}, updated_at=self.issuing.clock())

        bucket = self.issuing.bucket
        with doing():
            _, after = await change(bucket, team_record(team_id), TeamRecord, changed, _not_found(team_id))
        return after


def _not_found(team_id: str) -> RequestError:
    said = f"Team not found, passed team_id={team_id[:256]}"
    return RequestError(404, said, "not_found_error", param="team_id", code="404")
