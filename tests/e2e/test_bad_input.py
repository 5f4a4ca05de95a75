"""What clients get wrong, to a real frontend: OpenAI's error shape, the field's name, and nothing written down."""

import gzip
import zlib
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.e2e.asking import CALL_TYPES, COUNTED, PATHS, body, form, raw
from tests.e2e.doors import CHAT, FILE, FORM, LIMIT, MARKER, MASTER, MODEL, PART, Scene, doors, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with doors(tmp_path_factory.mktemp("bad-input")) as scene:
        yield scene


NEST = b"[" * 400 + b"]" * 400
DEEP = b'{"model":"toy","messages":[{"role":"user","content":' + NEST + b"}]}"
UNHEARD_DEEP = b'{"model":"toy","messages":[{"role":"user","content":"deep"}],"metadata":' + NEST + b"}"
VERY_DEEP = b'{"model":"toy","messages":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
NOT_A_REQUEST = {
    "empty": (b"", "body"),
    "not JSON": (b"model=toy&MARKER", "body"),
    "cut off": (b'{"model": "toy", "messages": [{"role": "user", "content": "MARKER', "body"),
    "two objects": (b"{}{}", "body"),
    "a list": (b'[{"model": "toy"}]', "body"),
    "a text": (b'"MARKER"', "body"),
    "null": (b"null", "body"),
    "not UTF-8": (b'{"model": "toy", "messages": "\xff\xfe"}', "body"),
    "UTF-16": ('{"model": "toy"}'.encode("utf-16"), "body"),
    "a lone surrogate": (b'{"model": "toy", "messages": [{"role": "user", "content": "\\ud800"}]}', "body"),
    "NaN": (b'{"model": "toy", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}', "body"),
    "Infinity": (b'{"model": "toy", "messages": [{"role": "user", "content": "a"}], "temperature": Infinity}', "body"),
    "nested very deeply": (VERY_DEEP, "body"),
    "no model": (b'{"messages": [{"role": "user", "content": "a"}]}', "model"),
    "an empty model": (b'{"model": "", "messages": [{"role": "user", "content": "a"}]}', "model"),
    "a number for a model": (b'{"model": 4, "messages": [{"role": "user", "content": "a"}]}', "model"),
    "no messages": (b'{"model": "toy"}', "messages"),
    "a text for messages": (b'{"model": "toy", "messages": "MARKER"}', "messages"),
    "a text for stream": (b'{"model": "toy", "messages": [{"role": "user"}], "stream": "yes"}', "stream"),
    "a list for its options": (b'{"model":"toy","messages":[{"role":"user"}],"stream_options":[]}', "stream_options"),
}


@pytest.mark.parametrize("case", NOT_A_REQUEST)
async def test_what_is_no_request_gets_400_that_names_the_field(scene: Scene, case: str) -> None:
    data, param = NOT_A_REQUEST[case]
    before = sum(scene.toy.calls.values())
    message = await refused(await scene.open.send("POST", CHAT, data=data), 400, param)
    assert MARKER not in message
    assert sum(scene.toy.calls.values()) == before


@pytest.mark.parametrize("data", [DEEP, UNHEARD_DEEP], ids=["in a message", "in metadata"])
async def test_what_is_nested_too_deeply_to_be_written_again_gets_400(scene: Scene, data: bytes) -> None:
    answer = await scene.open.send("POST", CHAT, data=data)
    assert answer.status == 400
    assert "deep" in answer.error["message"]


async def test_huge_numbers_pass_or_are_refused_and_never_break_anything(scene: Scene) -> None:
    for number in (b"1" * 400, b"1e400", b"-1e400", b"1e308", b"18446744073709551616", b"9007199254740993.0"):
        data = b'{"model":"toy","messages":[{"role":"user","content":"huge"}],"seed":' + number + b"}"
        answer = await scene.open.send("POST", CHAT, data=data)
        assert answer.status == 200 or answer.error["param"] == "body", (number, answer.body)


