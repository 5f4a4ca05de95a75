"""Records of keys and teams that nobody can read, or with odd values: they are in nobody's way, and can be removed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from askonce.bus.nats import open_frontend_bus
from askonce.bus.protocols import Bucket
from askonce.config.settings import ProxySettings
from askonce.frontend.access.records import alias_record, hashed, key_record, team_record
from askonce.frontend.admin.issuing import Issuing
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.e2e.asking import Answer
from tests.e2e.two_doors import Door, two_doors

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "sk-an-odd-key-of-tests"
TOKEN = hashed(KEY)
DEEP: Any = 1
for _ in range(300):
    DEEP = {"a": DEEP}
UNREADABLE: dict[str, bytes] = {
    "bytes": b"\xff",
    "nothing": b"",
    "a list": b"[]",
    "an empty object": b"{}",
    "another key's": json.dumps({"token": "0" * 64}).encode(),
    "a wrong member": json.dumps({"token": TOKEN, "models": "all"}).encode(),
    "what is too deep": json.dumps({"token": TOKEN, "metadata": DEEP}).encode(),
}


@dataclass
class Scene:
    door: Door
    bucket: Bucket


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("odd")
    async with two_doors(folder) as doors:
        bus = await open_frontend_bus(
            doors.nats.url, store="local", settings=ProxySettings(), metrics=Metrics(), log=Log("test"), name="test"
        )
        yield Scene(doors.one, bus.keys)
        await bus.close()


def unreadable(answer: Answer) -> None:
    assert (answer.status, answer.error["type"]) == (422, "unreadable_record"), answer.body
    assert "Delete it" in answer.error["message"]


@pytest.mark.parametrize("what", UNREADABLE)
async def test_an_unreadable_key_hides_no_other_and_can_be_deleted(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    door = scene.door
    good = await door.made()
    await scene.bucket.put(key_record(TOKEN), UNREADABLE[what])
    for whole in ("true", "false"):
        listed = await door.get("/key/list", return_full_object=whole, size="100")
        assert listed.status == 200, listed.body
        assert good["token"] in listed.body.decode()
        assert TOKEN not in listed.body.decode()
    noted = [record.__dict__["fields"] for record in caplog.records if record.message == "record_unreadable"]
    assert [one["hash"] for one in noted] == [TOKEN[:8]] * 2
    unreadable(await door.get(f"/key/info?key={KEY}"))
    for path in ("update", "block", "unblock", "regenerate"):
        unreadable(await door.post(f"/key/{path}", {"key": KEY}))
    for path, body in (("block", {"key": good["key"]}), ("update", {"key": good["key"], "rpm_limit": 3})):
        assert (await door.post(f"/key/{path}", body)).status == 200
    gone = await door.post("/key/delete", {"keys": [KEY, good["key"]]})
    assert (gone.status, gone.json) == (200, {"deleted_keys": [KEY, good["key"]]})
    assert await scene.bucket.get(key_record(TOKEN)) is None


async def test_a_team_goes_with_its_keys_whatever_else_is_there(scene: Scene) -> None:
    door = scene.door
    await scene.bucket.put(key_record(TOKEN), b"garbage")
    await scene.bucket.put(team_record("odd"), b"garbage")
    await door.post("/team/new", {"team_id": "going"})
    key = (await door.made(team_id="going"))["key"]
    assert "going" in [one["team_id"] for one in (await door.get("/team/list")).json]
    assert [len((await door.get("/team/info", team_id="going")).json["keys"])] == [1]
    unreadable(await door.get("/team/info", team_id="odd"))
    unreadable(await door.post("/team/update", {"team_id": "odd"}))
    gone = await door.post("/team/delete", {"team_ids": ["going", "odd"]})
    assert (gone.status, gone.json) == (200, {"deleted_teams": ["going", "odd"]})
    assert (await door.get(f"/key/info?key={key}")).status == 404
    assert await scene.bucket.get(team_record("odd")) is None
    await scene.bucket.delete(key_record(TOKEN))


@pytest.mark.parametrize(("time", "shown"), [(1e308, "9999-12-31T23:59:59Z"), (-1e308, "0001-01-01T00:00:00Z")])
async def test_a_time_that_no_calendar_has_is_shown_as_the_last(scene: Scene, time: float, shown: str) -> None:
    await scene.bucket.put(key_record(TOKEN), json.dumps({"token": TOKEN, "expires": time}).encode())
    listed = await scene.door.get("/key/list", return_full_object="true", key_hash=TOKEN)
    assert listed.json["keys"][0]["expires"] == shown
    assert (await scene.door.info(KEY))["info"]["expires"] == shown
    assert (await scene.door.post("/key/update", {"key": KEY, "duration": "1d"})).json["expires"] < "9999"
    assert (await scene.door.post("/key/delete", {"keys": [KEY]})).status == 200


@pytest.mark.parametrize(
    "value", [b"x", b"[]", b'{"token": 3, "at": 1}', b'{"token": "a b", "at": 1e400}', b'{"at": "x"}']
)
async def test_an_alias_of_nobody_is_anybodys(scene: Scene, value: bytes) -> None:
    await scene.bucket.put(alias_record("odd"), value)
    assert (await scene.door.post("/key/delete", {"key_aliases": ["odd"]})).status == 404
    made = await scene.door.made(key_alias="odd")
    assert (await scene.door.post("/key/delete", {"key_aliases": ["odd"]})).json == {"deleted_keys": ["odd"]}
    assert (await scene.door.get(f"/key/info?key={made['key']}")).status == 404


async def test_what_could_not_be_shown_again_is_not_taken(scene: Scene) -> None:
    deep: Any = 1
    for _ in range(252):
        deep = {"a": deep}
    answer = await scene.door.post("/key/generate", {"metadata": deep})
    assert (answer.status, answer.error["param"]) == (400, "metadata")


async def test_a_bug_is_a_500_in_openais_shape_with_a_line_in_the_log(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_self: Issuing) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Issuing, "everybody", broken)
    answer = await scene.door.get("/key/list")
    assert (answer.status, answer.error["type"]) == (500, "server_error")
    noted = [record for record in caplog.records if record.message == "request_failed"]
    assert [record.__dict__["fields"] for record in noted] == [{"error": "ZeroDivisionError"}]
    assert noted[0].exc_info is not None
