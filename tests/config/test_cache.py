"""`litellm_settings.cache` and `cache_params`: which store, which lives, which Redis."""

import inspect

import pytest
from redis.asyncio import Redis

from askonce.config.redis import ARGUMENTS, PLACE


def cache(params: str = "", more: str = "") -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{{params}}}{more}}}"


def test_no_cache_member_is_a_disk_store_in_the_data_directory(read, tmp_path):
    for text in (None, "", "litellm_settings: {}", "litellm_settings: {cache: null}"):
        found = read(text).cache
        assert (found.enabled, found.type, found.ttl) == (True, "disk", None)
        assert found.disk.path == tmp_path / ".askonce" / "cache"
        assert found.disk.max_bytes == 10 << 30
    assert read(None, ASKONCE_DATA_DIR="here", ASKONCE_DISK_BYTES="2000000").cache.disk.model_dump() == {
        "path": tmp_path / "here" / "cache",
        "max_bytes": 2_000_000,
    }


def test_cache_false_is_off_whatever_the_parameters_say(read):
    settings = read("litellm_settings: {cache: false, cache_params: {type: redis, ttl: soon}}")
    assert settings.cache.enabled is False
    assert settings.ignored == ("litellm_settings.cache_params: has no effect without cache: true",)


def test_parameters_without_the_switch_have_no_effect(read):
    settings = read("litellm_settings: {cache_params: {type: redis}}")
    assert settings.cache.type == "disk"
    assert settings.ignored == ("litellm_settings.cache_params: has no effect without cache: true",)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("litellm_settings: {cache: true}", "redis"),
        ("litellm_settings: {cache: 'True'}", "redis"),
        ("litellm_settings: {cache: true, cache_params: }", "redis"),
        ("litellm_settings: {cache: true, cache_params: {}}", "redis"),
        (cache("ttl: 5"), "local"),
        (cache("host: h"), "local"),
        (cache("type: null, ttl: 5"), "local"),
        (cache("type: os.environ/KIND"), "disk"),
    ],
)
def test_type(read, text, kind):
    assert read(text, REDIS_HOST="h", KIND="disk").cache.type == kind


@pytest.mark.parametrize(
    ("params", "more", "ttl", "memory_ttl"),
    [
        ("type: local", "", 600, None),
        ("type: local, ttl: 5", "", 5, None),
        ("type: local, ttl: 5, default_in_memory_ttl: 7", "", 7, None),
        ("type: local, ttl: 5, default_in_memory_ttl: 0", "", 0, None),
        ("type: local, ttl: 5, default_in_redis_ttl: 7", "", 5, None),
        ("type: local", ", default_in_memory_ttl: 9", 9, None),
        ("type: local, ttl: null", "", None, None),
        ("type: redis", "", 86400, None),
        ("type: redis, ttl: null", "", None, None),
        ("type: redis, ttl: 0", "", 0, None),
        ("type: redis, ttl: 5", ", default_redis_ttl: 9", 5, None),
        ("type: redis", ", default_redis_ttl: 9", 9, None),
        ("type: redis, ttl: 5, default_in_redis_ttl: 7", "", 7, None),
        ("type: redis, ttl: 5, default_in_redis_ttl: null", "", 5, None),
        ("type: redis, ttl: 50, default_in_memory_ttl: 3", "", 50, 3),
        ("type: disk", "", None, None),
        ("type: disk, ttl: '1.5', default_in_memory_ttl: 1", "", 1.5, 1),
        ("type: disk, ttl: os.environ/TTL", "", 60, None),
    ],
)
def test_lives(read, params, more, ttl, memory_ttl):
    found = read(cache(params, more), REDIS_HOST="h", TTL="60").cache
    assert (found.ttl, found.memory_ttl) == (ttl, memory_ttl)


def test_call_types(read):
    every = read(cache("type: local")).cache.call_types
    some = read(cache("type: local, supported_call_types: [acompletion, completion, arerank, aresponses]"))
    assert len(some.cache.call_types) >= 1
    assert some.cache.call_types <= every
    assert all(line.startswith("litellm_settings.cache_params.supported_call_types.a") for line in some.ignored)
    assert read(cache("type: local, supported_call_types: null")).cache.call_types == frozenset()
    plain = read(cache("type: local, supported_call_types: [completion]"))
    assert plain.cache.call_types == read(cache("type: local, supported_call_types: [acompletion]")).cache.call_types


