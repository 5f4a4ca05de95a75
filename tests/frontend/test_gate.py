"""Who is let in, and who shares answers with whom."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from askonce.config.settings import Scope
from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN
from askonce.frontend.auth import Credential, Gate, credential

MASTER = "sk-master-é"


def headers(authorization: str | None) -> Mapping[str, str]:
    return CIMultiDict() if authorization is None else CIMultiDict({"authorization": authorization})


def as_read(raw: bytes) -> str:
    """The way that aiohttp reads a header."""
    return raw.decode(errors="surrogateescape")


@pytest.mark.parametrize("given_header", [None, "", "Bearer sk", "Basic x", as_read(b"Bearer \xff"), "\x00"])
async def test_without_a_master_key_everybody_is_let_in(given_header: str | None) -> None:
    gate = Gate(None, None)
    await gate.admit(headers(given_header))
    assert not gate.closed


@pytest.mark.parametrize("given_header", [MASTER, "Basic x", f"Token {MASTER}"])
async def test_an_authorization_that_is_no_bearer_is_told_how_it_must_begin(given_header: str) -> None:
    with pytest.raises(RequestError) as refused:
        await Gate(MASTER, None).admit(headers(given_header))
    assert (refused.value.status, refused.value.message) == (401, 'Authorization must begin with "Bearer ".')


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "odd", as_read(b"\xff")])
async def test_a_web_page_is_let_in_only_by_a_key(site: str) -> None:
    """Browsers say where a request comes from (the Fetch Metadata headers); other clients do not."""
    sent = CIMultiDict({"sec-fetch-site": site, "Authorization": f"Bearer {MASTER}"})
    with pytest.raises(RequestError) as refused:
        await Gate(None, None).admit(sent)
    assert refused.value.status == 403
    await Gate(MASTER, None).admit(sent)
    await Gate(None, None).admit(CIMultiDict({"Sec-Fetch-Site": "same-origin"}))
    await Gate(None, None).admit(CIMultiDict({"Sec-Fetch-Site": "none"}))


@pytest.mark.parametrize(
    ("host", "origin", "let_in"),
    [
        ("127.0.0.1:4000", None, True),
        ("127.0.0.1:4000", "http://127.0.0.1:4000", True),
        ("127.0.0.1:4000", "http://127.0.0.1:3000", False),
        ("127.0.0.1:4000", "null", False),
        ("localhost:8080", None, True),
        ("LOCALHOST.", None, True),
        ("[::1]:4000", None, True),
        ("[::1]", None, True),
        ("192.168.1.7", None, True),
        ("frontend:4000", None, True),
        ("host.docker.internal:4000", None, True),
        ("printer.local:4000", None, True),
        ("evil.example:4000", None, False),
        ("evil.example", "http://evil.example", False),
        ("127.0.0.1.evil.example:4000", None, False),
        ("localhost.evil.example", None, False),
    ],
)
async def test_a_name_that_anybody_could_own_may_be_a_lie_told_to_a_browser(
    host: str, origin: str | None, let_in: bool
) -> None:
    sent = CIMultiDict({"Host": host, "Sec-Fetch-Site": "same-origin"})
    if origin is not None:
        sent["Origin"] = origin
    if let_in:
        await Gate(None, None, local=True).admit(sent)
    else:
        with pytest.raises(RequestError) as refused:
            await Gate(None, None, local=True).admit(sent)
        assert refused.value.status == 403
    if let_in or origin is None:
        await Gate(None, None).admit(sent)
    await Gate(MASTER, None, local=True).admit(CIMultiDict({**sent, "Authorization": f"Bearer {MASTER}"}))


@pytest.mark.parametrize("right", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {}  "])
async def test_the_master_key_is_let_in(right: str) -> None:
    gate = Gate(MASTER, None)
    assert gate.closed
    await gate.admit(headers(right.format(MASTER)))


@pytest.mark.parametrize(
    "wrong",
    [
        "Bearer sk-master", f"Bearer {MASTER}x", f"Bearer {MASTER.upper()}", "Bearer sk-master-e\u0301",
        as_read(b"Bearer sk-master-\xe9"), as_read(b"Bearer \xff\xfe"), "Bearer \x00", "Bearer \U0001f511",
        f"Bearer {MASTER} {MASTER}", f"Bearer {MASTER},Bearer {MASTER}", "Bearer " + "x" * 8000,
    ],
)  # fmt: skip
async def test_a_wrong_key_is_refused_in_openais_words(wrong: str) -> None:
    with pytest.raises(RequestError) as refused:
        await Gate(MASTER, None).admit(headers(wrong))
    assert (refused.value.status, refused.value.type, refused.value.code) == (401, "auth_error", "invalid_api_key")
    assert wrong.removeprefix("Bearer ") not in refused.value.message


@pytest.mark.parametrize(
    "missing",
    [None, "", "Bearer", "Bearer ", "Bearer    ", MASTER, f"Basic {MASTER}", f" Bearer {MASTER}", f"Bearer{MASTER}",
     f"Bearer\t{MASTER}", f"Bearer: {MASTER}", "\x00", as_read(b"\xff \xff"), "ßearer x"],
)  # fmt: skip
async def test_no_key_is_refused_and_told_how_to_send_one(missing: str | None) -> None:
    with pytest.raises(RequestError, match=r"Authorization(: Bearer KEY| must begin with .Bearer )") as refused:
        await Gate(MASTER, None).admit(headers(missing))
    assert MASTER not in refused.value.message
    assert (refused.value.status, refused.value.code) == (401, None)


@given(st.binary(max_size=40), st.sampled_from([b"", b"Bearer ", b"bearer  ", b"Basic "]))
async def test_no_header_raises_anything_else(raw: bytes, before: bytes) -> None:
    sent = headers(as_read(before + raw))
    for gate in (Gate(MASTER, None), Gate("", "key"), Gate(None, "key")):
        try:
            await gate.admit(sent)
        except RequestError as refused:
            assert refused.status == 401
        else:
            assert not gate.closed
        assert len(gate.tenant(sent, ADMIN, own_credential=True)) == 64


async def test_a_key_that_is_no_utf8_can_be_a_master_key() -> None:
    await Gate(as_read(b"k\xff"), None).admit(headers(as_read(b"Bearer k\xff")))


SCOPES: list[tuple[Scope | None, bool, bool]] = [
    # scope, the client's own credential goes upstream, shared by everybody
    (None, False, True),
    (None, True, False),
    ("global", False, True),
    ("global", True, True),
    ("key", False, False),
    ("key", True, False),
    ("team", False, False),
    ("team", True, False),
]


@pytest.mark.parametrize("master", [None, "sk-master"])
@pytest.mark.parametrize(("scope", "own", "shared"), SCOPES)
async def test_who_shares_answers(master: str | None, scope: Scope | None, own: bool, shared: bool) -> None:
    gate = Gate(master, scope)
    a, b, nobody = (
        gate.tenant(headers(sent), ADMIN, own_credential=own) for sent in ("Bearer sk-a", "Bearer sk-b", None)
    )
    if shared:
        assert a == b == nobody == ""
    else:
        assert len({a, b, nobody}) == 3
        assert all(len(tenant) == 64 for tenant in (a, b, nobody))
        assert "sk-a" not in a
        assert a == gate.tenant(headers("bearer  sk-a "), ADMIN, own_credential=own), "the same credential"


async def test_a_tenant_is_the_same_on_every_frontend() -> None:
    one, other = (Gate(None, None).tenant(headers("Bearer sk-a"), ADMIN, own_credential=True) for _ in range(2))
    assert one == other


async def test_a_credential_may_stand_in_the_headers_of_several_apis() -> None:
    assert credential(headers("Bearer sk-a")) == Credential("sk-a", bearer=True)
    assert credential(headers("Basic sk-a")) is None
    assert credential(headers(None)) is None
    for name in ("x-litellm-api-key", "api-key", "x-api-key", "X-API-Key"):
        assert credential(CIMultiDict({name: " sk-a "})) == Credential("sk-a", bearer=False), name
        assert credential(CIMultiDict({name: " "})) is None
    assert credential(CIMultiDict({"x-litellm-api-key": "Bearer sk-a"})) == Credential("sk-a", bearer=False)


async def test_of_several_credentials_the_first_in_litellms_order_counts() -> None:
    order = ["x-litellm-api-key", "Authorization", "api-key", "x-api-key"]
    for at, name in enumerate(order):
        sent = CIMultiDict({other: f"Bearer {other}" if other == "Authorization" else other for other in order[at:]})
        given = credential(sent)
        assert given is not None
        assert given.value == name
        await Gate(name, None).admit(sent)
