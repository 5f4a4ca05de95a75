"""Which Redis: `cache_params` over `REDIS_*`, one server, a cluster or Sentinels, and redis-py's arguments."""

import inspect
import ssl

import pytest
from redis.asyncio import Redis, RedisCluster

from askonce.config.redis_arguments import ARGUMENTS, CLUSTER_ARGUMENTS, NOT_IN_A_CLUSTER, OURS, PLACE
from askonce.config.settings import Node

PARAMS = "litellm_settings.cache_params"


def cache(params: str = "", kind: str = "redis") -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{type: {kind}{params}}}}}"


def variables(environ: dict[str, str]) -> dict[str, str]:
    return {f"REDIS_{name}": value for name, value in environ.items()}


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
        (", redis_url: 'redis://f'", {"URL": "redis://u"}, ("redis://f", None, 6379, None)),
        # references
        (", host: os.environ/MINE, password: os.environ/NONE", {}, (None, "mine", 6379, None)),
        # Kubernetes' own variable for a service called redis
        (", host: f", {"PORT": "tcp://10.0.0.1:6379"}, (None, "f", 6379, None)),
    ],
)
@pytest.mark.parametrize("kind", ["redis", "redis-semantic, similarity_threshold: 0.8"])
def test_where_one_server_is(read, kind, params, environ, expected):
    settings = read(cache(params, kind), **variables(environ), MINE="mine")
    assert server(settings.cache.redis) == expected
    assert (settings.cache.redis.cluster_nodes, settings.cache.redis.sentinel_nodes) == ((), ())


def test_a_login_that_is_not_set_is_told_and_left_out(read):
    params = ", host: h, username: os.environ/REDIS_USERNAME, password: os.environ/REDIS_PASSWORD"
    settings = read(cache(params))
    assert settings.ignored == (
        f"{PARAMS}.username: REDIS_USERNAME is not set",
        f"{PARAMS}.password: REDIS_PASSWORD is not set",
    )
    assert (settings.cache.redis.username, settings.cache.redis.password) == (None, None)


NODES = '[{"host": "a", "port": "7001"}, {"host": "b", "port": 7002}]'
TWO = (Node(host="a", port=7001), Node(host="b", port=7002))


@pytest.mark.parametrize("written", [
    f"redis_startup_nodes: {NODES}",
    f"startup_nodes: {NODES}",
    f"redis_startup_nodes: '{NODES}'",
    "redis_startup_nodes: [[a, 7001], [b, '7002']]",
    'redis_startup_nodes: [{"host": "a", "port": os.environ/PORT_OF_A}, {"host": "b", "port": 7002}]',
    "redis_startup_nodes: os.environ/NODES",
])  # fmt: skip
def test_nodes_of_a_cluster_in_the_file(read, written):
    settings = read(cache(f", {written}"), PORT_OF_A="7001", NODES=NODES)
    assert settings.cache.redis.cluster_nodes == TWO
    assert (settings.cache.redis.host, settings.cache.redis.url, settings.ignored) == (None, None, ())


ESCAPED = NODES.replace('"', '\\"')


@pytest.mark.parametrize("value", [NODES, f'"{NODES}"', f"'{NODES}'", f' "{NODES}" ', f'"{ESCAPED}"'])
def test_nodes_of_a_cluster_in_a_variable_with_quotes_that_nobody_took_away(read, value):
    assert read(cache(), REDIS_CLUSTER_NODES=value).cache.redis.cluster_nodes == TWO


@pytest.mark.parametrize("line", [
    f"REDIS_CLUSTER_NODES={NODES}",
    f"REDIS_CLUSTER_NODES='{NODES}'",
    f'REDIS_CLUSTER_NODES = "{NODES}"',
    f'\n\n  export REDIS_CLUSTER_NODES="{NODES}"  ',
    f'REDIS_CLUSTER_NODES="{ESCAPED}"',
])  # fmt: skip
def test_nodes_of_a_cluster_in_dotenv(read, line):
    settings = read(cache(), dotenv=f"REDIS_USERNAME=u\n{line}\nREDIS_PASSWORD=p\n")
    redis = settings.cache.redis
    assert (redis.cluster_nodes, redis.username, redis.password.get_secret_value()) == (TWO, "u", "p")
    assert settings.ignored == ()


