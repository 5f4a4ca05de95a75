"""Wrong values stop the start: the error names file or variable, the key, and what was expected, never the value."""

from pathlib import Path

import pytest

from askonce.config.load import load
from askonce.config.notes import ConfigErrors
from askonce.config.redis import NOWHERE
from askonce.core.errors import ConfigError

PARAMS = "litellm_settings.cache_params"


def cache(params: str) -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{{params}}}}}"


def model(params: str) -> str:
    return f"model_list: [{{model_name: m, litellm_params: {{model: gpt-4o, {params}}}}}]"


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("litellm_settings: [1]", "litellm_settings", "must be a mapping of names to values"),
        ("litellm_settings: {cache: maybe}", "litellm_settings.cache", "must be true or false"),
        ("litellm_settings: {cache: true}", PARAMS, NOWHERE),
        (cache("type: redis"), PARAMS, NOWHERE),
        (
            cache("type: redis, host: os.environ/X"),
            PARAMS,
            f"{NOWHERE} (X is not",
        ),
        (cache("type: reddis"), f"{PARAMS}.type", "must be one of local, disk, redis, s3, "),
        (cache("type: 1"), f"{PARAMS}.type", "must be one of local, "),
        (cache("type: local, ttl: soon"), f"{PARAMS}.ttl", "must be a number, zero or more"),
        (cache("type: local, ttl: -1"), f"{PARAMS}.ttl", "must be a number, zero or more"),
        (cache("type: local, ttl: true"), f"{PARAMS}.ttl", "must be a number, zero or more"),
        (cache("type: local, ttl: .inf"), f"{PARAMS}.ttl", "must be a number, zero or more"),
        (cache("type: local, ttl: .nan"), f"{PARAMS}.ttl", "must be a number, zero or more"),
        (cache("type: local, ttl: os.environ/TTL"), f"{PARAMS}.ttl", "TTL is not set"),
        (cache("type: local, mode: off"), f"{PARAMS}.mode", "must be one of default_on, default_off"),
        (cache("type: local, namespace: a/b"), f"{PARAMS}.namespace", "must be 1 to 128 characters of "),
        (cache(f"type: local, namespace: {'a' * 129}"), f"{PARAMS}.namespace", "must be 1 to 128 characters of "),
        (cache("type: local, supported_call_types: acompletion"), f"{PARAMS}.supported_call_types", "must be a list"),
        (
            cache("type: local, supported_call_types: [acompletio]"),
            f"{PARAMS}.supported_call_types[0]",
            "must be one of ",
        ),
        (
            cache("type: local, supported_call_types: [completion, 1]"),
            f"{PARAMS}.supported_call_types[1]",
            "must be one ",
        ),
        (cache("type: redis, host: h, port: http"), f"{PARAMS}.port", "must be a whole number, zero or more"),
        (cache("type: redis, host: h, port: 70000"), f"{PARAMS}.port", "must be a port, 1 to 65535"),
        (cache("type: redis, host: 1"), f"{PARAMS}.host", "must be text (put it in quotes)"),
        (cache("type: redis, host: h, password: 123"), f"{PARAMS}.password", "must be text (put it in quotes)"),
        (cache("type: redis, host: h, ssl: maybe"), f"{PARAMS}.ssl", "must be true or false"),
        (
            cache("type: redis, host: h, max_connections: 0"),
            f"{PARAMS}.max_connections",
            "must be a whole number above zero",
        ),
        (
            cache("type: redis, host: h, ssl_cert_reqs: some"),
            f"{PARAMS}.ssl_cert_reqs",
            "must be none, optional or required",
        ),
        (cache("type: redis, url: 'http://h'"), f"{PARAMS}.url", "must begin with redis://, rediss:// or unix://"),
        (cache("type: redis, redis_url: 'http://h'"), f"{PARAMS}.redis_url", "must begin with redis://, "),
        (cache("type: redis, host: h, ssl: os.environ/TLS"), f"{PARAMS}.ssl", "TLS is not set"),
        (cache("type: redis, host: h, protocol: 4"), f"{PARAMS}.protocol", "must be 2 or 3"),
        (cache("type: redis, host: h, ssl_min_version: TLSv1"), f"{PARAMS}.ssl_min_version", "must be TLSv1_2 or "),
        (
            cache("type: redis, host: h, ssl_include_verify_flags: [ALL]"),
            f"{PARAMS}.ssl_include_verify_flags",
            "must be a list of flags such as VERIFY_X509_STRICT",
        ),
        (
            cache("type: redis, sentinel_nodes: [[h, 1]]"),
            f"{PARAMS}.sentinel_nodes",
            "Both 'sentinel_nodes' and 'service_name' are required for Redis Sentinel.",
        ),
        (
            cache("type: redis, service_name: mine"),
            f"{PARAMS}.service_name",
            "Both 'sentinel_nodes' and 'service_name' are required for Redis Sentinel.",
        ),
        (cache("type: redis, startup_nodes: [h]"), f"{PARAMS}.startup_nodes", "must be a list of servers such as "),
        (cache("type: redis, startup_nodes: [[h]]"), f"{PARAMS}.startup_nodes", "must be a list of servers such as "),
        (cache("type: redis, startup_nodes: [{port: 1}]"), f"{PARAMS}.startup_nodes", "must be a list of servers "),
        (cache("type: redis, startup_nodes: [[h, 0]]"), f"{PARAMS}.startup_nodes", "must be a port, 1 to 65535"),
        (cache("type: redis, startup_nodes: {h: 1}"), f"{PARAMS}.startup_nodes", "must be a list"),
        (cache("type: redis, startup_nodes: 'h:1'"), f"{PARAMS}.startup_nodes", "must be JSON"),
        ("model_list: {a: 1}", "model_list", "must be a list"),
        ("model_list: [gpt-4o]", "model_list[0]", "must be a mapping of names to values"),
        ("model_list: [{litellm_params: {model: x}}]", "model_list[0].model_name", "must name the model for clients"),
        ("model_list: [{model_name: m}]", "model_list[0].litellm_params.model", "must name the model at the provider"),
        (
            model("api_base: localhost:8000"),
            "model_list[0].litellm_params.api_base",
            "must be an address that begins with",
        ),
        (
            model("api_base: 'http://[oops'"),
            "model_list[0].litellm_params.api_base",
            "must be an address that begins with",
        ),
        (model("timeout: 0"), "model_list[0].litellm_params.timeout", "must be a number above zero"),
        (model("extra_headers: [a]"), "model_list[0].litellm_params.extra_headers", "must be a mapping"),
        (
            model('extra_headers: {a: "x\\ny"}'),
            "model_list[0].litellm_params.extra_headers",
            "must be one line of text",
        ),
        (
            model("since: 2024-01-01, stop: !!binary aGk="),
            "model_list[0].litellm_params.stop",
            "must be something that JSON can",
        ),
        ("general_settings: {master_key: 1234}", "general_settings.master_key", "must be text (put it in quotes)"),
        ("general_settings: {master_key: ''}", "general_settings.master_key", "must be text that is not empty"),
        ("general_settings: {master_key: os.environ/MK}", "general_settings.master_key", "MK is not set"),
        ("environment_variables: {A: [1]}", "environment_variables.A", "must be text or a number"),
        ("askonce: {port: many}", "askonce.port", "Input should be a valid integer"),
        ("askonce: {port: true}", "askonce.port", "must be a number or text"),
        ("askonce: {port: 70000}", "askonce.port", "Input should be less than or equal to 65535"),
        ("askonce: {prot: 1}", "askonce.prot", "no such setting"),
        ("askonce: {cache_scope: all}", "askonce.cache_scope", "Input should be 'global', 'team' or 'key'"),
        ("askonce: {nats_url: os.environ/BUS}", "askonce.nats_url", "BUS is not set"),
    ],
)
def test_wrong_value(read, text, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(text)
    error = caught.value
    assert not isinstance(error, ConfigErrors), str(error)
    assert (error.source, error.key) == ("config.yaml", key)
    assert error.expected.startswith(expected)
    assert str(error) == f"config.yaml: {key}: {error.expected}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ASKONCE_PORT", "many", "Input should be a valid integer"),
        ("ASKONCE_LOG_LEVEL", "loud", "Input should be 'debug', "),
        ("REDIS_PORT", "many", "must be a whole number, zero or more"),
        ("REDIS_SSL", "maybe", "must be true or false"),
        ("REDIS_SOCKET_TIMEOUT", "long", "must be a number, zero or more"),
        ("REDIS_URL", "localhost", "must begin with redis://, rediss:// or unix://"),
        ("REDIS_CLUSTER_NODES", "h:1,h:2", "must be JSON"),
        ("REDIS_CLUSTER_NODES", '"h"', "must be JSON"),
        ("REDIS_CLUSTER_NODES", '{"h": 1}', "must be a list"),
        ("REDIS_SENTINEL_NODES", '["h"]', "must be a list of servers such as "),
        ("REDIS_SENTINEL_NODES", '[["h", 1]]', "Both 'sentinel_nodes' and 'service_name' are required"),
        ("OPENAI_BASE_URL", "localhost", "must be an address that begins with http:// or https://"),
    ],
)
def test_wrong_variable(read, name, value, expected):
    with pytest.raises(ConfigError) as caught:
        read(
            "litellm_settings: {cache: true, cache_params: {type: redis, port: 1}}",
            **{"REDIS_HOST": "h", name: value},
        )
    assert (caught.value.source, caught.value.key) == ("environment", name)
    assert caught.value.expected.startswith(expected)


