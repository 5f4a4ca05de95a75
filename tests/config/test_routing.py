"""Which deployment of a group is asked, and who is asked in its place."""

import pytest
import yaml

from askonce.config.policies import RoutingSettings
from askonce.core.errors import ConfigError

MODELS = ("a", "b", "c", "gpt-*")
NOBODY = '"z" is not in model_list'


def text(router=None, litellm=None, models=MODELS):
    entries = [{"model_name": name, "litellm_params": {"model": f"openai/{name}"}} for name in models]
    return yaml.safe_dump(
        {"model_list": entries, "router_settings": router or {}, "litellm_settings": litellm or {"cache": False}}
    )


def test_nothing_said_is_the_defaults(read):
    settings = read(text())
    assert settings.routing == RoutingSettings()
    assert settings.routing.num_retries == 0
    assert settings.ignored == ()


def test_everything_can_be_said(read):
    router = {
        "routing_strategy": "latency-based-routing",
        "routing_strategy_args": {"ttl": 60, "lowest_latency_buffer": 0.2, "rolling_window_size": 5},
        "num_retries": 2,
        "retry_after": 1.5,
        "allowed_fails": 1,
        "cooldown_time": 30,
        "fallbacks": [{"a": ["b", "gpt-4o"]}, {"b": ["c"]}],
        "default_fallbacks": ["c"],
        "context_window_fallbacks": {"a": ["c"]},
        "content_policy_fallbacks": [{"gpt-4o": ["a"]}],
        "max_fallbacks": 1,
        "caching_groups": [["a", "b"], ["c", "gpt-4"]],
    }
    settings = read(text(router))
    assert settings.ignored == ()
    assert settings.routing == RoutingSettings(
        strategy="latency-based-routing",
        num_retries=2,
        retry_after=1.5,
        allowed_fails=1,
        cooldown=30,
        fallbacks={"a": ("b", "gpt-4o"), "b": ("c",)},
        default_fallbacks=("c",),
        context_window_fallbacks={"a": ("c",)},
        content_policy_fallbacks={"gpt-4o": ("a",)},
        max_fallbacks=1,
        caching_groups=(("a", "b"), ("c", "gpt-4")),
        latency_buffer=0.2,
        latency_ttl=60,
        latency_samples=5,
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("simple-shuffle", "simple-shuffle"),
        ("least-busy", "least-busy"),
        ("cost-based-routing", "cost-based-routing"),
        ("usage-based-routing-v2", "usage-based-routing-v2"),
        ("usage-based-routing", "usage-based-routing-v2"),
    ],
)
def test_the_ways_to_choose_have_litellms_names(read, said, meant):
    assert read(text({"routing_strategy": said})).routing.strategy == meant


def test_the_routers_word_goes_before_the_others_and_is_told(read):
    router = {"num_retries": 1, "fallbacks": [{"a": ["b"]}]}
    litellm = {"num_retries": 4, "fallbacks": [{"a": ["c"]}], "allowed_fails": 7, "cooldown_time": 9, "cache": False}
    settings = read(text(router, litellm))
    routing = settings.routing
    assert (routing.num_retries, routing.fallbacks) == (1, {"a": ("b",)})
    assert (routing.allowed_fails, routing.cooldown) == (7, 9)
    assert settings.ignored == (
        "litellm_settings.fallbacks: has no effect beside router_settings.fallbacks",
        "litellm_settings.num_retries: has no effect beside router_settings.num_retries",
    )


def test_no_cooldowns_are_cooldowns_of_no_time(read):
    settings = read(text({"disable_cooldowns": True, "cooldown_time": 30}))
    assert settings.routing.cooldown == 0
    assert settings.ignored == (
        "router_settings.cooldown_time: has no effect beside router_settings.disable_cooldowns",
    )
    assert read(text({"disable_cooldowns": False, "cooldown_time": 30})).routing.cooldown == 30


