"""The two types that match by meaning: where the vectors are kept, and who makes them."""

import pytest
from pydantic import SecretStr

from askonce.config.notes import ConfigErrors
from askonce.config.settings import QdrantSettings, SemanticSettings
from askonce.core.errors import ConfigError

PARAMS = "litellm_settings.cache_params"
QDRANT = "type: qdrant-semantic, similarity_threshold: 0.8, qdrant_collection_name: c"
REDIS = "type: redis-semantic, similarity_threshold: 0.8, host: h"
MODEL = f"{PARAMS}.redis_semantic_cache_embedding_model"


def cache(params: str, models: str = "") -> str:
    return f"{{litellm_settings: {{cache: true, cache_params: {{{params}}}}}, model_list: [{models}]}}"


def model(name: str, params: str) -> str:
    return f"{{model_name: '{name}', litellm_params: {{{params}}}}}"


CHAT = model("chat", "model: gpt-4o, api_key: k")


@pytest.mark.parametrize(
    ("params", "environ", "expected"),
    [
        ("qdrant_api_base: 'http://f/'", {"QDRANT_URL": "http://u", "QDRANT_API_BASE": "http://b"}, ("http://f", None)),
        ("ttl: 1", {"QDRANT_URL": "http://u", "QDRANT_API_BASE": "http://b"}, ("http://u", None)),
        ("qdrant_api_base: ''", {"QDRANT_API_BASE": "http://b:6333"}, ("http://b:6333", None)),
        ("qdrant_api_base: os.environ/Q", {"Q": "https://q"}, ("https://q", None)),
        ("qdrant_api_key: f", {"QDRANT_URL": "http://u", "QDRANT_API_KEY": "e"}, ("http://u", "f")),
        ("ttl: 1", {"QDRANT_URL": "http://u", "QDRANT_API_KEY": "e"}, ("http://u", "e")),
        ("qdrant_api_key: os.environ/NONE", {"QDRANT_URL": "http://u"}, ("http://u", None)),
    ],
)
def test_where_qdrant_is(read, params, environ, expected):
    found = read(cache(f"{QDRANT}, {params}"), **environ).cache.qdrant
    assert (found.url, None if found.api_key is None else found.api_key.get_secret_value()) == expected


def test_all_of_qdrant(read):
    params = "qdrant_quantization_config: product, qdrant_semantic_cache_vector_size: '384', ttl: null"
    found = read(cache(f"{QDRANT}, {params}"), QDRANT_URL="http://q", OPENAI_API_KEY="k").cache
    assert found.qdrant == QdrantSettings(url="http://q", quantization="product")
    assert found.semantic == SemanticSettings(threshold=0.8, embedding_model="text-embedding-ada-002", index="c")
    assert found.ttl is None
    plain = read(cache(QDRANT), QDRANT_URL="http://q").cache.qdrant
    assert plain == QdrantSettings(url="http://q", quantization="binary")


def test_all_of_redis(read):
    params = "username: u, password: p, ssl: true, redis_semantic_cache_index_name: mine, similarity_threshold: '1'"
    found = read(cache(f"{REDIS}, {params}".replace("similarity_threshold: 0.8, ", ""))).cache
    assert (found.redis.host, found.redis.username, found.redis.ssl) == ("h", "u", True)
    assert found.redis.password == SecretStr("p")
    assert found.semantic == SemanticSettings(threshold=1.0, embedding_model="text-embedding-ada-002", index="mine")


def test_sentinels_may_lead_to_the_redis_that_searches(read):
    text = cache("type: redis-semantic, similarity_threshold: 0, service_name: m, sentinel_nodes: [[s, 1]]")
    assert read(text).cache.redis.service_name == "m"
    assert read(text).cache.semantic.threshold == 0


# -- who embeds -------------------------------------------------------------------------------------------------------


def embedded_by(name: str) -> str:
    return f"{REDIS}, redis_semantic_cache_embedding_model: '{name}'"


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("mine", model("mine", "model: openai/text-embedding-3-small, api_key: k")),
        ("openai/small", model("openai/*", "model: 'openai/*', api_key: k")),
        ("anything", model("*", "model: '*', api_key: k")),
        ("mine", model("mine", "model: hosted_vllm/bge, api_base: 'http://v'")),
        ("mine", model("mine", "model: bge, api_base: 'http://v'")),
        # one member that can be asked is enough
        ("mine", f"{model('mine', 'model: bedrock/x')}, {model('mine', 'model: x, api_key: k')}"),
    ],
)
def test_a_model_of_the_list(read, name, models):
    settings = read(cache(embedded_by(name), f"{CHAT}, {models}"))
    assert settings.cache.semantic.embedding_model == name
    assert len(settings.deployments) == 1 + models.count("model_name")
    assert settings.ignored == ()