def test_all_that_is_wrong_is_told_at_once(read):
    with pytest.raises(ConfigErrors) as caught:
        read(
            "{litellm_settings: {cache: true, cache_params: {type: local, ttl: x}}, askonce: {port: x}}",
            ASKONCE_WRITERS="0",
        )
    assert [error.key for error in caught.value.errors] == ["askonce.port", "ASKONCE_WRITERS", f"{PARAMS}.ttl"]
    assert len(str(caught.value).splitlines()) == 3
    assert caught.value.key == "askonce.port"


def test_a_switch_that_is_wrong_hides_nothing_behind_it(read):
    with pytest.raises(ConfigErrors) as caught:
        read(
            "litellm_settings: {cache: maybe, cache_params: {type: redis, ttl: x, host: h, port: x, sentinel_nodes: x}}"
        )
    keys = [error.key.removeprefix("litellm_settings.") for error in caught.value.errors]
    names = ("port", "sentinel_nodes", "ttl")
    assert (keys[0], sorted(keys[1:])) == ("cache", [f"cache_params.{name}" for name in names])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"a: 1\nb: [1, 2\nc: 3\n", "line 3, column 2"),
        (b"a: 1\n  b: 2\n", "line 2, column 4"),
        (b"model: *\n", "line 1, column 9"),
        (b"a: 2024-99-99\n", "file"),
        (b"a: \xff\xfe\n", "file"),
        (b"- a\n", "line 1"),
        (b"just words\n", "line 1"),
    ],
)
def test_a_file_that_is_not_yaml(tmp_path, text, where):
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {}, cwd=tmp_path)
    assert (caught.value.source, caught.value.key) == (str(path), where)


def test_a_file_that_cannot_be_read(tmp_path):
    for path in (Path("none.yaml"), tmp_path):
        with pytest.raises(ConfigError) as caught:
            load(path, {}, cwd=tmp_path)
        assert caught.value.key == "file"
    assert caught.value.source == str(tmp_path)


def test_a_dotenv_that_is_no_text(tmp_path):
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(None, {}, cwd=tmp_path)
