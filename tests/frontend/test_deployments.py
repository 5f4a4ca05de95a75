"""Which deployment answers for a name, what the model is called there, and what it adds to the key."""

import tracemalloc
from itertools import permutations

import pytest
from pydantic import SecretStr

from askonce.config.policies import Alias
from askonce.config.settings import Deployment
from askonce.core.errors import RequestError
from askonce.frontend.deployments import Deployments
from tests.frontend.kit import deployment

PATH = "/chat/completions"


def model(deployments: Deployments, asked: str) -> str:
    return deployments.route(asked, PATH).next().model


def routed(*deployments: Deployment) -> Deployments:
    return Deployments(deployments)


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("gpt-4o", "exact"),
        ("openai/gpt-4o", "exact-with-prefix"),
        ("openai/gpt-5", "gpt-5"),
        ("openai/ft/x", "tuned/x"),
        ("openai/ft/x/y", "tuned/x/y"),
        ("openai/ft", "ft"),
        ("anything", "everything/anything"),
        ("open", "everything/open"),
        ("GPT-4o", "everything/GPT-4o"),
        ("gpt-4o ", "everything/gpt-4o "),
        ("", "everything/"),
    ],
)
def test_an_exact_name_comes_before_the_longest_prefix_and_that_before_the_star(asked: str, there: str) -> None:
    rows = [
        deployment("*", "everything/*"),
        deployment("openai/*", "*"),
        deployment("openai/ft/*", "tuned/*"),
        deployment("gpt-4o", "exact"),
        deployment("openai/gpt-4o", "exact-with-prefix"),
    ]
    assert model(routed(*rows), asked) == there
    assert model(routed(*reversed(rows)), asked) == there


@pytest.mark.parametrize(
    ("pattern", "name", "provider", "asked", "there"),
    [
        ("*", "*", "openai", "gpt-4o", "gpt-4o"),
        ("*", "*", "openai", "openai/gpt-4o", "gpt-4o"),
        ("*", "*", "openai", "openai/openai/x", "openai/x"),
        ("*", "*", "hosted_vllm", "openai/gpt-4o", "openai/gpt-4o"),
        ("*", "*", "hosted_vllm", "hosted_vllm/meta/Llama", "meta/Llama"),
        ("openai/*", "*", "openai", "openai/gpt-4o", "gpt-4o"),
        ("openai/*", "*", "openai", "openai/openai/gpt-oss", "openai/gpt-oss"),
        ("team/*", "org/*-v2", "openai", "team/a", "org/a-v2"),
        ("team/*", "fixed", "openai", "team/whatever", "fixed"),
        ("*", "fixed", "openai", "openai/whatever", "fixed"),
        ("team/*", "*", "openai", "team/*", "*"),
        ("team/*", "*", "openai", "team/team/x", "team/x"),
    ],
)
def test_what_the_star_stands_for_is_passed_on(pattern: str, name: str, provider: str, asked: str, there: str) -> None:
    assert model(routed(deployment(pattern, name, provider)), asked) == there


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("bedrock/us.anthropic.claude-3", "claudes/us.anthropic.--3"),
        ("bedrock/llama", "others/llama"),
        ("gpt-4o-mini", "mini/4o"),
        ("gpt-4o", "gpts/4o"),
        ("a::b::c", "a::b/c"),
        ("llama", "rest/llama"),
    ],
)
def test_stars_may_stand_anywhere_and_what_says_more_comes_first(asked: str, there: str) -> None:
    rows = [
        deployment("*", "rest/*"),
        deployment("*::*", "*/*"),
        deployment("gpt-*", "gpts/*"),
        deployment("gpt-*-mini", "mini/*"),
        deployment("bedrock/*", "others/*"),
        deployment("bedrock/*claude*", "claudes/*-*"),
    ]
    for order in (rows, rows[::-1]):
        assert model(routed(*order), asked) == there


def test_an_alias_is_another_name_under_a_key_of_its_own() -> None:
    rows = [deployment("gpt-4o", "there"), deployment("team/*", "t-*"), deployment("gone", unsupported="not built yet")]
    aliases = [
        Alias(name="fast", model="gpt-4o"),
        Alias(name="quiet", model="team/a", hidden=True),
        Alias(name="team/b", model="team/c"),
        Alias(name="lost", model="gone"),
    ]
    deployments = Deployments(rows, aliases)
    assert [model(deployments, name) for name in ("fast", "quiet", "team/b", "team/d")] == [
        "there",
        "t-a",
        "t-c",
        "t-d",
    ]
    assert deployments.route("fast", PATH).identity == deployments.route("gpt-4o", PATH).identity
    assert deployments.names == ["gpt-4o", "fast", "team/b"]
    with pytest.raises(RequestError, match="`lost` cannot be served: not built yet"):
        deployments.route("lost", PATH)


def test_an_alias_takes_the_place_of_the_model_that_has_its_name() -> None:
    deployments = Deployments(
        [deployment("gpt-4", "old"), deployment("gpt-4o", "new")], [Alias(name="gpt-4", model="gpt-4o")]
    )
    assert model(deployments, "gpt-4") == "new"
    assert deployments.names == ["gpt-4", "gpt-4o"]


def test_of_a_group_those_are_asked_that_have_the_route() -> None:
    rows = [deployment("m", "a"), deployment("m", "c", "anthropic"), deployment("m", "z", "azure", api_version="v1")]
    deployments = routed(*rows)
    asked = {
        path: {one.model for one in deployments.route("m", path).targets} for path in (PATH, "/messages", "/rerank")
    }
    assert asked == {PATH: {"a", "c", "z"}, "/messages": {"a", "c"}, "/rerank": {"a"}}
    with pytest.raises(RequestError, match="`m` cannot be served: provider anthropic serves /messages and /chat"):
        routed(rows[1]).route("m", "/embeddings")


