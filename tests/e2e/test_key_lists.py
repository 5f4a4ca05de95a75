"""Keys are listed by pages, as far as they are asked for."""

from typing import Any

import pytest

from tests.e2e.two_doors import Doors, doors

__all__ = ["doors"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def listed(doors: Doors, **params: Any) -> Any:
    answer = await doors.two.get("/key/list", **params)
    assert answer.status == 200, answer.body
    return answer.json


async def test_keys_are_listed_newest_first_by_pages(doors: Doors) -> None:
    made = [(await doors.one.made(user_id="pages", key_alias=f"page-{n}"))["token"] for n in range(5)]
    newest = made[::-1]
    for page, expected in ((1, newest[:2]), (2, newest[2:4]), (3, newest[4:]), (4, [])):
        told = await listed(doors, user_id="pages", size=2, page=page)
        assert told == {"keys": expected, "total_count": 5, "current_page": page, "total_pages": 3}
    oldest = await listed(doors, user_id="pages", sort_by="key_alias", sort_order="asc")
    assert oldest["keys"] == made
    assert (await listed(doors))["total_count"] >= 5


async def test_a_list_is_narrowed_by_what_keys_say(doors: Doors) -> None:
    await doors.one.post("/team/new", {"team_id": "narrow"})
    mine = await doors.one.made(user_id="narrow", team_id="narrow", key_alias="narrow", models=["toy"])
    await doors.one.made(user_id="wide")
    for name, value in (
        ("user_id", "narrow"),
        ("team_id", "narrow"),
        ("key_alias", "narrow"),
        ("key_hash", mine["token"]),
    ):
        assert (await listed(doors, **{name: value}))["keys"] == [mine["token"]], name
    assert (await listed(doors, user_id="narrow", key_alias="nobody")) == {
        "keys": [], "total_count": 0, "current_page": 1, "total_pages": 0,
    }  # fmt: skip


async def test_a_full_list_tells_of_each_what_info_tells(doors: Doors) -> None:
    mine = await doors.one.made(user_id="whole", max_budget=2.5)
    told = await listed(doors, user_id="whole", return_full_object="true")
    info = (await doors.one.info(mine["key"]))["info"]
    assert told["keys"] == [{"token": mine["token"], **info}]
    assert mine["key"] not in str(told)


async def test_a_parameter_that_is_wrong_or_not_known_is_named(doors: Doors) -> None:
    for name, value in (("size", "101"), ("page", "0"), ("sort_by", "spend"), ("organization_id", "acme")):
        answer = await doors.one.get("/key/list", **{name: value})
        assert (answer.status, answer.error["param"]) == (400, name)