def test_a_star_among_the_fallbacks_is_for_whatever_has_none(read):
    routing = read(text({"fallbacks": [{"a": ["b"]}, {"*": ["c"]}], "default_fallbacks": ["b"]})).routing
    assert (routing.fallbacks, routing.default_fallbacks) == ({"a": ("b",)}, ("c",))


def test_of_two_rules_for_one_name_the_first_counts(read):
    settings = read(text({"fallbacks": [{"a": ["b"]}, {"a": ["c"]}]}))
    assert settings.routing.fallbacks == {"a": ("b",)}
    assert settings.ignored == ("router_settings.fallbacks[1].a: stands there twice, and the first counts",)


def test_an_alias_may_be_asked_too(read):
    router = {"model_group_alias": {"best": "a"}, "fallbacks": [{"best": ["b"]}, {"b": ["best"]}]}
    assert read(text(router)).routing.fallbacks == {"best": ("b",), "b": ("best",)}


def test_arguments_of_another_way_to_choose_are_told(read):
    settings = read(text({"routing_strategy": "least-busy", "routing_strategy_args": {"ttl": 5, "ttft_percentile": 1}}))
    assert settings.routing.latency_ttl == RoutingSettings().latency_ttl
    prefix = "router_settings.routing_strategy_args"
    assert settings.ignored == (
        f"{prefix}.ttft_percentile: means are compared",
        f"{prefix}.ttl: only for latency-based-routing",
    )


@pytest.mark.parametrize(
    ("router", "key", "expected"),
    [
        ({"routing_strategy": "random"}, "routing_strategy", "must be one of simple-shuffle, least-busy, latency-"),
        ({"num_retries": -1}, "num_retries", "must be a whole number"),
        ({"cooldown_time": "long"}, "cooldown_time", "must be a number"),
        ({"disable_cooldowns": "perhaps"}, "disable_cooldowns", "must be true or false"),
        ({"routing_strategy_args": {"ttl": 0}}, "routing_strategy_args.ttl", "must be a number above zero"),
        ({"fallbacks": "b"}, "fallbacks", "must be a list"),
        ({"fallbacks": [{"a": "b"}]}, "fallbacks", "must be a list such as"),
        ({"fallbacks": [{"a": ["b"], "b": ["c"]}]}, "fallbacks", "must be a list such as"),
        ({"fallbacks": [{"a": ["b", "z"]}]}, "fallbacks[0].a[1]", NOBODY),
        ({"fallbacks": [{"z": ["b"]}]}, "fallbacks[0].z", NOBODY),
        ({"fallbacks": [{"a": [{"model": "b"}]}]}, "fallbacks[0].a[0]", "must be text"),
        ({"context_window_fallbacks": {"a": ["z"]}}, "context_window_fallbacks.a[0]", NOBODY),
        ({"default_fallbacks": ["z"]}, "default_fallbacks[0]", NOBODY),
        ({"caching_groups": ["a", "b"]}, "caching_groups", "must be a list of lists"),
        ({"caching_groups": [["a"], ["b", "z"]]}, "caching_groups[1][1]", NOBODY),
    ],
)
def test_a_wrong_one_stops_the_start(read, router, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(text(router))
    assert caught.value.key == f"router_settings.{key}"
    assert caught.value.expected.startswith(expected)


def test_without_a_list_every_name_is_answered_to(read):
    settings = read("router_settings: {fallbacks: [{gpt-4o: [gpt-4o-mini]}]}", OPENAI_API_KEY="sk-1")
    assert settings.routing.fallbacks == {"gpt-4o": ("gpt-4o-mini",)}


def test_a_variable_among_the_names_is_not_quoted(read):
    with pytest.raises(ConfigError) as wrong:
        read(text({"default_fallbacks": ["os.environ/HUSH"]}), HUSH="sk-SECRET")
    assert wrong.value.expected == "must be a name that model_list answers to"
