"""For how long a key is known, where limits are counted, and who may use a master key that everybody knows."""

import pytest
import yaml

from askonce.config.describe import describe
from askonce.config.own import is_loopback
from askonce.config.settings import AccessSettings, Node
from askonce.core.errors import ConfigError

REDIS = {"cache": True, "cache_params": {"type": "redis", "host": "of-the-cache"}}


def text(router=None, general=None, litellm=None):
    return yaml.safe_dump(
        {
            "router_settings": router or {},
            "general_settings": general or {},
            "litellm_settings": litellm or {"cache": False},
        }
    )


def where(settings):
    redis = settings.access.redis
    return None if redis is None else redis.host


# -- keys and limits -------------------------------------------------------------------------------------------------


def test_nothing_said_is_the_defaults(read):
    settings = read(text())
    assert (settings.access, settings.ignored, settings.warnings) == (AccessSettings(), (), ())
    assert AccessSettings().key_ttl == 60


def test_keys_are_known_and_requests_are_under_way_as_long_as_is_said(read):
    settings = read(text(general={"user_api_key_cache_ttl": 5, "global_max_parallel_requests": 100}))
    assert (settings.access.key_ttl, settings.access.max_parallel_requests) == (5, 100)
    assert settings.ignored == ()


@pytest.mark.parametrize(
    ("general", "key"),
    [
        ({"user_api_key_cache_ttl": "long"}, "user_api_key_cache_ttl"),
        ({"global_max_parallel_requests": 0}, "global_max_parallel_requests"),
        ({"coordination_redis": "redis"}, "coordination_redis"),
        ({"coordination_redis": {"ssl": True}}, "coordination_redis"),
        ({"coordination_redis": {"host": "h", "port": "x"}}, "coordination_redis.port"),
    ],
)
def test_a_wrong_one_stops_the_start(read, general, key):
    with pytest.raises(ConfigError) as caught:
        read(text(general=general))
    assert caught.value.key == f"general_settings.{key}"


# -- where limits are counted ----------------------------------------------------------------------------------------

ROUTER = {"redis_host": "of-the-router", "redis_port": 6380, "redis_password": "pw", "redis_db": 2}


def test_the_first_server_that_is_said_counts(read):
    own, variables = {"coordination_redis": {"host": "own"}}, {"REDIS_HOST": "of-the-environment"}
    assert where(read(text(ROUTER, own, REDIS), **variables)) == "of-the-router"
    assert where(read(text({}, own, REDIS), **variables)) == "own"
    assert where(read(text({}, {}, REDIS), **variables)) == "of-the-cache"
    assert where(read(text(), **variables)) == "of-the-environment"
    assert where(read(text())) is None


def test_the_router_says_it_member_by_member(read):
    settings = read(text({**ROUTER, "cache_kwargs": {"db": 3, "ssl": True, "socket_timeout": 2}}))
    redis = settings.access.redis
    assert (redis.host, redis.port, redis.db, redis.ssl) == ("of-the-router", 6380, 3, True)
    assert redis.password.get_secret_value() == "pw"
    assert redis.arguments == {"socket_timeout": 2.0}
    assert settings.ignored == ()


def test_what_the_router_says_wrong_has_the_name_it_has_there(read):
    for router, key in (
        ({"redis_host": "h", "redis_port": "x"}, "redis_port"),
        ({"redis_url": "http://h"}, "redis_url"),
        ({"redis_host": "h", "cache_kwargs": {"ssl": "x"}}, "cache_kwargs.ssl"),
    ):
        with pytest.raises(ConfigError) as caught:
            read(text(router))
        assert caught.value.key == f"router_settings.{key}"


def test_a_router_that_names_a_variable_that_is_not_set_names_no_server(read):
    settings = read(text({"redis_host": "os.environ/NOT_THERE", "redis_port": 6380}, {}, REDIS))
    assert where(settings) == "of-the-cache"
    assert settings.ignored == (
        "router_settings.redis_host: NOT_THERE is not set",
        "router_settings.redis_port: has no effect without redis_host or redis_url",
    )


def test_what_stands_behind_the_first_is_told(read):
    settings = read(text(ROUTER, {"coordination_redis": {"host": "own", "hots": 1}}, REDIS))
    assert settings.ignored == ("general_settings.coordination_redis: has no effect beside router_settings.redis_*",)
    settings = read(text({}, {"coordination_redis": {"host": "own", "hots": 1}}))
    assert settings.ignored == ("general_settings.coordination_redis.hots: not known",)


