"""The s3 store when something is wrong: with the settings, with the credentials, with the bucket, with the server."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from pydantic import SecretStr

from askonce.core.entry import Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.protocols import Crowded
from askonce.stores.s3.objects import S3Reader
from tests.s3_server import BUCKET, WRITE_ONLY_KEY, Between, SeaweedFS, error, running
from tests.stores import s3_scene
from tests.stores.contract import Clock, Pair, make_entry, make_key, until_works
from tests.stores.s3_scene import OpenPair

open_pair = s3_scene.open_pair
HASTY = {"connect_timeout": 1.0, "read_timeout": 1.0, "retries": {"total_max_attempts": 1}}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[SeaweedFS]:
    folder = tmp_path_factory.mktemp("seaweedfs")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    with running(folder, certificate=(folder / "certificate.pem", folder / "key.pem")) as seaweedfs:
        yield seaweedfs


@pytest.fixture
def paused(server: SeaweedFS) -> Iterator[Callable[[], None]]:
    """Call it to pause the server; it goes on at the end in any case."""
    yield server.pause
    server.resume()


async def words(work: Any) -> str:
    """What it fails with, which tells no secret and drags no other error along."""
    with pytest.raises(StoreUnavailable) as raised:
        await work
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    for hidden in ("right-word", "the-key", "a-wrong", BUCKET):
        assert hidden not in str(raised.value)
    return str(raised.value)


async def all_words(pair: Pair) -> set[str]:
    entry = make_entry(pair.clock)
    reads = (pair.reader.ping(), pair.reader.get([entry.lookup]))
    writes = (pair.writer.ping(), pair.writer.put([entry]), pair.writer.delete([entry.key]))
    return set(await asyncio.gather(*map(words, (*reads, *writes))))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_access_key": SecretStr("a-wrong-word")}, "s3: it does not accept the access key, the secret or"),
        ({"access_key_id": SecretStr("a-wrong-key")}, "s3: it does not accept the access key, the secret or"),
        ({"session_token": SecretStr("a-wrong-token")}, "s3: it does not accept the access key, the secret or"),
        ({"bucket": "no-such-cache"}, "s3: the bucket does not exist: see s3_bucket_name"),
        ({"bucket": "no bucket's name"}, "s3: this is not the name of a bucket: see s3_bucket_name"),
        ({"endpoint_url": "http://no-such-host.invalid"}, "s3: cannot be reached"),
    ],
)
async def test_what_is_wrong_is_named_by_every_verb(
    server: SeaweedFS, open_pair: OpenPair, wrong: dict[str, Any], said: str
) -> None:
    (told,) = await all_words(open_pair(server.settings(config=HASTY, **wrong)))
    assert told.startswith(said)


SAID = {
    (301, "PermanentRedirect"): "s3: the bucket is in another region",
    (400, "AuthorizationHeaderMalformed"): "s3: the bucket is in another region",
    (400, "ExpiredToken"): "s3: the session token has expired",
    (400, "RequestTimeout"): "s3: what was sent did not arrive whole",
    (403, "RequestTimeTooSkewed"): "s3: the clock of this machine is wrong",
    (403, "AccountProblem"): "s3: the credentials may not do this",
    (429, "TooManyRequests"): "s3: it is asked too often",
    (503, "SlowDown"): "s3: it is asked too often",
    (500, "InternalError"): "s3: it failed (500",
    (404, "the-right-word"): "s3: it failed (404)",
    (400, "the-right-word"): "s3: it failed (400)",
}


async def test_what_a_server_says_of_itself_is_an_outage(server: SeaweedFS, open_pair: OpenPair) -> None:
    saying: list[tuple[int, str]] = []

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=saying[-1][0]) if request.method == "HEAD" else error(*saying[-1])

    async with Between(server, answer) as between:
        pair = open_pair(server.settings(endpoint_url=between.url, config=HASTY))
        for refusal, said in SAID.items():
            saying.append(refusal)
            for told in await all_words(pair):
                assert told.startswith(said)


async def test_a_gateway_that_redirects_is_asked_once(server: SeaweedFS, open_pair: OpenPair) -> None:
    async def to_tls(request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently("https://127.0.0.1:1" + request.path_qs)

    async with Between(server, to_tls) as between:
        pair = open_pair(server.settings(endpoint_url=between.url))
        assert "s3_endpoint_url" in await words(pair.reader.ping())
        assert len(between.asked) == 1


async def test_credentials_that_may_only_write_are_told_by_a_ping(server: SeaweedFS, open_pair: OpenPair) -> None:
    pair = open_pair(server.settings("denied", access_key_id=SecretStr(WRITE_ONLY_KEY)))
    entry = make_entry(pair.clock)
    assert "s3:GetObject" in await words(pair.reader.ping())
    assert "s3:GetObject" in await words(pair.writer.put([entry]))
    assert await pair.get(entry.key) == [None], "one object that is denied says nothing of the others"


async def test_credentials_may_turn_up_later(
    server: SeaweedFS, open_pair: OpenPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    pair = open_pair(server.settings("found", access_key_id=None, secret_access_key=None))
    assert await all_words(pair) == {"s3: no credentials were found: see s3_aws_access_key_id"}
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
        "[default]\naws_access_key_id = the-key\naws_secret_access_key = the-right-word\n"
    )
    await pair.reader.ping()
    await pair.writer.ping()
    await until_works(pair, make_entry(pair.clock))


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("trusted", ["authority", "nobody else's", None, False])
async def test_tls_with_an_authority_of_its_own(
    server: SeaweedFS, open_pair: OpenPair, authority: trustme.CA, tmp_path: Path, trusted: str | bool | None
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "nobody else's"))
    verify = str(tmp_path / trusted) if isinstance(trusted, str) else trusted
    pair = open_pair(server.settings("tls", endpoint_url=server.tls_url, verify=verify, config=HASTY))
    if trusted in {"authority", False}:
        await until_works(pair, make_entry(pair.clock))
    else:
        assert "certificate" in await words(pair.reader.ping())


async def test_a_plain_port_asked_by_tls_is_told(server: SeaweedFS, open_pair: OpenPair) -> None:
    pair = open_pair(server.settings(endpoint_url=server.url.replace("http:", "https:"), config=HASTY))
    assert "does not speak TLS" in await words(pair.reader.ping())


async def test_recovers_by_itself_when_the_server_comes_back(server: SeaweedFS, open_pair: OpenPair) -> None:
    pair = open_pair(server.settings("recovers", config=HASTY))
    entry = make_entry(pair.clock)
    await until_works(pair, entry)
    server.kill()
    try:
        assert await all_words(pair) == {"s3: cannot be reached"}
    finally:
        server.start()
    await until_works(pair, entry)


async def test_a_server_that_hangs_costs_each_call_its_time_and_the_loop_none(
    server: SeaweedFS, paused: Callable[[], None], open_pair: OpenPair
) -> None:
    pair = open_pair(server.settings("hangs", config=HASTY))
    entry = make_entry(pair.clock)
    await until_works(pair, entry)
    paused()
    asked = asyncio.gather(*(words(pair.reader.get([Lookup(make_key(n))])) for n in range(12)), all_words(pair))
    ticks = 0
    while not asked.done():
        await asyncio.sleep(0.001)
        ticks += 1
    *reads, every_verb = await asked
    assert {*reads, *every_verb} == {"s3: no answer in time"}
    assert ticks > 100, "the loop went on"
    server.resume()
    await until_works(pair, entry)


async def test_callers_that_give_up_leave_their_threads_to_others(
    server: SeaweedFS, paused: Callable[[], None], open_pair: OpenPair
) -> None:
    pair = open_pair(server.settings("given-up", config=HASTY))
    entry = make_entry(pair.clock)
    await until_works(pair, entry)
    paused()
    asked = [asyncio.create_task(pair.reader.get([Lookup(make_key(n))])) for n in range(272 + 10)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert {type(one.exception()) for one in done} == {Crowded}
    for one in asked:
        one.cancel()
    await asyncio.wait(asked)
    assert sum(isinstance(one.exception(), Crowded) for one in asked if not one.cancelled()) == 10
    late = asyncio.create_task(pair.reader.get([entry.lookup]))
    server.resume()
    (found,) = await late
    assert found is not None
    assert found.entry == entry


async def test_closing_leaves_no_asker_waiting(server: SeaweedFS, paused: Callable[[], None], clock: Clock) -> None:
    reader = S3Reader(server.settings(config={"read_timeout": 20}), clock)
    await reader.ping()
    paused()
    asked = [asyncio.create_task(reader.get([Lookup(make_key(n))])) for n in range(100)]
    await asyncio.sleep(0.02)
    async with asyncio.timeout(10):
        await reader.close()
    assert {type(error) for error in await asyncio.gather(*asked, return_exceptions=True)} == {StoreUnavailable}
    with pytest.raises(StoreUnavailable, match="closed"):
        await reader.get([Lookup(make_key("late"))])


async def test_a_write_is_tried_again_and_a_read_is_not(server: SeaweedFS, open_pair: OpenPair) -> None:
    busy = {"PUT": 1, "GET": 1}

    async def slow_down(request: web.Request) -> web.Response | None:
        busy[request.method] = busy.get(request.method, 0) - 1
        return error(503, "SlowDown") if busy[request.method] >= 0 else None

    async with Between(server, slow_down) as between:
        pair = open_pair(server.settings("busy", endpoint_url=between.url))
        entry = make_entry(pair.clock)
        await pair.writer.put([entry])
        with pytest.raises(StoreUnavailable, match="asked too often"):
            await pair.get(entry.key)
        assert await pair.get(entry.key) == [entry]
        assert [method for method, _ in between.asked] == ["HEAD", "PUT", "PUT", "GET", "GET"]


async def test_a_read_that_nobody_waits_for_frees_its_thread(server: SeaweedFS, open_pair: OpenPair) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse | None:
        if request.method != "GET" or "endless" not in request.path:
            return None
        answer = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
        await answer.prepare(request)
        try:
            while True:
                await answer.write(bytes(1 << 16))
                begun.set()
                await asyncio.sleep(0.001)
        finally:
            left.set()

    async with Between(server, endless) as between:
        pair = open_pair(server.settings(endpoint_url=between.url, config={"max_pool_connections": 1}))
        asked = asyncio.create_task(pair.get(make_key(1, "endless")))
        await begun.wait()
        asked.cancel()
        async with asyncio.timeout(20):
            await left.wait()
            assert await pair.get(make_key(2)) == [None], "the only thread is there again"