async def test_other_routes_name_their_own_fields(scene: Scene) -> None:
    for path, said, param in (
        ("/v1/completions", {"model": "toy"}, "prompt"),
        ("/v1/completions", {"model": "toy", "prompt": []}, "prompt"),
        ("/v1/embeddings", {"model": "toy"}, "input"),
        ("/v1/embeddings", {"model": "toy", "input": []}, "input"),
        ("/v1/embeddings", {"model": "toy", "input": ["a", None]}, "input"),
        ("/v1/embeddings", {"input": "a"}, "model"),
    ):
        await refused(await scene.open.send("POST", path, json=said), 400, param)


@pytest.mark.parametrize("call_type", CALL_TYPES)
async def test_an_unknown_model_is_404_and_one_of_a_provider_not_built_yet_400(scene: Scene, call_type: str) -> None:
    unknown = await scene.open.ask(call_type, "a", model="gpt-of-nobody")
    assert "gpt-of-nobody" in await refused(unknown, 404, "model")
    assert unknown.error["code"] == "model_not_found"
    unbuilt = await scene.open.ask(call_type, "a", model="claude")
    assert "provider bedrock is not built yet" in await refused(unbuilt, 400, "model")


async def test_a_body_over_the_limit_is_413_with_and_without_a_length(scene: Scene) -> None:
    large = orjson.dumps(body("completion", "x" * LIMIT))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(large), 4096):
            yield large[at : at + 4096]

    await refused(await scene.open.send("POST", CHAT, data=large), 413, "body")
    await refused(await scene.open.send("POST", CHAT, data=pieces()), 413, "body")
    await refused(await scene.open.ask("transcription", "x" * (LIMIT + 1)), 413, "body")
    await refused(await scene.open.ask("transcription", "small", prompt="x" * (LIMIT + 1)), 413, "body")
    await refused(await scene.open.send("POST", "/cache/delete", data=large), 413, "body")
    assert (await scene.open.chat("x" * (LIMIT - 200))).status == 200


