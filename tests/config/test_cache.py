"""`litellm_settings.cache` and `cache_params`: which store, which lives, and what has no effect."""

import pytest

from askonce.config.known import UNBUILT_STORES


def cache(params: str = "", more: str = "") -> str:
    return f"litellm_settings: {{cache: true, cache_params: {{{params}}}{more}}}"


MATCHING = "similarity_threshold: 0.8"
QDRANT = f"type: qdrant-semantic, {MATCHING}, qdrant_collection_name: c, qdrant_api_base: 'http://q'"
REDIS_SEMANTIC = f"type: redis-semantic, {MATCHING}"


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
        ("type: s3, s3_bucket_name: b", ", default_redis_ttl: 9, default_in_memory_ttl: 9", None, None),
        ("type: s3, s3_bucket_name: b, ttl: 5, default_in_redis_ttl: 7, default_in_memory_ttl: 3", "", 5, 3),
        (QDRANT, ", default_redis_ttl: 9", 86400, None),
        (f"{QDRANT}, ttl: null", "", None, None),
        (f"{QDRANT}, ttl: 5, default_in_redis_ttl: 7", "", 5, None),
        (REDIS_SEMANTIC, "", 86400, None),
        (REDIS_SEMANTIC, ", default_redis_ttl: 9", 9, None),
        (f"{REDIS_SEMANTIC}, ttl: 5, default_in_redis_ttl: 7, default_in_memory_ttl: 3", "", 7, 3),
        (f"{REDIS_SEMANTIC}, ttl: null", "", None, None),
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


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("host", "only for types redis and redis-semantic"),
        ("redis_startup_nodes", "only for types redis and redis-semantic"),
        ("sentinel_password", "only for types redis and redis-semantic"),
        ("aws_iam_auth", "only for types redis and redis-semantic"),
        ("default_in_redis_ttl", "only for types redis and redis-semantic"),
        ("disk_cache_dir", "only for type disk"),
        ("s3_bucket_name", "only for type s3"),
        ("qdrant_api_base", "only for type qdrant-semantic"),
        ("qdrant_semantic_cache_embedding_model", "only for type qdrant-semantic"),
        ("redis_semantic_cache_index_name", "only for type redis-semantic"),
        ("similarity_threshold", "only for types qdrant-semantic and redis-semantic"),
        ("semantic_cache_embedding_timeout", "only for types qdrant-semantic and redis-semantic"),
        ("max_messages", "conversations of any length are kept"),
        ("semantic_cache_scope", "who shares answers is askonce.cache_scope"),
        (
            "semantic_cache_embedding_max_input_tokens",
            "longer texts are matched exactly only; askonce.semantic_max_chars",
        ),
        ("redis_flush_size", "writers always write in batches"),
        ("default_redis_ttl", "use default_in_redis_ttl, or litellm_settings.default_redis_ttl"),
        ("decode_responses", "askonce sets it itself"),
        ("gcs_bucket_name", "not built yet"),
        ("valkey_semantic_cache_index_name", "not built yet"),
        ("azure_account_url", "not built yet"),
        ("tttl", "not known"),
    ],
)
def test_what_has_no_effect_is_told_with_its_reason(read, name, why):
    settings = read(cache(f"type: local, {name}: x"))
    assert settings.ignored == (f"litellm_settings.cache_params.{name}: {why}",)


@pytest.mark.parametrize("kind", UNBUILT_STORES)
def test_stores_that_are_not_built_keep_answers_in_memory(read, kind):
    settings = read(cache(f"type: {kind}, gcs_bucket_name: b"))
    assert (settings.cache.type, settings.cache.ttl) == ("local", 600)
    assert settings.ignored == (
        f"litellm_settings.cache_params.type: {kind} is not built yet; answers are kept in memory only",
        "litellm_settings.cache_params.gcs_bucket_name: not built yet",
    )
