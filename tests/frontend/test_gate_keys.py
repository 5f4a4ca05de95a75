"""Who is let in by a virtual key, beside the master key."""

import pytest
from multidict import CIMultiDict

from askonce.core.errors import RequestError
from askonce.frontend.access.caller import ADMIN
from askonce.frontend.auth import Gate
from tests.frontend import keybook
from tests.frontend.keybook import Desk

desk = keybook.desk
MASTER = "sk-master"


def shown(key: str, name: str = "Authorization") -> CIMultiDict[str]:
    return CIMultiDict({name: f"Bearer {key}" if name == "Authorization" else key})


async def test_a_virtual_key_is_let_in_by_every_header_that_a_key_may_stand_in(desk: Desk) -> None:
    gate, token = Gate(MASTER, None, book=desk.book), await desk.write("sk-a", user_id="somebody-long")
    for name in ("Authorization", "x-litellm-api-key", "api-key", "x-api-key"):
        caller = await gate.admit(shown("sk-a", name))
        assert (caller.name, caller.admin) == (token, False)
    assert desk.reads(token) == 1


async def test_the_master_key_is_never_looked_up(desk: Desk) -> None:
    gate = Gate(MASTER, None, book=desk.book)
    desk.bucket.within.disconnect()
    assert await gate.admit(shown(MASTER)) is ADMIN
    assert await gate.admin(shown(MASTER), "/key/generate") is ADMIN
    assert not desk.bucket.reads


async def test_a_key_that_is_none_is_wrong_and_nothing_of_it_is_told(desk: Desk) -> None:
    with pytest.raises(RequestError, match="is wrong") as refused:
        await Gate(MASTER, None, book=desk.book).admit(shown("sk-nobodys"))
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("user", "told"), [("somebody-long", "somebo*****ng"), ("ann", "***"), ("eightlet", "********"), (None, "*******")]
)
async def test_a_virtual_key_does_nothing_that_is_the_operators(desk: Desk, user: str | None, told: str) -> None:
    await desk.write("sk-a", user_id=user)
    with pytest.raises(RequestError) as refused:
        await Gate(MASTER, None, book=desk.book).admin(shown("sk-a"), "/key/generate")
    assert (refused.value.status, refused.value.type, refused.value.code) == (401, "auth_error", "401")
    assert refused.value.message == (
        "Authentication Error, Only proxy admin can be used to generate, delete, update info for new "
        f"keys/users/teams. Route=/key/generate. Your role=unknown. Your user_id={told}"
    )


async def test_a_virtual_keys_tenant_is_its_own_and_not_its_credentials(desk: Desk) -> None:
    gate = Gate(MASTER, "global", book=desk.book)
    for name, more in (("sk-a", {}), ("sk-b", {"metadata": {"cache_scope": "key"}})):
        await desk.write(name, **more)
        caller = await gate.admit(shown(name))
        assert gate.tenant(shown(name), caller, own_credential=False) == caller.tenant
        assert (caller.tenant == "") == (not more)