def test_variables_that_are_the_caches_are_not_told_as_without_effect(read):
    cache = {"cache": True, "cache_params": {"type": "redis"}}
    settings = read(text({}, {"coordination_redis": {"url": "redis://own"}}, cache), REDIS_HOST="h")
    assert (settings.cache.redis.host, settings.ignored) == ("h", ())
    assert settings.access.redis.url.get_secret_value() == "redis://own"


def test_a_cluster_of_the_environment_counts_too(read):
    settings = read(text(), REDIS_CLUSTER_NODES='[{"host": "n", "port": 7001}]')
    assert settings.access.redis.cluster_nodes == (Node(host="n", port=7001),)


def test_a_server_that_nobody_asked_to_count_stops_nothing(read):
    settings = read(text(), REDIS_HOST="h", REDIS_PORT="x")
    assert settings.access.redis is None
    (line,) = settings.ignored
    assert line.startswith("REDIS_PORT: limits are counted in each process: it must be ")


# -- a master key that everybody knows ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [None, "127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_a_key_of_the_documentation_opens_this_machine_and_is_warned_of(read, host):
    settings = read(text(general={"master_key": "sk-1234"}), **({} if host is None else {"ASKONCE_HOST": host}))
    assert settings.proxy.host == host or (host is None and settings.proxy.host == "127.0.0.1")
    (warning,) = settings.warnings
    assert "stands in public documentation" in warning
    assert "openssl rand -hex 32" in warning
    assert ("warning", warning) in describe(settings)
    assert "sk-1234" not in warning


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "proxy.example"])
@pytest.mark.parametrize(
    ("general", "variables", "key"),
    [
        ({"master_key": "sk-1234"}, {}, "general_settings.master_key"),
        ({"master_key": "os.environ/KEY"}, {"KEY": "sk-1234"}, "general_settings.master_key"),
        ({}, {"LITELLM_MASTER_KEY": "sk-1234"}, "LITELLM_MASTER_KEY"),
        ({"master_key": "sk-mine"}, {"ASKONCE_MASTER_KEY": "sk-1234"}, "ASKONCE_MASTER_KEY"),
    ],
)
def test_it_opens_no_other(read, host, general, variables, key):
    with pytest.raises(ConfigError) as caught:
        read(text(general=general), ASKONCE_HOST=host, **variables)
    assert caught.value.key == key
    assert "askonce.host" in caught.value.expected
    assert "openssl rand -hex 32" in caught.value.expected
    assert "sk-1234" not in str(caught.value)


def test_a_key_of_ones_own_opens_every_address(read):
    settings = read(text(general={"master_key": "sk-1234-but-longer"}))
    assert (settings.proxy.host, settings.warnings) == ("0.0.0.0", ())


def test_loopback_is_told_from_what_looks_like_it():
    assert [host for host in ("127.1.2.3", "[::1]", "LOCALHOST", "::1") if not is_loopback(host)] == []
    assert [host for host in ("127.evil.example", "localhost.example", "", "0.0.0.0") if is_loopback(host)] == []


# -- what is told ----------------------------------------------------------------------------------------------------


def test_groups_and_limits_are_told_without_credentials(read):
    models = "".join(
        f"  - {{model_name: {name}, litellm_params: {{model: openai/{model}}}}}\n"
        for name, model in (("a", "x"), ("a", "y"), ("b", "z"))
    )
    router = "router_settings: {redis_url: 'redis://me:hush@h:6380/1', fallbacks: [{a: [b]}], default_fallbacks: [b]}\n"
    told = dict(describe(read(f"model_list:\n{models}{router}general_settings: {{master_key: sk-mine}}")))
    assert told["routing"] == "simple-shuffle, 0 retries; cooled for 5 s after more than 3 failures in a minute"
    assert told["group a"] == "2 deployments"
    assert "group b" not in told
    assert (told["fallbacks a"], told["fallbacks of others"]) == ("b", "b")
    assert told["limits"] == "counted in Redis: redis://h:6380/1"
    assert told["virtual keys"] == "can be made"
    assert "hush" not in "".join(told.values())


def test_without_a_server_and_a_master_key_that_is_told_too(read):
    told = dict(describe(read(text())))
    assert told["limits"] == "counted in each process"
    assert told["virtual keys"] == "cannot be made without a master key"