def test_a_name_that_nothing_answers_to_is_404_in_openais_words() -> None:
    deployments = routed(deployment("gpt-4o"), deployment("team/*"))
    for asked in ("gpt-4", "team", "", "gpt-4o\n"):
        with pytest.raises(RequestError) as refused:
            deployments.route(asked, PATH)
        assert (refused.value.status, refused.value.param, refused.value.code) == (404, "model", "model_not_found")
    with pytest.raises(RequestError) as refused:
        deployments.route("x" * 100_000, PATH)
    assert len(refused.value.message) < 400


def test_a_name_that_is_no_text_is_the_clients_fault() -> None:
    """A form may be written in a charset that spells half of a surrogate pair."""
    for deployments in (routed(deployment("*", "*")), routed()):
        with pytest.raises(RequestError) as refused:
            deployments.route("gpt\ud800", PATH)
        assert (refused.value.status, refused.value.param) == (400, "model")
        refused.value.message.encode()


def test_only_unsupported_deployments_are_400_and_say_why() -> None:
    deployments = routed(deployment("claude", unsupported="provider anthropic is not built yet"))
    for _ in range(2):
        with pytest.raises(RequestError, match="not built yet") as refused:
            deployments.route("claude", PATH)
        assert (refused.value.status, refused.value.param) == (400, "model")
    assert deployments.names == []


def test_of_a_group_only_those_that_can_serve_are_asked() -> None:
    deployments = routed(
        deployment("m", "a"), deployment("m", "no", unsupported="api_base is missing"), deployment("m", "b")
    )
    assert [model(deployments, "m") for _ in range(4)] == ["a", "b", "a", "b"]
    assert (
        deployments.route("m", PATH).identity
        == routed(deployment("m", "b"), deployment("m", "a")).route("m", PATH).identity
    )


def test_the_members_of_a_group_take_turns_each_name_by_itself() -> None:
    deployments = routed(
        deployment("m", "a"), deployment("m", "b"), deployment("m", "c"), deployment("n", "d"), deployment("n", "e"),
        deployment("*", "x/*"), deployment("*", "y/*"),
    )  # fmt: skip
    assert [model(deployments, "m") for _ in range(2)] == ["a", "b"]
    assert [model(deployments, "n") for _ in range(3)] == ["d", "e", "d"]
    assert [model(deployments, "m") for _ in range(2)] == ["c", "a"]
    assert [model(deployments, "w") for _ in range(2)] == ["x/w", "y/w"]
    assert [model(deployments, "v") for _ in range(2)] == ["x/v", "y/v"]


def test_identity_does_not_depend_on_the_order_of_the_file() -> None:
    group = [
        deployment("m", "a", defaults={"temperature": 0, "top_p": 1}),
        deployment("m", "a", defaults={"temperature": 1}),
        deployment("m", "a", "hosted_vllm"),
        deployment("m", "b"),
    ]
    identities = [routed(*order).route("m", PATH).identity for order in permutations(group)]
    assert all(identity == identities[0] for identity in identities)
    assert len(identities[0]) == 4


def test_identity_names_whatever_decides_an_answer_and_neither_the_key_nor_transport() -> None:
    plain = deployment("m", "a", api_key="sk-1")
    more = {"timeout": 3.0, "stream_timeout": 3.0, "pattern": "*", "model_info": {"id": 1}, "key_is_token": True}
    same = plain.model_copy(update={"api_key": SecretStr("sk-2"), **more})
    assert routed(plain).route("m", PATH).identity == routed(same).route("m", PATH).identity
    others = [
        deployment("m", "b"),
        deployment("m", "a", "hosted_vllm"),
        deployment("m", "a", defaults={"temperature": 0}),
        deployment("m", "a", defaults={"temperature": 1}),
        deployment("m", "a", organization="org"),
        deployment("m", "a", extra_headers={"X-Version": "2"}),
        deployment("m", "a").model_copy(update={"api_base": "http://other"}),
        deployment("m", "a", "azure", api_version="2024-10-21"),
        deployment("m", "a", "azure", api_version="2024-02-01"),
        deployment("m", "a", "azure", api_version="v1"),
    ]
    identities = [routed(one).route("m", PATH).identity for one in (plain, *others)]
    assert all(identities.count(identity) == 1 for identity in identities)


def test_a_key_is_shared_only_where_every_member_has_one() -> None:
    own, none = deployment("m", "a", api_key="sk-1"), deployment("m", "b")
    broken = deployment("m", "c", unsupported="api_base is missing")
    assert routed(own).route("m", PATH).shared_key
    assert routed(own, broken).route("m", PATH).shared_key
    assert not routed(own, none).route("m", PATH).shared_key
    assert not routed(none).route("m", PATH).shared_key


def test_names_are_those_of_the_file_without_patterns() -> None:
    rows = [deployment("b"), deployment("openai/*", "*"), deployment("a"), deployment("b"), deployment("*", "*")]
    assert routed(*rows).names == ["b", "a"]
    assert routed().names == []


@pytest.mark.parametrize("long", [0, 4000])
def test_names_that_clients_make_up_take_bounded_memory(long: int) -> None:
    deployments = routed(deployment("*", "*"), deployment("gpt-4o", "exact"))
    for n in range(2000):
        deployments.route(f"{n}-" + "x" * long, PATH)
    tracemalloc.start()
    try:
        for n in range(3000):
            assert model(deployments, f"made-up-{n}-" + "x" * long) == f"made-up-{n}-" + "x" * long
        assert tracemalloc.get_traced_memory()[0] < 5 << 19
    finally:
        tracemalloc.stop()
    assert model(deployments, "gpt-4o") == "exact"