def test_sentinels(read):
    params = ", service_name: mine, sentinel_nodes: [[a, '26379'], {host: b}], db: 3, username: u, password: p"
    redis = read(cache(params), REDIS_SENTINEL_PASSWORD="s", REDIS_SSL="1").cache.redis
    assert redis.sentinel_nodes == (Node(host="a", port=26379), Node(host="b", port=26379))
    assert (redis.service_name, redis.db, redis.username, redis.ssl) == ("mine", 3, "u", True)
    assert (redis.password.get_secret_value(), redis.sentinel_password.get_secret_value()) == ("p", "s")


SENTINELS = {"SENTINEL_NODES": '[["s", 1]]', "SERVICE_NAME": "mine"}


@pytest.mark.parametrize(
    ("params", "environ", "target", "lost"),
    [
        # LiteLLM's order, among what the environment says
        ("", {"CLUSTER_NODES": NODES, "URL": "redis://u", **SENTINELS, "HOST": "e"}, "cluster_nodes", 4),
        ("", {"URL": "redis://u", **SENTINELS, "HOST": "e"}, "url", 3),
        ("", {**SENTINELS, "HOST": "e", "PORT": "1"}, "sentinel_nodes", 2),
        # and among what the file says
        (f", redis_startup_nodes: {NODES}, url: 'redis://f', host: f, port: 1, db: 2", {}, "cluster_nodes", 4),
        (", url: 'redis://f', sentinel_nodes: [[f, 1]], service_name: x, password: p", {}, "url", 3),
        (", sentinel_nodes: [[f, 1]], service_name: x, host: f", {}, "sentinel_nodes", 1),
        (", host: f, service_name: x, sentinel_password: p", {}, "host", 2),
        # whatever the file names beats all of the environment, also a cluster there, which in LiteLLM wins
        (", host: f", {"CLUSTER_NODES": NODES}, "host", 1),
        (", host: f", {"URL": "redis://u", **SENTINELS}, "host", 3),
        (", url: 'redis://f'", {"CLUSTER_NODES": NODES}, "url", 1),
        (", sentinel_nodes: [[f, 1]]", {"URL": "redis://u", **SENTINELS}, "sentinel_nodes", 1),
        (", service_name: x", SENTINELS, "sentinel_nodes", 0),
        (f", redis_startup_nodes: {NODES}", {"URL": "redis://u", "HOST": "e"}, "cluster_nodes", 2),
        # what says nothing is no choice
        (", redis_startup_nodes: [], sentinel_nodes: null, host: ''", {"HOST": "e"}, "host", 0),
        (", db: 0, redis_startup_nodes: [[f, 1]]", {}, "cluster_nodes", 0),
    ],
)
def test_which_of_several_places_is_meant_and_what_has_no_effect_beside_it(read, params, environ, target, lost):
    settings = read(cache(params), **variables(environ))
    redis = settings.cache.redis
    places = ("cluster_nodes", "url", "sentinel_nodes", "host")
    assert [name for name in places if getattr(redis, name)] == [target]
    assert len(settings.ignored) == lost
    keys = {"cluster_nodes": "redis_startup_nodes"}
    beside = f"{PARAMS}.{keys.get(target, target)}" if params else f"REDIS_{target.upper()}"
    assert all(line.endswith(f": has no effect beside {beside}") for line in settings.ignored)


@pytest.mark.parametrize(
    ("params", "url", "ssl"),
    [
        ("host: h, ssl: 'True'", None, True),
        ("host: h, ssl: 1", None, True),
        ("host: h, ssl: 'no'", None, False),
        ("url: 'rediss://h'", "rediss://h", True),
        ("url: 'rediss://h', ssl: false", "rediss://h", True),
        ("url: 'redis://h', ssl: true", "rediss://h", True),
        ("url: 'unix:///run/r', ssl: true", "unix:///run/r", False),
    ],
)
def test_tls(read, params, url, ssl):
    redis = read(cache(f", {params}")).cache.redis
    assert (None if redis.url is None else redis.url.get_secret_value(), redis.ssl) == (url, ssl)


