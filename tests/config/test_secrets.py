"""No secret gets into an error, a representation, or what `askonce check` prints."""

import pytest

from askonce.config.describe import describe, standing, without_credentials
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


OTHER_STORES = {
    "one server": f"type: redis, host: h, username: u, password: {SECRET}",
    "cluster": f"type: redis, startup_nodes: [[h, 1]], password: {SECRET}",
    "sentinels": f"type: redis, sentinel_nodes: [[h, 1]], service_name: m, password: {SECRET}, "
    f"sentinel_password: {SECRET}",
    "google": f"type: redis, url: 'redis://u:{SECRET}@h', gcp_service_account: a",
    "microsoft": "type: redis, host: h, azure_redis_ad_token: true, azure_client_id: i, azure_tenant_id: t, "
    f"azure_client_secret: {SECRET}",
    "s3": f"type: s3, s3_bucket_name: b, s3_aws_access_key_id: {SECRET}, s3_aws_secret_access_key: {SECRET}, "
    f"s3_aws_session_token: {SECRET}, s3_endpoint_url: 'https://u:{SECRET}@h', s3_config: {{proxies: {SECRET}}}",
    "qdrant": f"type: qdrant-semantic, similarity_threshold: 1, qdrant_collection_name: c, qdrant_api_key: {SECRET}, "
    f"qdrant_api_base: 'https://u:{SECRET}@h?k={SECRET}'",
    "redis-semantic": f"type: redis-semantic, similarity_threshold: 1, redis_url: 'redis://:{SECRET}@h'",
}


def told(settings):
    lines = (f"{label}: {text}" for label, text in describe(settings))
    return "\n".join([*lines, *standing(settings), *settings.ignored])


def test_neither_described_nor_represented(read):
    settings = read(EVERYTHING)
    assert SECRET not in told(settings)
    assert settings.cache.redis.arguments["ssl_password"] == SECRET
    for part in (settings.cache, settings.proxy, settings.master_key):
        assert SECRET not in repr(part)


@pytest.mark.parametrize("store", OTHER_STORES)
def test_nor_for_other_stores(read, store):
    settings = read(
        f"litellm_settings: {{cache: true, cache_params: {{{OTHER_STORES[store]}}}}}",
        dotenv=f"AWS_SECRET_ACCESS_KEY={SECRET}\nREDIS_SSL_PASSWORD={SECRET}\n",
    )
    assert SECRET not in told(settings)
    assert SECRET not in repr(settings.cache)
    assert SECRET not in repr(settings.for_libraries)