async def test_many_small_fields_of_a_form_count_together(scene: Scene) -> None:
    many = {f"field{number}": "x" * 2048 for number in range(LIMIT // 2048 + 1)}
    await refused(await scene.open.ask("transcription", "small", **many), 413, "body")


async def test_a_compressed_body_is_read_and_its_limit_is_that_of_what_it_holds(scene: Scene) -> None:
    for text, coding, data in (
        ("by gzip", "gzip", gzip.compress(orjson.dumps(body("completion", "by gzip")))),
        ("by deflate", "deflate", zlib.compress(orjson.dumps(body("completion", "by deflate")))),
    ):
        answer = await scene.open.send("POST", CHAT, data=data, headers={"Content-Encoding": coding})
        assert answer.status == 200, answer.body
        assert (await scene.open.chat(text)).hit
    bomb = gzip.compress(orjson.dumps(body("completion", "x" * (200 * LIMIT))))
    assert len(bomb) < LIMIT
    answer = await scene.open.send("POST", CHAT, data=bomb, headers={"Content-Encoding": "gzip"})
    await refused(answer, 413, "body")


async def test_a_compressed_body_that_is_broken_is_400(scene: Scene) -> None:
    whole = gzip.compress(orjson.dumps(body("completion", "broken " * 100)))
    for data in (b"MARKER, not gzip", whole[:20] + b"\0" * 20 + whole[40:]):
        answer = await scene.open.send("POST", CHAT, data=data, headers={"Content-Encoding": "gzip"})
        assert answer.status == 400, answer.body
        assert answer.error["type"] == "invalid_request_error"


async def test_a_json_body_is_read_whatever_its_content_type_says(scene: Scene) -> None:
    data = orjson.dumps(body("completion", "typed"))
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "nonsense"):
        answer = await scene.open.send("POST", CHAT, data=data, headers={"Content-Type": content_type})
        assert answer.status == 200
    assert (await scene.open.chat("typed")).hit


async def test_a_transcription_without_a_file_or_a_form_is_400(scene: Scene) -> None:
    path = "/v1/audio/transcriptions"
    fields = aiohttp.FormData({"model": "toy", "language": "en"}, default_to_multipart=True)
    await refused(await scene.open.send("POST", path, data=fields), 400, "file")
    await refused(await scene.open.send("POST", path, json={"model": "toy"}), 400, "file")
    texts = aiohttp.FormData({"model": "toy", "file": "only text"}, default_to_multipart=True)
    await refused(await scene.open.send("POST", path, data=texts), 400, "file")
    no_model = aiohttp.FormData()
    no_model.add_field("file", b"sound", filename="a.wav")
    await refused(await scene.open.send("POST", path, data=no_model), 400, "model")


def odd(name: bytes, header: bytes, value: bytes) -> tuple[str, bytes]:
    """A form with one odd field."""
    return FORM, MODEL + PART % (name, b"", header, value) + FILE + b"--B--\r\n"


BROKEN_FORMS = {
    "no boundary": ("multipart/form-data", MODEL + FILE + b"--B--\r\n"),
    "another boundary": ("multipart/form-data; boundary=C", MODEL + FILE + b"--B--\r\n"),
    "not a form": (FORM, b"MARKER"),
    "empty": (FORM, b""),
    "an unknown charset": odd(b"prompt", b"Content-Type: text/plain; charset=klingon\r\n", b"Qapla"),
    "text that is not UTF-8": odd(b"prompt", b"", b"\xff\xfe"),
    "bytes for a text": odd(b"prompt", b"Content-Type: application/octet-stream\r\n", b"\xff\xfe"),
    "an unknown transfer encoding": odd(b"prompt", b"Content-Transfer-Encoding: pigeon\r\n", b"coo"),
    "a form in the form": odd(b"prompt", b"Content-Type: multipart/mixed; boundary=C\r\n", b"--C--"),
    "broken JSON for the controls": odd(b"cache", b"", b"{MARKER"),
    "a list for the controls": odd(b"cache", b"", b"[]"),
}


@pytest.mark.parametrize("case", BROKEN_FORMS)
async def test_a_broken_form_is_400(scene: Scene, case: str) -> None:
    content_type, data = BROKEN_FORMS[case]
    headers = {"Content-Type": content_type}
    answer = await scene.open.send("POST", "/v1/audio/transcriptions", data=data, headers=headers)
    assert answer.status == 400, answer.body
    assert answer.error["param"] in {"body", "file", "cache"}
    assert MARKER not in answer.error["message"]


async def test_a_form_field_may_come_with_a_content_type(scene: Scene) -> None:
    json_typed = PART % (b"prompt", b"", b"Content-Type: application/json\r\n", b"typed field")
    data = MODEL + json_typed + FILE + b"--B--\r\n"
    headers = {"Content-Type": FORM}
    answer = await scene.open.send("POST", "/v1/audio/transcriptions", data=data, headers=headers)
    assert answer.status == 200
    assert (await scene.open.send("POST", "/v1/audio/transcriptions", data=form("sound", prompt="typed field"))).hit


DISPOSITIONS = {
    "not closed": b'; filename="a.wav',
    "not UTF-8": b"; filename=\xff\xfe.wav",
    "not percent-encoded": b"; filename*=UTF-8''%ff%zz; MARKER",
    "escaped": b'; filename="a b;c\\".wav"',
}


@pytest.mark.parametrize("case", DISPOSITIONS)
async def test_an_odd_name_of_a_file_is_no_matter(scene: Scene, case: str) -> None:
    odd_file = PART % (b"file", DISPOSITIONS[case], b"Content-Type: audio/\xa0\r\n", b"sound")
    data = MODEL + odd_file + b"--B--\r\n"
    answer = await scene.open.send("POST", "/v1/audio/transcriptions", data=data, headers={"Content-Type": FORM})
    assert answer.status in {200, 400}, answer.body
    assert answer.status == 200 or answer.error["param"] in {"file", "body"}


async def test_without_the_master_key_everything_is_401_before_anything_is_read(scene: Scene) -> None:
    for headers in ({}, {"Authorization": "Bearer sk-MARKER-wrong"}, {"Authorization": MASTER}):
        for path in PATHS.values():
            answer = await scene.guarded.send("POST", f"/v1{path}", data=b"MARKER is no JSON", headers=headers)
            await refused(answer, 401)
            assert answer.error["type"] == "auth_error"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "MARKER" not in answer.error["message"]
        for method, path in (("GET", "/v1/models"), ("GET", "/cache/ping"), ("POST", "/cache/delete")):
            await refused(await scene.guarded.send(method, path, headers=headers), 401)
    given = {"Authorization": f"bearer {MASTER}"}
    assert (await scene.guarded.send("POST", CHAT, json=body("completion", "let in"), headers=given)).status == 200
    assert (await scene.guarded.send("GET", "/v1/models", headers=given)).status == 200


async def test_a_key_that_is_no_text_is_a_wrong_key(scene: Scene) -> None:
    data = orjson.dumps(body("completion", "by whom"))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n" % len(data)
    for credential, otherwise in (
        (b"\xff\xfe", b" 400 "),
        ("ключ".encode(), b" 200 "),
        (b"a b", b" 200 "),
        (b"", b" 200 "),
    ):
        for url, expected in ((scene.guarded.url, b" 401 "), (scene.open.url, otherwise)):
            received = await raw(url, head + b"Authorization: Bearer " + credential + b"\r\n\r\n" + data)
            assert expected in received.partition(b"\r\n")[0], received


async def test_headers_that_are_heard_must_be_text(scene: Scene) -> None:
    data = orjson.dumps(body("completion", "beta"))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOpenAI-Beta: \xff\xfe\r\n"
    received = await raw(scene.open.url, head + b"Content-Length: %d\r\n\r\n" % len(data) + data)
    assert b" 400 " in received.partition(b"\r\n")[0]
    assert b'"param":"OpenAI-Beta"' in received


async def test_health_and_metrics_need_no_key(scene: Scene) -> None:
    for path in ("/health/liveliness", "/health/liveness", "/health/readiness", "/metrics"):
        assert (await scene.guarded.send("GET", path)).status == 200


async def test_a_cache_deletion_wants_a_list_of_keys(scene: Scene) -> None:
    for said in (b"{}", b'{"keys": "a"}', b'{"keys": [1]}', b'{"keys": null}'):
        await refused(await scene.open.send("POST", "/cache/delete", data=said), 400, "keys")
    too_many = orjson.dumps({"keys": ["k"] * 1001})
    await refused(await scene.open.send("POST", "/cache/delete", data=too_many), 400, "keys")
    assert (await scene.open.send("POST", "/cache/delete", json={"keys": ["no key", "", "a:b"]})).status == 200


async def test_nothing_of_prompts_and_keys_is_written_down(scene: Scene) -> None:
    """The last test of this file: the others have put the marker everywhere."""
    given = {"Authorization": f"Bearer {MASTER}"}
    for text in ("MARKER in a prompt", "toy-error"):
        await scene.guarded.send("POST", CHAT, json=body("completion", text), headers=given)
        await scene.open.send("POST", CHAT, json=body("completion", text, user="MARKER"), headers={"X-A": "MARKER"})
    await scene.open.ask("transcription", "MARKER in a file", prompt="MARKER")
    await scene.open.ask("embedding", "MARKER", cache={"namespace": "MARKER"})
    for client in (scene.open, scene.guarded):
        assert MARKER.encode() not in (await client.send("GET", "/metrics")).body
        assert MARKER.encode() not in (await client.send("GET", "/health/readiness")).body
    for process in scene.processes:
        assert process.lines
        assert MARKER not in process.output
    assert all(path in COUNTED for path in scene.toy.calls)
