"""Virtual keys over two whole frontends: who may have what is in the cache, and who is let in while NATS is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import aiohttp
import pytest
import pytest_asyncio

from askonce.bus.nats import open_frontend_bus
from askonce.bus.protocols import Bucket
from askonce.config.settings import ProxySettings
from askonce.frontend.access.records import KeyRecord, TeamRecord, hashed, key_record, team_record
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.toy.provider import Toy
from tests.e2e.stack import Parts, chat, config, eventually, parts, post, toy_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
MASTER = "sk-master-of-the-test"
SETTINGS = f"general_settings:\n  master_key: {MASTER}\n"
DISK = '  cache: true\n  cache_params:\n    type: disk\n    disk_cache_dir: "{}"\n'
NONE: Mapping[str, str] = {}
EMBEDDING = {"model": "toy", "input": ["one", "two"]}


@dataclass
class Scene:
    toy: Toy
    parts: Parts
    bucket: Bucket
    session: aiohttp.ClientSession

    @property
    def urls(self) -> list[str]:
        return self.parts.urls

    async def key(self, name: str, **more: object) -> str:
        """A key that is in the bucket, as `/key/generate` puts it there."""
        key = f"sk-of-{name}"
        record = replace(KeyRecord(token=hashed(key)), **more)  # type: ignore[arg-type]
        await self.bucket.put(key_record(record.token), record.encode())
        return key

    async def ask(self, key: str, body: object, frontend: int = 0, path: str = "/v1/chat/completions") -> int:
        status, _, _ = await self.asked(key, body, frontend, path)
        return status

    async def asked(
        self,
        key: str,
        body: object,
        frontend: int = 0,
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] = NONE,
    ) -> tuple[int, str, bytes]:
        shown = {"Authorization": f"Bearer {key}"} if key else {}
        return await post(self.session, self.urls[frontend] + path, body, **shown, **headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("access")
    async with toy_provider() as (toy, base), aiohttp.ClientSession() as session:
        text = config(base, DISK.format(folder / "cache"), SETTINGS)
        async with parts(folder, text, frontends=2, writers=1) as made:
            opened = await open_frontend_bus(
                made.nats.url, store="disk", settings=ProxySettings(), metrics=Metrics(), log=Log("test"), name="test"
            )
            yield Scene(toy, made, opened.keys, session)
            await opened.close()


async def test_who_may_not_ask_never_gets_what_is_in_the_cache(scene: Scene) -> None:
    asks = [
        ("/v1/chat/completions", chat("a secret")),
        ("/v1/chat/completions", chat("a secret", stream=True)),
        ("/v1/embeddings", EMBEDDING),
    ]
    good = await scene.key("good", models=("toy",))
    await scene.bucket.put(team_record("closed"), TeamRecord(team_id="closed", blocked=True).encode())
    refused = {
        "": 401,
        "sk-wrong": 401,
        await scene.key("expired", expires=1.0): 401,
        await scene.key("blocked", blocked=True): 401,
        await scene.key("closed-team", team_id="closed"): 401,
        await scene.key("no-team", team_id="gone"): 401,
        await scene.key("elsewhere", models=("gpt-4o", "o*")): 403,
    }
    for path, body in asks:
        for _ in range(2):
            assert await scene.ask(good, body, 0, path) == 200
        assert await eventually(lambda path=path, body=body: _hit(scene, good, body, path))  # type: ignore[misc]
        calls = scene.toy.calls.total()
        for key, status in refused.items():
            for frontend in (0, 1):
                got, told, answer = await scene.asked(key, body, frontend, path)
                assert (got, "hit" in told, b"secret" in answer) == (status, False, False), key
        assert scene.toy.calls.total() == calls


async def _hit(scene: Scene, key: str, body: object, path: str) -> bool:
    status, told, _ = await scene.asked(key, body, 1, path)
    return status == 200 and "hit" in told


async def test_what_is_passed_on_asks_for_permission_too(scene: Scene) -> None:
    elsewhere, anything = await scene.key("relayed-elsewhere", models=("gpt-4o",)), await scene.key("relayed-any")
    images = {"model": "toy", "prompt": "a cat"}
    for key in ("", "sk-wrong"):
        assert await scene.ask(key, images, 0, "/v1/images/generations") == 401
    for body, path in [
        (images, "/v1/images/generations"),
        ({"prompt": "no model"}, "/v1/images/generations"),
        ({"model": "gpt-4o", "prompt": "x"}, "/v1/images/generations?model=toy"),
        ({"input_file_id": "f-1"}, "/v1/batches"),
    ]:
        status, _, answer = await scene.asked(elsewhere, body, 0, path)
        assert status == 403, path
        assert b"key_model_access_denied" in answer
        assert await scene.ask(anything, body, 0, path) not in {401, 403}
    status, _, _ = await scene.asked(elsewhere, images | {"model": "gpt-4o"}, 0, "/v1/images/generations")
    assert status not in {401, 403}
    status, _, _ = await scene.asked(
        elsewhere, images, 0, "/v1/images/generations", headers={"x-litellm-model": "gpt-4o"}
    )
    assert status == 403, "the body names another"


async def test_a_revoked_key_is_refused_by_every_frontend_at_once(scene: Scene) -> None:
    key = await scene.key("revoked")
    for frontend in (0, 1):
        assert await scene.ask(key, chat("before"), frontend) == 200

    async def refused() -> bool:
        return [await scene.ask(key, chat("before"), frontend) for frontend in (0, 1)] == [401, 401]

    await scene.bucket.delete(key_record(hashed(key)))
    assert await eventually(refused)
    await scene.key("revoked")
    assert await eventually(lambda: _both_let_in(scene, key))
    await scene.key("revoked", blocked=True)
    assert await eventually(refused)


async def _both_let_in(scene: Scene, key: str) -> bool:
    return [await scene.ask(key, chat("before"), frontend) for frontend in (0, 1)] == [200, 200]


async def test_a_new_key_is_good_on_the_other_frontend_as_soon_as_it_is_written(scene: Scene) -> None:
    for number in range(20):
        key = await scene.key(f"new-{number}")
        assert await scene.ask(key, chat("new"), number % 2) == 200


async def test_what_a_key_says_of_the_cache_replaces_what_its_requests_say(scene: Scene) -> None:
    key = await scene.key("never-kept", metadata={"cache": {"no-store": True}})
    for _ in range(2):
        status, told, _ = await scene.asked(key, chat("not kept", cache={"no-store": False, "ttl": 60}))
        assert (status, "hit" in told, "stored" in told) == (200, False, False)
    status, told, _ = await scene.asked(key, chat("not kept"), headers={"Cache-Control": "only-if-cached"})
    assert status == 504
    always = await scene.key("always-kept", metadata={"cache": {}})
    for headers in (NONE, {"Cache-Control": "no-store, no-cache"}):
        status, told, _ = await scene.asked(
            always, chat("kept", cache={"no-cache": True, "no-store": True}), headers=headers
        )
    assert "hit" in told


async def test_what_a_key_may_not_say_of_the_cache_is_refused_in_litellms_words(scene: Scene) -> None:
    key = await scene.key("of-few-words", allowed_cache_controls=("ttl", "no-cache"))
    assert await scene.ask(key, chat("said", cache={"ttl": 60, "no-cache": True})) == 200
    said = b"Not allowed to set no-store as a cache control. Contact admin to change permissions."
    for body, header in ((chat("said", cache={"no-store": True}), ""), (chat("said"), "no-store")):
        status, _, answer = await scene.asked(key, body, headers={"Cache-Control": header} if header else NONE)
        assert status == 403
        assert said in answer


async def test_only_the_master_key_does_what_operators_do(scene: Scene) -> None:
    key = await scene.key("ordinary")
    async with scene.session.post(
        f"{scene.urls[0]}/cache/flushall", headers={"Authorization": f"Bearer {key}"}
    ) as answer:
        assert answer.status == 401
    assert b"sk-" not in "\n".join(one.output for one in scene.parts.frontends).encode()


async def test_without_nats_seen_keys_go_on_and_unseen_ones_are_told_to_wait(scene: Scene) -> None:
    seen, unseen = await scene.key("seen"), await scene.key("unseen")
    for frontend in (0, 1):
        assert await scene.ask(seen, chat("while away"), frontend) == 200
    scene.parts.nats.stop()
    try:
        for _ in range(3):
            await asyncio.sleep(0.7)
            for frontend in (0, 1):
                assert await scene.ask(seen, chat("while away"), frontend) == 200
                for key in (unseen, "sk-nobodys"):
                    status, _, answer = await scene.asked(key, chat("while away"), frontend)
                    assert status == 503
                    assert b"cannot look up keys" in answer
    finally:
        scene.parts.nats.start()
    assert await eventually(lambda: _both_let_in(scene, unseen))
    assert await eventually(lambda: _is(scene, "sk-nobodys", 401))


async def _is(scene: Scene, key: str, status: int) -> bool:
    return await scene.ask(key, chat("while away")) == status
