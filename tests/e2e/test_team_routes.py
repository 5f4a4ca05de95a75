"""Teams: what holds for all of their keys, through whichever frontend it is said."""

import asyncio

import pytest

from tests.e2e.stack import eventually
from tests.e2e.two_doors import Doors, doors

__all__ = ["doors"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_team_is_made_looked_at_and_changed(doors: Doors) -> None:
    made = await doors.one.post(
        "/team/new", {"team_id": "acme", "team_alias": "Acme", "models": ["toy"], "rpm_limit": 9}
    )
    assert made.status == 200
    assert (made.json["team_id"], made.json["team_alias"], made.json["models"]) == ("acme", "Acme", ["toy"])
    key = await doors.two.made(team_id="acme")
    told = (await doors.two.get("/team/info", team_id="acme")).json
    assert (told["team_id"], told["team_info"], told["team_memberships"]) == ("acme", made.json, [])
    assert [one["token"] for one in told["keys"]] == [key["token"]]
    changed = (await doors.two.post("/team/update", {"team_id": "acme", "rpm_limit": None, "tpm_limit": 4})).json
    assert (changed["team_id"], changed["data"]["rpm_limit"], changed["data"]["tpm_limit"]) == ("acme", None, 4)
    assert changed["data"]["models"] == ["toy"]
    assert "acme" in [one["team_id"] for one in (await doors.one.get("/team/list")).json]
    again = await doors.one.post("/team/new", {"team_id": "acme"})
    assert (again.status, again.error["param"]) == (400, "team_id")


async def test_a_team_without_a_name_gets_one(doors: Doors) -> None:
    first, second = [(await doors.one.post("/team/new")).json["team_id"] for _ in range(2)]
    assert first != second


async def test_a_team_restricts_its_keys_on_the_other_frontend(doors: Doors) -> None:
    await doors.one.post("/team/new", {"team_id": "few", "models": ["toy"]})
    key = (await doors.one.made(team_id="few"))["key"]
    assert await doors.two.asks(key) == 200
    assert await doors.two.asks(key, model="another") == 403
    assert (await doors.one.post("/team/block", {"team_id": "few"})).json["blocked"] is True
    assert await eventually(lambda: answers(doors, key, 401))
    await doors.one.post("/team/unblock", {"team_id": "few"})
    assert await eventually(lambda: answers(doors, key, 200))


async def answers(doors: Doors, key: str, status: int) -> bool:
    return await doors.two.asks(key) == status


async def test_the_models_of_a_team_are_for_keys_that_have_one(doors: Doors) -> None:
    theirs = {"models": ["all-team-models"]}
    await doors.one.post("/team/new", {"team_id": "lent", "models": ["toy"]})
    key = (await doors.one.made(team_id="lent", key_alias="lent", **theirs))["key"]
    assert await doors.two.asks(key) == 200
    lone = (await doors.one.made(key_alias="lone"))["key"]
    for path, body in (
        ("/key/generate", {"key_alias": "none", **theirs}),
        ("/key/update", {"key": lone, "key_alias": "another", **theirs}),
        ("/key/update", {"key": key, "team_id": None}),
        ("/key/regenerate", {"key": lone, **theirs}),
    ):
        answer = await doors.one.post(path, body)
        assert (answer.status, answer.error["param"]) == (400, "models"), path
        assert "all-team-models needs a team_id" in answer.error["message"]
    assert (await doors.two.info(lone))["info"]["key_alias"] == "lone"
    await doors.two.made(key_alias="another")
    assert (await doors.one.post("/key/update", {"key": lone, "team_id": "lent", **theirs})).status == 200


async def test_one_unknown_team_stops_the_deletion_of_all(doors: Doors) -> None:
    """As in LiteLLM, where keys that are not there stop nothing."""
    await doors.one.post("/team/new", {"team_id": "stays"})
    answer = await doors.one.post("/team/delete", {"team_ids": ["stays", "nosuch"]})
    assert (answer.status, answer.error["message"]) == (404, "Team not found, passed team_id=nosuch")
    assert (await doors.two.get("/team/info", team_id="stays")).status == 200
    key = (await doors.one.made())["key"]
    answer = await doors.one.post("/key/delete", {"keys": [key, "sk-nosuch-at-all"]})
    assert (answer.status, answer.json) == (200, {"deleted_keys": [key]})


async def test_with_a_team_its_keys_go(doors: Doors) -> None:
    await doors.one.post("/team/new", {"team_id": "gone"})
    keys = [await doors.one.made(team_id="gone", key_alias=f"gone-{n}") for n in range(3)]
    assert await doors.two.asks(keys[0]["key"]) == 200
    answer = await doors.one.post("/team/delete", {"team_ids": ["gone"]})
    assert (answer.status, answer.json) == (200, {"deleted_teams": ["gone"]})
    for key in keys:
        assert await eventually(lambda key=key: answers(doors, key["key"], 401))  # type: ignore[misc]
    await doors.two.post("/team/new", {"team_id": "gone"})
    assert (await doors.two.get("/key/list", team_id="gone")).json["total_count"] == 0
    assert await doors.two.asks(keys[0]["key"]) == 401
    await doors.two.made(key_alias="gone-1")


async def test_a_key_made_while_its_team_goes_does_not_outlive_it(doors: Doors) -> None:
    for turn in range(5):
        team = f"going-{turn}"
        await doors.one.post("/team/new", {"team_id": team})
        making = [doors.two.post("/key/generate", {"team_id": team}) for _ in range(4)]
        gone, *made = await asyncio.gather(doors.one.post("/team/delete", {"team_ids": [team]}), *making)
        assert gone.status == 200
        assert {one.status for one in made} <= {200, 404}
        assert (await doors.one.get("/key/list", team_id=team)).json["total_count"] == 0


async def test_a_team_that_is_not_there_is_404(doors: Doors) -> None:
    one = {"team_id": "none"}
    for path, body in (("update", one), ("block", one), ("unblock", one), ("delete", {"team_ids": ["none"]})):
        answer = await doors.one.post(f"/team/{path}", body)
        assert (answer.status, answer.error["param"]) == (404, "team_id"), path
    assert (await doors.one.get("/team/info", team_id="none")).status == 404
    assert (await doors.one.get("/team/info")).status == 400
    for path, body in (
        ("generate", {"team_id": "none"}),
        ("update", {"key": (await doors.one.made())["key"], "team_id": "none"}),
    ):
        assert (await doors.one.post(f"/key/{path}", body)).status == 404, path


async def test_members_are_not_built_and_say_so(doors: Doors) -> None:
    for name, value in (("members_with_roles", [{"role": "admin", "user_id": "me"}]), ("budget_duration", "30d")):
        answer = await doors.one.post("/team/new", {name: value})
        assert (answer.status, answer.error["param"]) == (400, name)