@pytest.mark.parametrize(
    "text",
    [
        f"general_settings: {{master_key: [{SECRET}]}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, url: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, password: [{SECRET}]}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, port: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: local, supported_call_types: [{SECRET}]}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, startup_nodes: [{SECRET}]}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: redis, host: h, azure_redis_ad_token: {SECRET}}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: s3, s3_aws_access_key_id: {SECRET}, s3_verify: []}}}}",
        f"litellm_settings: {{cache: true, cache_params: {{type: qdrant-semantic, qdrant_api_base: {SECRET}}}}}",
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
  - {model_name: b, litellm_params: {model: bedrock/b}}
litellm_settings: {cache: true, cache_params: {type: disk, ttl: 0, mode: default_off, supported_call_types: []}, x: 1}
"""
    lines = describe(read(text))
    assert [line for line in lines if not line[0].startswith("askonce.")] == [
        ("config", "config.yaml"),
        ("master key", "not set"),
        ("model a", "openai/a at https://api.openai.com/v1, the client's own key, defaults for temperature"),
        ("model b", "bedrock/b: not served: provider bedrock is not built yet"),
        ("routing", "simple-shuffle, 0 retries; cooled for 5 s after more than 3 failures in a minute"),
        ("limits", "counted in each process"),
        ("virtual keys", "cannot be made without a master key"),
        ("cache", "disk"),
        ("cache path", f"{tmp_path}/.litellm_cache, up to {10 << 30} bytes"),
        ("cache ttl", "0 s"),
        ("cache namespace", "none"),
        ("cache mode", "default_off"),
        ("cache call types", "none"),
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


AMAZON = "aws_iam_auth: true, aws_iam_user_name: u, aws_iam_cache_name: c, aws_iam_region: r"
BUCKET = (
    "s3_endpoint_url: 'http://u:p@h:1', s3_aws_access_key_id: k, s3_aws_secret_access_key: s, s3_use_ssl: false, "
    "s3_verify: false, s3_config: {x: 1}"
)
MATCHING = "similarity_threshold: 0.85, qdrant_collection_name: c, qdrant_api_base: 'https://u:p@h:6333'"


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        (
            "type: redis, startup_nodes: [[a, 1], [b, 2]], ssl: true, client_name: me",
            [("cache server", "cluster of a:1 b:2, password not set, TLS, with client_name")],
        ),
        (
            "type: redis, sentinel_nodes: [[a, 1]], service_name: m, password: p, db: 2",
            [
                (
                    "cache server",
                    "m as Sentinels at a:1 say, database 2, password set, password of the Sentinels not set",
                )
            ],
        ),
        (
            "type: redis, url: 'rediss://u:p@h:1', gcp_service_account: projects/-/a@b",
            [("cache server", "rediss://h:1, tokens of projects/-/a@b from Google, TLS")],
        ),
        (
            f"type: redis, host: h, ssl: true, {AMAZON}",
            [("cache server", "h:6379, database 0, requests signed for u of c in r, TLS")],
        ),
        (
            "type: redis, host: h, azure_redis_ad_token: true",
            [("cache server", "h:6379, database 0, tokens from Microsoft, of the machine")],
        ),
        ("type: s3, s3_bucket_name: b", [("cache bucket", "b, region not set, keys that boto3 finds")]),
        (
            f"type: s3, s3_bucket_name: b, s3_path: a/b/, s3_region_name: r, {BUCKET}",
            [
                (
                    "cache bucket",
                    "b/a/b, region r, at http://h:1, keys set, without TLS, certificate not checked, with x",
                )
            ],
        ),
        (
            f"type: qdrant-semantic, {MATCHING}, qdrant_api_key: k, qdrant_quantization_config: scalar",
            [
                ("cache server", "https://h:6333, API key set, scalar quantization"),
                ("cache matching", "from 0.85 up, by text-embedding-ada-002, in c"),
            ],
        ),
        (
            "type: redis-semantic, similarity_threshold: 1, host: h",
            [
                ("cache server", "h:6379, database 0, password not set"),
                ("cache matching", "from 1 up, by text-embedding-ada-002, in litellm_semantic_cache_index"),
            ],
        ),
    ],
)
def test_how_each_store_is_described(read, params, lines):
    settings = read(f"litellm_settings: {{cache: true, cache_params: {{{params}}}}}")
    shown = [line for line in describe(settings) if line[0].startswith("cache ")]
    assert [line for line in shown if line[0] in {"cache server", "cache bucket", "cache matching"}] == lines


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


@pytest.mark.parametrize("url", ["REDIS://u:word@h:1/0", "Redis://u:word@h:1/0", "redis://u:word@h:1/0"])
def test_tls_that_is_asked_for_is_had_however_the_url_is_written(read, url):
    params = f"{{type: redis, url: '{url}', ssl: true}}"
    redis = read(f"litellm_settings: {{cache: true, cache_params: {params}}}").cache.redis
    assert redis.url.get_secret_value() == "rediss://u:word@h:1/0"
    assert redis.ssl


@pytest.mark.parametrize(
    "url",
    ["unix:///run/r.sock?db=0&password=p@SECRET", "rediss://u@h/0?password=p@SECRET", "https://h/#a@SECRET"],
)
def test_what_stands_behind_a_query_is_never_shown(url):
    assert "SECRET" not in without_credentials(url)