def test_what_belongs_to_another_store_is_told(read):
    params = "type: local, host: h, disk_cache_dir: d, default_in_redis_ttl: 5, s3_bucket_name: b, tttl: 5"
    assert read(cache(params)).ignored == (
        "litellm_settings.cache_params.host: only for type redis",
        "litellm_settings.cache_params.disk_cache_dir: only for type disk",
        "litellm_settings.cache_params.default_in_redis_ttl: only for type redis",
        "litellm_settings.cache_params.s3_bucket_name: not built yet",
        "litellm_settings.cache_params.tttl: not known",
    )


def server(redis):
    url = None if redis.url is None else redis.url.get_secret_value()
    password = None if redis.password is None else redis.password.get_secret_value()
    return url, redis.host, redis.port, password


@pytest.mark.parametrize(
    ("params", "environ", "expected"),
    [
        # a value of the file over the variable, name by name
        ("", {"HOST": "e", "PORT": "1", "PASSWORD": "p"}, (None, "e", 1, "p")),
        (", host: f", {"HOST": "e", "PORT": "1", "PASSWORD": "p"}, (None, "f", 1, "p")),
        (", host: f, port: 2, password: q", {"HOST": "e", "PORT": "1", "PASSWORD": "p"}, (None, "f", 2, "q")),
        (", port: '2'", {"HOST": "e"}, (None, "e", 2, None)),
        (", host: null, port: null", {"HOST": "e", "PORT": "1"}, (None, "e", 1, None)),
        # an address beats the host, except the variable's against a host in the file
        ("", {"URL": "redis://u", "HOST": "e", "PASSWORD": "p"}, ("redis://u", None, 6379, None)),
        (", host: f", {"URL": "redis://u"}, (None, "f", 6379, None)),
        (", port: 2", {"URL": "redis://u"}, ("redis://u", None, 6379, None)),
        (", url: 'redis://f', host: f", {"URL": "redis://u"}, ("redis://f", None, 6379, None)),
        (", url: 'redis://f'", {"HOST": "e"}, ("redis://f", None, 6379, None)),
        # references
        (", host: os.environ/MINE, password: os.environ/NONE", {}, (None, "mine", 6379, None)),
        # Kubernetes' own variable for a service called redis
        (", host: f", {"PORT": "tcp://10.0.0.1:6379"}, (None, "f", 6379, None)),
    ],
)
def test_where_redis_is(read, params, environ, expected):
    variables = {f"REDIS_{name}": value for name, value in environ.items()} | {"MINE": "mine"}
    assert server(read(cache(f"type: redis{params}"), **variables).cache.redis) == expected


def test_a_reference_that_is_not_set_is_told(read):
    settings = read(cache("type: redis, host: h, password: os.environ/REDIS_PASSWORD"))
    assert settings.ignored == ("litellm_settings.cache_params.password: REDIS_PASSWORD is not set",)


@pytest.mark.parametrize(
    ("params", "url", "ssl"),
    [
        ("host: h, ssl: 'True'", None, True),
        ("host: h, ssl: 1", None, True),
        ("host: h, ssl: 'no'", None, False),
        ("url: 'rediss://h'", "rediss://h", True),
        ("url: 'rediss://h', ssl: false", "rediss://h", True),
        ("url: 'redis://h', ssl: true", "rediss://h", True),
    ],
)
def test_tls(read, params, url, ssl):
    redis = read(cache(f"type: redis, {params}")).cache.redis
    assert (None if redis.url is None else redis.url.get_secret_value(), redis.ssl) == (url, ssl)


def test_further_arguments_from_file_and_environment(read):
    params = "type: redis, host: h, ssl: true, ssl_cert_reqs: null, ssl_check_hostname: false, socket_timeout: '2.5'"
    settings = read(
        cache(params), REDIS_SOCKET_TIMEOUT="9", REDIS_HEALTH_CHECK_INTERVAL="25", REDIS_CLIENT_NAME="me", REDIS_DB="3"
    )
    assert settings.cache.redis.db == 3
    assert settings.cache.redis.arguments == {
        "socket_timeout": 2.5,
        "health_check_interval": 25,
        "client_name": "me",
        "ssl_cert_reqs": "none",
        "ssl_check_hostname": False,
    }
    assert settings.ignored == ()
    by_variable = read(cache("type: redis, host: h, ssl: true"), REDIS_SSL_CERT_REQS="None").cache.redis
    assert by_variable.arguments == {"ssl_cert_reqs": "none"}


def test_tls_arguments_go_only_to_tls_connections(read):
    settings = read(cache("type: redis, host: h, ssl_check_hostname: false"))
    assert settings.cache.redis.arguments == {}
    assert settings.ignored == ("redis ssl_check_hostname: has no effect without ssl",)


def test_every_argument_is_one_of_redis_py():
    known = set(inspect.signature(Redis.__init__).parameters)
    assert set(ARGUMENTS) <= known
    assert set(PLACE) - {"url"} <= known
