"""What is said to who asks for a route that is not there."""

import pytest

from askonce.frontend.unbuilt import told

SECRET = "sk-of-somebody"


@pytest.mark.parametrize(
    "route",
    [
        *("POST /user/new", "GET /user/info", "POST /budget/new", "GET /spend/logs", "POST /customer/new"),
        *("POST /organization/new", "POST /team/member_add", "POST /model/new", "PATCH /model/m-1/update"),
        *("GET /v2/team/list", "POST /team/t-1/member/u-1/reset_spend", "GET /credentials", "GET /global/spend"),
    ],
)
def test_a_route_of_litellms_is_said_not_to_be_built(route: str) -> None:
    method, _, path = route.partition(" ")
    assert told(method, path) == f"{route} is LiteLLM's and is not built yet: see docs/litellm.md."


@pytest.mark.parametrize("key", [SECRET, "a" * 64, f"a/{SECRET}", "x" * 5000])
def test_a_key_in_an_address_is_not_repeated(key: str) -> None:
    assert told("POST", f"/key/{key}/regenerate") == 'Use POST /key/regenerate with {"key": …}.'
    reset = told("POST", f"/key/{key}/reset_spend")
    assert reset == "POST /key/{key}/reset_spend is LiteLLM's and is not built yet: see docs/litellm.md."


@pytest.mark.parametrize("path", ["/", "/nothing", "/key/genrate", "/users", "/team", "/model/new/er", "/spend"])
def test_what_is_nobodys_is_invalid(path: str) -> None:
    assert told("POST", path) == f"Invalid URL (POST {path})"
    assert SECRET not in told("GET", f"/nothing/{SECRET}/at")
