"""Keys made, changed and taken away through one frontend hold on the other."""

import asyncio
from pathlib import Path

import pytest

from askonce.frontend.access.records import hashed
from tests.e2e.solo import solo
from tests.e2e.stack import config, eventually
from tests.e2e.two_doors import CACHE, MASTER, Doors, bearer, doors, two_doors

__all__ = ["doors"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

VERBS = (
    *(("POST", f"/key/{verb}") for verb in ("generate", "update", "delete", "block", "unblock", "regenerate")),
    *(("POST", f"/team/{verb}") for verb in ("new", "update", "delete", "block", "unblock")),
    *(("GET", path) for path in ("/key/list", "/team/info", "/team/list")),
)


async def test_a_key_of_one_frontend_works_on_the_other_as_soon_as_it_is_told(doors: Doors) -> None:
    ways = ((doors.one, doors.two), (doors.two, doors.one))
    for turn in range(50):
        maker, other = ways[turn % 2]
        key = (await maker.made())["key"]
        assert await other.asks(key) == 200, turn
        assert await maker.asks(key) == 200, turn


async def test_what_a_new_key_is_told_like(doors: Doors) -> None:
    told = await doors.one.made(
        key_alias="told",
        models=["toy"],
        rpm_limit=7,
        max_budget=1.5,
        duration="30d",
        metadata={"who": "me"},
        tags=["a"],
    )
    assert told["key"].startswith("sk-")
    assert told["token"] == told["token_id"] == hashed(told["key"])
    assert told["key_name"] == f"sk-...{told['key'][-4:]}"
    assert (told["models"], told["rpm_limit"], told["max_budget"]) == (["toy"], 7, 1.5)
    assert (told["key_alias"], told["metadata"], told["tags"]) == ("told", {"who": "me"}, ["a"])
    assert (told["spend"], told["blocked"], told["tpm_limit"], told["team_id"]) == (0.0, False, None, None)
    assert told["expires"].endswith("Z")
    for named in (told["key"], told["token"]):
        seen = await doors.two.info(named)
        assert seen["key"] == told["token"]
        assert told["key"] not in str(seen)
        assert seen["info"] == {name: told[name] for name in told.keys() - {"key", "token", "token_id"}}


async def test_an_empty_body_makes_a_key_that_never_expires(doors: Doors) -> None:
    answer = await doors.one.post("/key/generate")
    assert (answer.status, answer.json["expires"], answer.json["models"]) == (200, None, [])


async def test_a_key_may_be_chosen_once(doors: Doors) -> None:
    chosen = "sk-chosen-by-somebody"
    assert (await doors.one.made(key=chosen))["key"] == chosen
    assert await doors.two.asks(chosen) == 200
    again = await doors.two.post("/key/generate", {"key": chosen})
    assert (again.status, again.error["param"]) == (400, "key")
    for wrong in (MASTER, "sk-short", "no-prefix-but-long-enough", 7, "sk-with a space in it"):
        answer = await doors.one.post("/key/generate", {"key": wrong})
        assert (answer.status, answer.error["param"]) == (400, "key")
        assert str(wrong) not in answer.error["message"] or wrong == 7


async def test_what_is_missing_is_said(doors: Doors) -> None:
    answer = await doors.one.get("/key/info")
    assert (answer.status, answer.error["message"]) == (404, "Give ?key=…: the master key has no record.")
    answer = await doors.one.post("/key/update", {"rpm_limit": 1})
    assert (answer.status, answer.error["message"]) == (400, "key is missing.")
    key = (await doors.one.made())["key"]
    answer = await doors.one.post(f"/key/{key}/regenerate")
    assert (answer.status, answer.error["message"]) == (404, 'Use POST /key/regenerate with {"key": …}.')
    answer = await doors.one.client.send("GET", "/key/info", headers={"Authorization": key})
    assert (answer.status, answer.error["message"]) == (401, 'Authorization must begin with "Bearer ".')


async def test_only_the_master_key_may(doors: Doors) -> None:
    key = (await doors.one.made())["key"]
    for method, path in VERBS:
        answer = await doors.two.client.send(method, path, headers=bearer(key))
        assert answer.status == 401, path
        assert "Only proxy admin can be used to generate, delete, update info" in answer.error["message"]
        assert (await doors.two.client.send(method, path)).status == 401


async def test_a_key_may_look_at_itself_and_at_no_other(doors: Doors) -> None:
    mine, other = await doors.one.made(user_id="me"), await doors.one.made()
    for params in ({}, {"key": mine["key"]}, {"key": mine["token"]}):
        answer = await doors.two.client.send("GET", "/key/info", headers=bearer(mine["key"]), params=params)
        assert (answer.status, answer.json["key"], answer.json["info"]["user_id"]) == (200, mine["token"], "me")
    for named in (other["key"], "sk-nobody-has-this-key"):
        answer = await doors.two.client.send("GET", "/key/info", headers=bearer(mine["key"]), params={"key": named})
        assert answer.status == 403
        assert named not in answer.body.decode()


async def test_a_deleted_key_is_refused_by_the_other_frontend(doors: Doors) -> None:
    key = (await doors.one.made(key_alias="to-go"))["key"]
    assert await doors.two.asks(key) == 200
    answer = await doors.one.post("/key/delete", {"keys": [key, "sk-nobody-has-this-key"]})
    assert (answer.status, answer.json) == (200, {"deleted_keys": [key]})
    assert await eventually(lambda: refused(doors, key))
    again = await doors.one.post("/key/delete", {"keys": [key]})
    assert (again.status, again.error["message"]) == (404, "No keys found")
    for path, body in (("update", {"rpm_limit": 1}), ("block", {}), ("unblock", {}), ("regenerate", {})):
        answer = await doors.two.post(f"/key/{path}", {"key": key, **body})
        assert (answer.status, answer.error["message"]) == (404, "Key not found."), path
    assert (await doors.two.get("/key/info")).status == 404
    await doors.one.made(key_alias="to-go")


async def refused(doors: Doors, key: str, status: int = 401) -> bool:
    return await doors.two.asks(key) == status


async def test_a_key_is_deleted_by_its_alias(doors: Doors) -> None:
    key = (await doors.one.made(key_alias="by-alias"))["key"]
    answer = await doors.two.post("/key/delete", {"key_aliases": ["by-alias", "of-nobody"]})
    assert answer.json == {"deleted_keys": ["by-alias"]}
    assert await eventually(lambda: refused(doors, key))


async def test_of_two_keys_that_want_an_alias_at_once_one_has_it(doors: Doors) -> None:
    for turn in range(5):
        body = {"key_alias": f"wanted-{turn}"}
        answers = await asyncio.gather(*(door.post("/key/generate", body) for door in (doors.one, doors.two) * 2))
        assert sorted(one.status for one in answers) == [200, 400, 400, 400]
        loser = next(one for one in answers if one.status == 400)
        assert loser.error["param"] == "key_alias"
        assert f"'wanted-{turn}' already exists. Unique key aliases" in loser.error["message"]


async def test_an_alias_can_be_changed_and_is_free_then(doors: Doors) -> None:
    key = (await doors.one.made(key_alias="before"))["key"]
    assert (await doors.one.post("/key/update", {"key": key, "key_alias": "after"})).json["key_alias"] == "after"
    await doors.two.made(key_alias="before")
    assert (await doors.two.post("/key/generate", {"key_alias": "after"})).status == 400
    assert (await doors.one.post("/key/update", {"key": key, "key_alias": "after"})).status == 200
    assert (await doors.one.post("/key/update", {"key": key, "key_alias": "before"})).status == 400
    assert (await doors.two.info(key))["info"]["key_alias"] == "after"
    assert (await doors.one.post("/key/update", {"key": key, "key_alias": None})).json["key_alias"] is None
    await doors.two.made(key_alias="after")


async def test_updates_at_once_all_land(doors: Doors) -> None:
    key = (await doors.one.made(models=["toy"], user_id="stays"))["key"]
    said = ({"rpm_limit": 5}, {"tpm_limit": 6}, {"max_budget": 7.0}, {"metadata": {"a": 1}}, {"blocked": True})
    for _ in range(5):
        answers = await asyncio.gather(
            *((doors.one, doors.two)[n % 2].post("/key/update", {"key": key, **one}) for n, one in enumerate(said))
        )
        assert [one.status for one in answers] == [200] * len(said)
        told = (await doors.one.info(key))["info"]
        assert {name: told[name] for one in said for name in one} == {k: v for one in said for k, v in one.items()}
        assert (told["models"], told["user_id"]) == (["toy"], "stays")
        cleared = await doors.two.post("/key/update", {"key": key, **dict.fromkeys(told.keys() & SETTINGS)})
        assert {cleared.json[name] for name in ("rpm_limit", "tpm_limit", "max_budget")} == {None}
        assert (cleared.json["metadata"], cleared.json["blocked"], cleared.json["user_id"]) == ({}, False, "stays")


SETTINGS = {"rpm_limit", "tpm_limit", "max_budget", "metadata", "blocked"}


async def test_no_update_brings_a_deleted_key_back(doors: Doors) -> None:
    for turn in range(10):
        key = (await doors.one.made())["key"]
        updates = [doors.two.post("/key/update", {"key": key, "rpm_limit": n}) for n in range(4)]
        renewed, gone, *answers = await asyncio.gather(
            doors.two.post("/key/regenerate", {"key": key}), doors.one.post("/key/delete", {"keys": [key]}), *updates
        )
        assert {one.status for one in answers} <= {200, 404}, turn
        assert {renewed.status, gone.status} <= {200, 404}
        asked = await doors.one.client.send("GET", "/key/info", headers=bearer(MASTER), params={"key": key})
        assert asked.status == 404, turn
        assert await eventually(lambda key=key: refused(doors, key))  # type: ignore[misc]


async def test_a_blocked_key_is_refused_until_it_is_not(doors: Doors) -> None:
    key = (await doors.one.made())["key"]
    assert await doors.two.asks(key) == 200
    assert (await doors.one.post("/key/block", {"key": key})).json["blocked"] is True
    assert await eventually(lambda: refused(doors, key))
    assert (await doors.one.post("/key/unblock", {"key": key})).json["blocked"] is False
    assert await eventually(lambda: refused(doors, key, 200))


async def test_a_regenerated_key_has_the_settings_and_the_old_one_is_refused(doors: Doors) -> None:
    old = await doors.one.made(key_alias="renewed", rpm_limit=9, metadata={"a": 1}, duration="1d")
    answer = await doors.one.post("/key/regenerate", {"key": old["key"], "tpm_limit": 3})
    new = answer.json
    assert await doors.two.asks(new["key"]) == 200
    assert await eventually(lambda: refused(doors, old["key"]))
    told = (await doors.two.info(new["key"]))["info"]
    same = ("key_alias", "rpm_limit", "metadata", "expires", "created_at")
    assert {name: told[name] for name in same} == {name: old[name] for name in same}
    assert (told["tpm_limit"], new["token"]) == (3, hashed(new["key"]))
    assert (await doors.two.post("/key/generate", {"key_alias": "renewed"})).status == 400
    assert (
        await doors.two.post("/key/regenerate", {"key": new["key"], "new_key": "sk-a-chosen-new-key"})
    ).status == 200
    assert await doors.one.asks("sk-a-chosen-new-key") == 200
    gone = await doors.one.post("/key/delete", {"key_aliases": ["renewed"]})
    assert gone.json == {"deleted_keys": ["renewed"]}


async def test_a_field_that_would_promise_what_is_not_held_is_refused_by_name(doors: Doors) -> None:
    for name, value in {
        "guardrails": ["pii"], "permissions": {"a": True}, "allowed_routes": ["/chat"], "budget_duration": "30d",
        "aliases": {"a": "b"}, "tpd_limit": 0, "key_type": "read_only", "what_is_this": 1, "spend": 3, "rpm_limit": -1,
        "models": "toy", "metadata": [], "duration": "soon", "team_id": 7, "blocked": "yes",
    }.items():  # fmt: skip
        answer = await doors.one.post("/key/generate", {name: value})
        assert (answer.status, answer.error["param"]) == (400, name), name
        assert name in answer.error["message"]
    nothing = {"guardrails": [], "permissions": {}, "aliases": {}, "config": {}, "key_type": "default", "spend": 0}
    assert (await doors.one.post("/key/generate", nothing)).status == 200


async def test_models_are_listed_for_a_key_as_far_as_it_may_ask_them(doors: Doors) -> None:
    key = (await doors.one.made(models=["toy"]))["key"]
    assert (await doors.two.get("/v1/model/info", key)).json == {"data": []}
    assert len((await doors.two.get("/v1/model/info")).json["data"]) == 1
    for path in ("/health", "/cache/ping"):
        assert (await doors.two.get(path, key)).status == 401, path


async def test_without_a_master_key_there_are_no_keys(doors: Doors, tmp_path: Path) -> None:
    async with solo(tmp_path, config("http://127.0.0.1:9", CACHE), doors.nats) as client:
        for method, path in (*VERBS, ("GET", "/key/info")):
            answer = await client.send(method, path)
            assert answer.status == 400, path
            assert "master key" in answer.error["message"]


async def test_while_nats_is_away_nothing_is_said_to_be_done(tmp_path: Path) -> None:
    async with two_doors(tmp_path) as doors:
        key = (await doors.one.made())["key"]
        doors.nats.stop()
        for path, body in (
            ("/key/generate", {}), ("/key/delete", {"keys": [key]}), ("/key/block", {"key": key}),
            ("/key/update", {"key": key, "rpm_limit": 1}), ("/key/regenerate", {"key": key}), ("/team/new", {}),
        ):  # fmt: skip
            answer = await doors.one.post(path, body)
            assert (answer.status, answer.error["type"]) == (503, "service_unavailable"), path
            assert answer.headers["retry-after"] == "1"
        assert (await doors.one.get("/key/list")).status == 503
        doors.nats.start()

        async def back() -> bool:
            return (await doors.one.get("/key/list")).status == 200

        assert await eventually(back)
        told = await doors.one.info(key)
        assert (told["info"]["blocked"], told["info"]["rpm_limit"]) == (False, None)
