"""What is no cached route goes to a provider as it came, and its answer comes back: to which, and with what."""

import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.asking import raw
from tests.e2e.relays import BYPASS, MASTER, THEIRS, Scene, passed, refused, relays, send

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = {"Authorization": f"Bearer {THEIRS}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with relays(tmp_path_factory.mktemp("relays")) as scene:
        yield scene


# -- as it came --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_method_path_query_and_body_go_as_they_came(scene: Scene, method: str) -> None:
    for path in (
        "/v1/files",
        "/v1/files/f-1/content?variant=a%2Fb&x=1&x=2&empty=",
        "/v1/new%20things/%C3%A9%2F?q=%zz+a&&b",
        "/v1/x/",
        "/v1/chat/completions/c-1/messages",
        "/v1/responses/r-1",
    ):
        data = None if method == "GET" else b"\x00 some bytes"
        passed(await send(scene.open, method, path, data=data))
        last = scene.first.last
        assert (last.method, last.target, last.body) == (method, path, data or b"")


async def test_a_head_is_asked_as_a_head(scene: Scene) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * 1000, headers={"ETag": '"e"'})

    async with scene.first.doing(answer):
        received = await raw(scene.open.url, b"HEAD /v1/files/f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert scene.first.last.method == "HEAD"
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head
    assert b'Etag: "e"' in head
    assert rest == b""


async def test_bytes_of_json_go_as_they_came_unless_something_must_change(scene: Scene) -> None:
    written = b' {"b": 1.0,  "a": [1e5, null], "cache": "theirs", "\\u00e9": 12345678901234567890123} '
    for data in (written, b"not JSON", b"[1, 2]", b"", b"null", b"{}", b'{"model": 7}', b"[" * 2000):
        passed(await scene.open.send("POST", "/v1/batches", data=data, headers={"Content-Type": "application/json"}))
        assert scene.first.last.body == data
        assert scene.first.last.headers["Content-Type"] == "application/json"


async def test_our_own_controls_are_taken_out(scene: Scene) -> None:
    for cache in ({"no-cache": True}, {"ttl": 5, "namespace": "x"}, {}):
        passed(await scene.open.send("POST", "/v1/moderations", json={"input": "a", "cache": cache}))
        assert scene.first.last.json == {"input": "a"}
    said = {"Cache-Control": "no-store, only-if-cached"}
    answer = await scene.open.send("POST", "/v1/moderations", json={"input": "a"}, headers=said)
    assert "only-if-cached" in await refused(answer, 504)


async def test_json_larger_than_the_limit_is_413(scene: Scene) -> None:
    before = len(scene.first.seen)
    answer = await scene.open.send("POST", "/v1/moderations", json={"input": "a" * 70_000})
    await refused(answer, 413, "body")
    assert len(scene.first.seen) == before


async def test_a_packed_body_goes_on_unpacked(scene: Scene) -> None:
    for content_type in ("application/json", "application/octet-stream"):
        headers = {"Content-Encoding": "gzip", "Content-Type": content_type}
        passed(await scene.open.send("POST", "/v1/things", data=gzip.compress(b'{"a":1}'), headers=headers))
        assert scene.first.last.body == b'{"a":1}'
        assert "Content-Encoding" not in scene.first.last.headers


# -- headers -----------------------------------------------------------------------------------------------------

GO = {
    "Accept": "text/csv", "Range": "bytes=0-9", "If-None-Match": '"e"', "Idempotency-Key": "i", "OpenAI-Beta": "b",
    "anthropic-version": "v", "x-stainless-lang": "py", "User-Agent": "theirs/1", "X-Client-Request-Id": "r",
}  # fmt: skip
STAY = {
    "Cookie": "c=MARKER", "x-litellm-api-key": THEIRS, "api-key": THEIRS, "x-api-key": THEIRS, "x-litellm-tags": "t",
    "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "Referer": "http://a/b",
    "Sec-Fetch-Site": "none", "Sec-Ch-Ua": "x", "Via": "1.1 a", "Proxy-Authorization": "Basic MARKER", "TE": "trailers",
    "Connection": "keep-alive, X-Hop", "X-Hop": "1", "Cache-Control": "no-cache", "X-Real-IP": "10.0.0.1",
}  # fmt: skip
ACCOUNT = {"OpenAI-Organization": "org-theirs", "OpenAI-Project": "proj-theirs"}


async def test_headers_go_on_but_those_of_this_hop_and_of_the_client_itself(scene: Scene) -> None:
    passed(await scene.open.send("GET", "/v1/files", headers={**GO, **STAY, **ACCOUNT, "Accept-Encoding": "gzip"}))
    seen = scene.first.last.headers
    assert {name: seen.get(name) for name in GO} == GO
    assert {name for name in STAY if name in seen} <= {"Connection"}
    assert seen["Host"] == scene.first.base.removeprefix("http://").removesuffix("/v1")
    assert seen["Accept-Encoding"] == "identity"
    assert seen["Authorization"] == f"Bearer {THEIRS}", "from x-litellm-api-key"
    assert {name: seen.get(name) for name in ACCOUNT} == ACCOUNT


async def test_a_header_said_twice_goes_twice(scene: Scene) -> None:
    await scene.open.send("GET", "/v1/files", headers=[("X-Twice", "1"), ("X-Twice", "2")])
    assert scene.first.last.headers.getall("X-Twice") == ["1", "2"]


async def test_a_deployments_own_key_and_headers_go_and_nothing_of_the_clients_account(scene: Scene) -> None:
    headers = {**KEY, **ACCOUNT, "X-Extra": "theirs", "x-litellm-model": "dalle"}
    passed(await scene.listed.send("GET", "/v1/files", headers=headers))
    seen = scene.second.last.headers
    assert seen["Authorization"] == "Bearer sk-second"
    assert seen.getall("OpenAI-Organization") == ["org-ours"]
    assert seen.getall("X-Extra") == ["ours"]
    assert "OpenAI-Project" not in seen


async def test_with_a_master_key_it_is_needed_and_stays_here(scene: Scene) -> None:
    before = len(scene.first.seen)
    for wrong in ({}, KEY):
        await refused(await scene.gated.send("POST", "/v1/files", data=b"a", headers=wrong), 401)
    assert len(scene.first.seen) == before
    for shown in ("Authorization", "api-key", "x-api-key", "x-litellm-api-key"):
        value = f"Bearer {MASTER}" if shown == "Authorization" else MASTER
        passed(await scene.gated.send("GET", "/v1/files", headers={shown: value, **ACCOUNT}))
        seen = scene.first.last.headers
        assert not any(MASTER in value for value in seen.values())
        assert "Authorization" not in seen
        assert seen.getall("OpenAI-Organization") == ["org-ours"]
        assert "OpenAI-Project" not in seen


async def test_a_header_that_is_no_text_is_400(scene: Scene) -> None:
    data = b"GET /v1/files HTTP/1.1\r\nHost: a\r\nX-Odd: \xff\r\nConnection: close\r\n\r\n"
    assert (await raw(scene.open.url, data)).startswith(b"HTTP/1.1 400")


# -- what does not pass ------------------------------------------------------------------------------------------


async def test_what_is_nobodys_is_404_and_what_leads_astray_400(scene: Scene) -> None:
    before = len(scene.first.seen)
    for method, path, status in (
        *(("GET", "/", 404), ("POST", "/key/nothing", 404), ("GET", "/v2/files", 404), ("OPTIONS", "/v1/files", 404)),
        *(("TRACE", "/v1/files", 404), ("PROPFIND", "/v1/files", 404), ("POST", "/health/liveliness", 404)),
        *(("POST", "/key/generate", 400), ("GET", "/key/info", 400)),  # no master key, no keys
        *(("GET", "/v1/files/%2e%2e/%2e%2e/admin", 400), ("GET", "/v1/../admin", 400), ("GET", "/v1/a%5c..%5cb", 400)),
    ):
        answer = await send(scene.open, method, path)
        assert answer.cache == {"detail": "refused"}
        assert answer.status == status, path
        assert answer.error["type"] == "invalid_request_error"
    assert len(scene.first.seen) == before


async def test_a_websocket_is_refused_in_clear_words(scene: Scene) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await scene.open.session.ws_connect(f"{scene.open.url}/v1/realtime?model=gpt-realtime")
    assert refusal.value.status == 501
    received = await raw(
        scene.open.url,
        b"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
    )
    assert b"WebSocket connections, as of the realtime API, are not built" in received


# -- answers -----------------------------------------------------------------------------------------------------


async def test_an_answer_comes_back_with_its_status_and_headers(scene: Scene) -> None:
    for status in (200, 201, 206, 301, 400, 404, 409, 429, 500, 503):

        async def answer(_: web.BaseRequest, status: int = status) -> web.StreamResponse:
            headers = {
                "x-request-id": "r-1", "Retry-After": "7", "Location": "/elsewhere", "ETag": '"e"',
                "Content-Range": "bytes 0-3/9", "Set-Cookie": "c=1", "Age": "7", "Cache-Status": "theirs; hit",
                "Connection": "X-Hop", "X-Hop": "1", "Content-Type": "text/csv; charset=utf-8",
            }  # fmt: skip
            return web.Response(status=status, body=b"a,b\n", headers=headers)

        async with scene.first.doing(answer):
            got = await scene.open.send("GET", "/v1/files/f-1/content")
        assert (got.status, got.body, got.cache) == (status, b"a,b\n", BYPASS)
        assert all(name in got.headers for name in ("x-request-id", "Retry-After", "Location", "ETag", "Content-Range"))
        assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert got.headers["Content-Length"] == "4"
        assert not any(name in got.headers for name in ("Set-Cookie", "Age", "X-Hop"))


async def test_an_answer_without_a_body_has_none(scene: Scene) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=204)

    async with scene.first.doing(answer):
        got = await scene.open.send("DELETE", "/v1/files/f-1")
    assert (got.status, got.body, got.cache) == (204, b"", BYPASS)


async def test_a_provider_that_hangs_up_is_502(scene: Scene) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with scene.first.doing(answer):
        got = await scene.open.send("POST", "/v1/things", data=b"x")
    assert (got.status, got.cache, got.error["type"]) == (502, BYPASS, "upstream_error")