@pytest.mark.parametrize(
    ("models", "environ", "why"),
    [
        (model("mine", "model: bedrock/x, api_key: k"), {}, "provider bedrock is not built yet"),
        (model("mine", "model: x, api_key: os.environ/K"), {"OPENAI_API_KEY": "k"}, "K is not set"),
        (model("mine", "model: x"), {}, "OPENAI_API_KEY is not set"),
        # the longest pattern is asked, whatever a shorter one could do
        (
            f"{model('*', 'model: x, api_key: k')}, {model('mine', 'model: bedrock/x')}",
            {},
            "provider bedrock is not built yet",
        ),
    ],
)
def test_one_that_cannot_be_asked_leaves_exact_matching_and_is_told(read, models, environ, why):
    settings = read(cache(embedded_by("mine"), models), **environ)
    assert settings.cache.semantic.embedding_model == "mine"
    assert settings.ignored == (f"{MODEL}: {why}; answers are matched exactly only",)


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("", {"OPENAI_API_KEY": "k"}, ("text-embedding-ada-002", "openai", "https://api.openai.com/v1", "k")),
        ("text-embedding-3-large", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://o/"},
         ("text-embedding-3-large", "openai", "http://o", "k")),
        ("openai/some-embedding", {"OPENAI_API_KEY": "k"},
         ("some-embedding", "openai", "https://api.openai.com/v1", "k")),
        ("hosted_vllm/bge/m3", {"HOSTED_VLLM_API_BASE": "http://v"}, ("bge/m3", "hosted_vllm", "http://v", None)),
        ("ollama/nomic", {}, ("nomic", "ollama", "http://localhost:11434/v1", None)),
        ("azure/emb", {"AZURE_API_BASE": "http://a/", "AZURE_API_KEY": "k"}, ("emb", "azure", "http://a", "k")),
    ],
)  # fmt: skip
def test_a_providers_model_that_the_list_does_not_have(read, name, environ, expected):
    settings = read(cache(embedded_by(name), CHAT), **environ)
    chat, added = settings.deployments
    key = None if added.api_key is None else added.api_key.get_secret_value()
    assert chat.pattern == "chat"
    assert added.pattern == settings.cache.semantic.embedding_model == (name or "text-embedding-ada-002")
    assert (added.model, added.provider, added.api_base, key) == expected
    assert (chat.for_clients, added.for_clients) == (True, False), "nobody has listed it, and it costs the operator"
    assert (added.unsupported, settings.ignored) == (None, ())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bedrock/amazon.titan-embed-text-v2:0", "provider bedrock is not built yet"),
        ("cohere/embed-english-v3.0", "provider cohere serves /rerank only, not /embeddings"),
    ],
)
def test_a_model_of_a_provider_that_is_not_built_or_has_no_vectors(read, name, why):
    settings = read(cache(embedded_by(name), CHAT))
    assert settings.deployments[1].unsupported == why
    assert settings.ignored == (f"{MODEL}: {why}; answers are matched exactly only",)


def test_without_a_list_everything_is_openais_also_the_vectors(read):
    settings = read(cache(embedded_by("whatever")), OPENAI_API_KEY="k")
    assert [one.pattern for one in settings.deployments] == ["*"]
    assert settings.ignored == ()


@pytest.mark.parametrize(
    "name", ["mine", "text-embedding-ada-002", "openai/x", "acme/x", "hosted_vllm/x", "azure/x", "cha"]
)
def test_a_name_that_nothing_answers_to_stops_the_start(read, name):
    environ = {} if "/" in name or name.startswith("text-") else {"OPENAI_API_KEY": "k"}
    with pytest.raises(ConfigError) as caught:
        read(cache(embedded_by(name), CHAT), **environ)
    assert caught.value.key == MODEL
    assert caught.value.expected.startswith("must be a model_name of model_list, local/minilm, ")


def test_local_models(read, tmp_path):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    minilm = read(cache(embedded_by("local/minilm"), CHAT))
    assert (minilm.cache.semantic.embedding_model, minilm.cache.semantic.local_model) == ("local/minilm", "minilm")
    assert len(minilm.deployments) == 1
    folder = read(cache(embedded_by("local/models/mine"))).cache.semantic
    assert folder.local_model == f"{tmp_path}/models/mine"
    assert read(cache(embedded_by(f"local/{tmp_path}"))).cache.semantic.local_model == str(tmp_path)
    for name in ("local/", "local/none", "local/config.yaml"):
        with pytest.raises(ConfigError, match="must be local/minilm, or local/ and a folder with a model"):
            read(cache(embedded_by(name)))


