"""No secret gets into an error, a representation, or what `askonce check` prints."""

import pytest

from askonce.config.describe import describe, without_credentials
from askonce.core.errors import ConfigError

SECRET = "s3cr3t"

EVERYTHING = f"""
model_list:
  - model_name: a
    litellm_params:
      model: openai/a
      api_key: {SECRET}
      api_base: https://user:{SECRET}@host/v1?key={SECRET}
      extra_headers: {{x-key: {SECRET}}}
      some_secret: {SECRET}
  - {{model_name: b, litellm_params: {{model: azure/b, api_key: {SECRET}, aws_secret_access_key: {SECRET}}}}}
litellm_settings:
  cache: true
  cache_params: {{type: redis, url: "rediss://user:{SECRET}@h:6380/1?password={SECRET}", ssl_password: {SECRET}}}
general_settings: {{master_key: {SECRET}, database_url: {SECRET}}}
environment_variables: {{OTHER: {SECRET}}}
askonce: {{nats_url: "nats://u:{SECRET}@h"}}
"""


def test_neither_described_nor_represented(read):
    settings = read(EVERYTHING)
    told = "\n".join(f"{label}: {text}" for label, text in describe(settings))
    assert SECRET not in told
    assert SECRET not in "\n".join(settings.ignored)
    assert settings.cache.redis.arguments["ssl_password"] == SECRET
    for part in (settings.cache, settings.proxy, settings.master_key):
        assert SECRET not in repr(part)


@pytest.mark.parametrize(
    "text",
    [
        f"general_settings: {{master_key: [{SECRET}]}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, url: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, password: [{SECRET}]}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, port: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: local, supported_call_types: [{SECRET}]}}}}",
        f"model_list: [{{model_name: a, litellm_params: {{model: b, api_base: {SECRET}}}}}]",
        f"model_list: [{{model_name: a, litellm_params: {{model: b, api_key: [{SECRET}]}}}}]",
        f"askonce: {{nats_url: [{SECRET}], port: {SECRET}, log_level: {SECRET}}}",
        f"a: !{SECRET}",
        f"a: &{SECRET} 1\nb: &{SECRET} 2\nc: *x{SECRET}",
        f"a: *{SECRET}",
        f'a: "{SECRET}',
        f"a: %{SECRET}",
        f"a: `{SECRET}",
    ],
)
def test_never_in_an_error(read, text):
    with pytest.raises(ConfigError) as caught:
        read(text, REDIS_HOST="h")
    seen = str(caught.value)
    assert SECRET not in seen
    assert caught.value.__cause__ is None


def test_never_in_an_error_about_a_variable(read):
    with pytest.raises(ConfigError) as caught:
        read("litellm_settings: {cache: true}", REDIS_URL=SECRET, REDIS_PORT=SECRET, ASKONCE_PORT=SECRET)
    assert SECRET not in str(caught.value)


def test_what_is_described(read, tmp_path):
    text = """
model_list:
  - {model_name: a, litellm_params: {model: a, temperature: 0}}
  - {model_name: b, litellm_params: {model: azure/b}}
litellm_settings: {cache: true, cache_params: {type: disk, ttl: 0, mode: default_off, supported_call_types: []}, x: 1}
"""
    lines = describe(read(text))
    assert [line for line in lines if not line[0].startswith("askonce.")] == [
        ("config", "config.yaml"),
        ("master key", "not set"),
        ("model a", "openai/a at https://api.openai.com/v1, the client's own key, defaults for temperature"),
        ("model b", "azure/b: not served: provider azure is not built yet"),
        ("cache", "disk"),
        ("cache path", f"{tmp_path}/.litellm_cache, up to {10 << 30} bytes"),
        ("cache ttl", "0 s"),
        ("cache namespace", "none"),
        ("cache mode", "default_off"),
        ("cache call types", "none"),
        ("ignored", "litellm_settings.x: not known"),
    ]
    assert ("askonce.host", "127.0.0.1") in lines
    assert ("cache", "off") in describe(read("litellm_settings: {cache: false}"))
    redis = read(
        "litellm_settings: {cache: true, cache_params: {type: redis, ttl: null, default_in_memory_ttl: 5}}",
        REDIS_HOST="h",
    )
    assert {("cache server", "h:6379, database 0, password not set"), ("cache ttl", "without end")} <= set(
        describe(redis)
    )
    assert ("cache ttl in memory", "5 s") in describe(redis)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:p@h:6379/0", "redis://h:6379/0"),
        ("nats://token@h", "nats://h"),
        ("unix:///run/redis.sock?password=p", "unix:///run/redis.sock"),
        ("https://h/v1", "https://h/v1"),
        ("rediss://u:p@[::1]:6380", "rediss://[::1]:6380"),
    ],
)
def test_addresses_without_credentials(url, shown):
    assert without_credentials(url) == shown
