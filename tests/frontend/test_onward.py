"""Where a request goes that is passed through, to the letter, and whose it is when it names no model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.core.errors import RequestError
from askonce.frontend.deployments import Deployments
from askonce.frontend.dialects import Way
from askonce.frontend.onward import onward_url
from askonce.frontend.paths import Aim
from askonce.frontend.relaying import default
from tests.frontend.kit import deployment

FILES, MESSAGES = Aim("/files"), Aim("/messages/batches", anthropic=True)


def url(there: str, query: str = "", asked: str | None = None, model: str = "m") -> str:
    return str(onward_url(Way(there, {}), query, asked, model))


@given(st.text("abc%2Fe-_~:@!$'()*+,;=/", max_size=30), st.text("abc%2Fe=&+?/.,", max_size=30))
def test_path_and_query_stay_to_the_letter(path: str, query: str) -> None:
    assert url(f"http://a/v1/{path}", query) == f"http://a/v1/{path}{query and '?'}{query}"


def test_the_models_name_in_the_query_is_the_one_there() -> None:
    assert url("http://a/f", "model=my%20gpt&x=my+gpt", "my gpt", "gpt&4") == "http://a/f?model=gpt%264&x=my+gpt"
    assert url("http://a/f", "model=my+gpt", "my gpt", "my gpt") == "http://a/f?model=my+gpt"
    assert url("http://a/f", "model=gpt", None, "other") == "http://a/f?model=gpt"
    assert url("http://a/f", "model=gpt", "else", "other") == "http://a/f?model=gpt"


def test_what_the_deployment_says_in_the_query_counts_before_the_client() -> None:
    assert url("http://a/f?api-version=ours&k=1", "k=2&x=3&api-version=theirs") == "http://a/f?api-version=ours&k=1&x=3"
    assert url("http://a/f?api-version=ours") == "http://a/f?api-version=ours"
    assert url("http://a/f", "api-version=theirs") == "http://a/f"


@pytest.mark.parametrize("name", ["..", ".", "..%2Fx", "a%2F..%5Cb"])
def test_no_name_of_a_model_leads_the_path_astray(name: str) -> None:
    with pytest.raises(RequestError):
        url(f"http://a/openai/deployments/{name}/images/edits")


def test_what_is_no_ascii_is_encoded() -> None:
    assert url("http://a/é/f%41", "q=ü&r=\udc80") == "http://a/%C3%A9/f%41?q=%C3%BC&r=%80"


def test_the_first_deployment_for_whatever_model_comes_before_the_others() -> None:
    first, wild, other = (
        deployment("gpt", "gpt", api_key="1"),
        deployment("openai/*", "*", api_key="2"),
        deployment("*", "*", api_key="3"),
    )
    assert default([first, wild, other], FILES) is wild
    assert default([first, other, wild], FILES) is other
    assert default([first], FILES) is first
    assert default([], FILES) is None


def test_what_cannot_be_served_is_no_default() -> None:
    unbuilt = deployment("*", "*", unsupported="not built")
    able = deployment("gpt")
    assert default([unbuilt, able], FILES) is able
    assert default([unbuilt], FILES) is None


def test_anthropics_routes_are_anthropics_and_no_others() -> None:
    wild, claude, second = (
        deployment("*", "*"),
        deployment("claude", "claude", "anthropic"),
        deployment("haiku", "haiku", "anthropic"),
    )
    assert default([wild, claude, second], MESSAGES) is claude
    assert default([claude, wild], FILES) is wild
    assert default([wild], MESSAGES) is None
    assert default([claude], FILES) is None


@pytest.mark.parametrize("path", ["/files", "/never/heard/of"])
def test_passing_through_leaves_few_routes_remembered(path: str) -> None:
    known = Deployments([deployment("gpt")])
    routes = {id(known.route("gpt", Aim(f"{path}/{number}").collection)) for number in range(2000)}
    assert len(routes) == 1