@pytest.mark.parametrize(
    ("params", "environ", "seconds", "told"),
    [
        ("ttl: 1", {}, 1.0, ()),
        ("semantic_cache_embedding_timeout: 3", {"SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS": "4"}, 3.0, ()),
        ("semantic_cache_embedding_timeout: null", {"SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS": "4"}, 4.0, ()),
        ("semantic_cache_embedding_timeout: 3", {"ASKONCE_EMBEDDING_DEADLINE": "0.5"}, 0.5,
         (f"{PARAMS}.semantic_cache_embedding_timeout: askonce.embedding_deadline is set",)),
        ("ttl: 1", {"SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS": "4", "ASKONCE_EMBEDDING_DEADLINE": "1"}, 1.0,
         ("SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS: askonce.embedding_deadline is set",)),
    ],
)  # fmt: skip
def test_litellms_bound_of_an_embedding_call_where_there_is_none_of_ours(read, params, environ, seconds, told):
    settings = read(cache(f"{REDIS}, {params}"), **environ, OPENAI_API_KEY="k")
    assert settings.proxy.embedding_deadline == seconds
    assert settings.ignored == told


# -- what stops the start ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "environ", "key", "expected"),
    [
        (
            "type: redis-semantic, host: h",
            {},
            f"{PARAMS}.similarity_threshold",
            "must be provided, a number from 0 to 1",
        ),
        (f"{REDIS}, similarity_threshold: 80", {}, f"{PARAMS}.similarity_threshold", "must be a number from 0 to 1"),
        (f"{REDIS}, similarity_threshold: -0.1", {}, f"{PARAMS}.similarity_threshold", "must be a number from 0 to 1"),
        (f"{REDIS}, similarity_threshold: high", {}, f"{PARAMS}.similarity_threshold", "must be a number from 0 to 1"),
        (f"{REDIS}, similarity_threshold: true", {}, f"{PARAMS}.similarity_threshold", "must be a number from 0 to 1"),
        ("type: redis-semantic, similarity_threshold: 0.8", {}, PARAMS, "Either 'host' or 'url' must be specified"),
        (
            "type: redis-semantic, similarity_threshold: 0.8, redis_startup_nodes: [[h, 1]]",
            {},
            f"{PARAMS}.redis_startup_nodes",
            "is a cluster, and search does not work across one",
        ),
        (
            "type: redis-semantic, similarity_threshold: 0.8",
            {"REDIS_CLUSTER_NODES": '[["h", 1]]'},
            "REDIS_CLUSTER_NODES",
            "is a cluster, and search does not work across one",
        ),
        (
            f"{REDIS}, redis_semantic_cache_index_name: 'a/b'",
            {},
            f"{PARAMS}.redis_semantic_cache_index_name",
            "must be 1 to 100 characters without ",
        ),
        (QDRANT, {}, f"{PARAMS}.qdrant_api_base", "Qdrant url must be provided"),
        (
            f"{QDRANT}, qdrant_api_base: os.environ/Q",
            {},
            f"{PARAMS}.qdrant_api_base",
            "Qdrant url must be provided, here, as QDRANT_URL or as QDRANT_API_BASE (Q is not set)",
        ),
        (QDRANT, {"QDRANT_URL": "q:6333"}, "QDRANT_URL", "must be an address that begins with http"),
        (
            "type: qdrant-semantic, similarity_threshold: 0.8",
            {"QDRANT_URL": "http://q"},
            f"{PARAMS}.qdrant_collection_name",
            "must be provided",
        ),
        (
            f"{QDRANT}, qdrant_quantization_config: ternary",
            {"QDRANT_URL": "http://q"},
            f"{PARAMS}.qdrant_quantization_config",
            "must be one of binary, scalar, product",
        ),
        (
            f"{REDIS}, semantic_cache_embedding_timeout: 0",
            {},
            f"{PARAMS}.semantic_cache_embedding_timeout",
            "must be a ",
        ),
        (
            REDIS,
            {"SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS": "0"},
            "SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS",
            "must be a number above zero",
        ),
    ],
)
def test_wrong_values(read, params, environ, key, expected):
    with pytest.raises(ConfigError) as caught:
        read(cache(params), **environ, OPENAI_API_KEY="k")
    assert not isinstance(caught.value, ConfigErrors), str(caught.value)
    assert caught.value.key == key
    assert caught.value.expected.startswith(expected)


def test_all_that_is_missing_is_told_at_once(read):
    with pytest.raises(ConfigErrors) as caught:
        read(cache("type: qdrant-semantic, qdrant_semantic_cache_embedding_model: nobody", CHAT))
    assert [error.key.removeprefix(f"{PARAMS}.") for error in caught.value.errors] == [
        "qdrant_api_base",
        "similarity_threshold",
        "qdrant_collection_name",
        "qdrant_semantic_cache_embedding_model",
    ]