def test_further_arguments_from_file_and_environment(read):
    params = ", host: h, ssl: true, ssl_cert_reqs: null, ssl_check_hostname: false, socket_timeout: '2.5'"
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
    by_variable = read(cache(", host: h, ssl: true"), REDIS_SSL_CERT_REQS="None").cache.redis
    assert by_variable.arguments == {"ssl_cert_reqs": "none"}


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("socket_timeout", "2", 2.0),
        ("socket_keepalive", "false", False),
        ("socket_keepalive_options", '{"4": 60}', {4: 60}),
        ("health_check_interval", "30", 30),
        ("retry_on_timeout", "yes", True),
        ("protocol", "3", 3),
        ("lib_version", "1.2", "1.2"),
        ("ssl_cert_reqs", "CERT_OPTIONAL", "optional"),
        ("ssl_min_version", "TLSv1_3", ssl.TLSVersion.TLSv1_3),
        ("ssl_include_verify_flags", "VERIFY_X509_STRICT, VERIFY_CRL_CHECK_LEAF",
         [ssl.VerifyFlags.VERIFY_X509_STRICT, ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF]),
        ("ssl_ca_data", "-----BEGIN", "-----BEGIN"),
    ],
)  # fmt: skip
def test_the_text_of_a_variable_becomes_what_the_argument_takes(read, name, written, value):
    settings = read(cache(", host: h, ssl: true"), **{f"REDIS_{name.upper()}": written})
    assert settings.cache.redis.arguments == {name: value}


def test_numbers_and_lists_of_the_file_for_the_same(read):
    params = (
        ", host: h, ssl: true, ssl_min_version: 1.2, socket_keepalive_options: {4: 60, '5': '10'}, "
        "ssl_exclude_verify_flags: [verify_x509_strict]"
    )
    assert read(cache(params)).cache.redis.arguments == {
        "socket_keepalive_options": {4: 60, 5: 10},
        "ssl_exclude_verify_flags": [ssl.VerifyFlags.VERIFY_X509_STRICT],
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }


def test_files_are_seen_from_the_working_directory(read, tmp_path):
    params = ", host: h, ssl: true, ssl_ca_certs: ca.pem, ssl_certfile: /etc/c.pem, ssl_keyfile: ~/k.pem"
    assert read(cache(params), HOME="/home/x").cache.redis.arguments == {
        "ssl_ca_certs": f"{tmp_path}/ca.pem",
        "ssl_certfile": "/etc/c.pem",
        "ssl_keyfile": "/home/x/k.pem",
    }


def test_googles_file_of_authorities_goes_before_the_other_and_needs_tls(read, tmp_path):
    params = ", host: h, gcp_ssl_ca_certs: g.pem, ssl_ca_certs: o.pem"
    assert read(cache(f"{params}, ssl: true")).cache.redis.arguments == {"ssl_ca_certs": f"{tmp_path}/g.pem"}
    without = read(cache(params))
    assert without.cache.redis.arguments == {}
    assert without.ignored == (
        f"{PARAMS}.ssl_ca_certs: has no effect without ssl",
        f"{PARAMS}.gcp_ssl_ca_certs: has no effect without ssl",
    )


def test_arguments_go_only_to_the_clients_that_take_them(read):
    params = ", reinitialize_steps: 3, retry_on_timeout: true, ssl_password: p, ssl: true, client_name: me"
    one = read(cache(f", host: h{params}"))
    assert set(one.cache.redis.arguments) == {"retry_on_timeout", "ssl_password", "client_name"}
    assert one.ignored == (f"{PARAMS}.reinitialize_steps: only for a cluster",)
    many = read(cache(f", redis_startup_nodes: [[h, 1]]{params}"))
    assert many.cache.redis.arguments == {"client_name": "me"}
    assert set(many.ignored) == {
        f"{PARAMS}.reinitialize_steps: askonce finds the nodes of a cluster itself",
        f"{PARAMS}.retry_on_timeout: redis-py does not take it for a cluster",
        f"{PARAMS}.ssl_password: redis-py does not take it for a cluster",
    }
    bare = read(cache(", host: h"), REDIS_SSL_CHECK_HOSTNAME="false")
    assert bare.cache.redis.arguments == {}
    assert bare.ignored == ("REDIS_SSL_CHECK_HOSTNAME: has no effect without ssl",)


def arguments_of(client: type) -> set[str]:
    return set(inspect.signature(client.__init__).parameters) - {"self"}


def test_every_argument_of_redis_py_is_in_a_table():
    one, cluster = arguments_of(Redis), arguments_of(RedisCluster)
    assert one - OURS == {*PLACE, *ARGUMENTS} - {"url"}
    elsewhere = {"startup_nodes"}
    assert cluster - OURS - elsewhere == {*PLACE, *ARGUMENTS, *CLUSTER_ARGUMENTS} - NOT_IN_A_CLUSTER - {"url"}
    assert one | cluster >= OURS
    assert not OURS & {*PLACE, *ARGUMENTS, *CLUSTER_ARGUMENTS}
