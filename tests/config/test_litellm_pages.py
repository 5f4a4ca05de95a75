"""The config files and `.env` files of LiteLLM's page "Caching", byte for byte as they stand there in `litellm_page/`:
they load, and mean what the page says.
"""

from pathlib import Path

import pytest
from pydantic import SecretStr

from askonce.calls.table import CALL_TYPES
from askonce.config.settings import (
    CacheSettings,
    DiskSettings,
    Node,
    QdrantSettings,
    RedisSettings,
    S3Settings,
    SemanticSettings,
)
from tests.config.litellm_blocks import ACCOUNT, FOUR, PAGE, page

VERBOSE = "litellm_settings.set_verbose: use askonce.log_level"
DAY = 86_400.0


def redis_cache(redis: RedisSettings, **more: object) -> CacheSettings:
    return CacheSettings(**{"type": "redis", "ttl": DAY, "call_types": CALL_TYPES, "redis": redis} | more)


HOST = RedisSettings(host="h")
SIX = tuple(Node(host="127.0.0.1", port=port) for port in (7001, 7003, 7004, 7005, 7006, 7007))
TWO = (Node(host="10.128.0.2", port=6379), Node(host="10.128.0.2", port=11008))
SENTINEL = RedisSettings(
    sentinel_nodes=(Node(host="localhost", port=26379),),
    service_name="mymaster",
    sentinel_password=SecretStr("password"),
)
HERE = "<the working directory>"

# file, `.env`, further variables, the cache that is meant, and what is told
CASES = {
    "cache true alone is redis from the environment": (
        "quick_start.yaml", "redis.env",
        {"REDIS_HOST": "r.example", "REDIS_PORT": "18841", "REDIS_PASSWORD": "liteLlmIsAmazing"},
        redis_cache(RedisSettings(host="r.example", port=18841, password=SecretStr("liteLlmIsAmazing"))),
        (VERBOSE,),
    ),
    "a url alone": (
        "quick_start.yaml", "redis.env", {"REDIS_URL": "redis://username:password@hostname:6380/2"},
        redis_cache(RedisSettings(url=SecretStr("redis://username:password@hostname:6380/2"))),
        (VERBOSE,),
    ),
    "a url with TLS": (
        "quick_start.yaml", "url.env", {},
        redis_cache(RedisSettings(url=SecretStr("rediss://.."), ssl=True)), (VERBOSE,),
    ),
    "an argument that is left empty": (
        "ttl.yaml", "redis_argument.env", {"REDIS_HOST": "h"}, redis_cache(HOST, ttl=600.0), (),
    ),
    "namespace": (
        "namespace.yaml", None, {"REDIS_HOST": "h"}, redis_cache(HOST, namespace="litellm.caching.caching"), (),
    ),
    "a cluster in the file": (
        "cluster.yaml", None, {},
        redis_cache(RedisSettings(cluster_nodes=(Node(host="127.0.0.1", port=7001),))), (),
    ),
    "a cluster in the environment": (
        "quick_start.yaml", "cluster.env", {}, redis_cache(RedisSettings(cluster_nodes=SIX)), (VERBOSE,),
    ),
    "the file's cluster before that of the environment": (
        "cluster.yaml", "cluster.env", {},
        redis_cache(RedisSettings(cluster_nodes=(Node(host="127.0.0.1", port=7001),))), (),
    ),
    "sentinels in the file": ("sentinel.yaml", None, {}, redis_cache(SENTINEL), ()),
    "sentinels in the environment": ("quick_start.yaml", "sentinel.env", {}, redis_cache(SENTINEL), (VERBOSE,)),
    "ttl": ("ttl.yaml", None, {"REDIS_HOST": "h"}, redis_cache(HOST, ttl=600.0), ()),
    "TLS in the environment": (
        "namespace.yaml", "ssl.env", {"REDIS_HOST": "h"},
        redis_cache(RedisSettings(host="h", ssl=True), namespace="litellm.caching.caching"), (),
    ),
    "Google's identity in the file": (
        "gcp_iam.yaml", "google.env", {},
        redis_cache(
            RedisSettings(
                cluster_nodes=TWO, iam=ACCOUNT, ssl=True,
                arguments={"ssl_cert_reqs": "none", "ssl_check_hostname": False},
            )
        ),
        (),
    ),
    "Google's identity in the environment": (
        "quick_start.yaml", "gcp_iam.env", {},
        redis_cache(
            RedisSettings(
                cluster_nodes=TWO, iam=ACCOUNT, ssl=True,
                arguments={
                    "ssl_cert_reqs": "none",
                    "ssl_check_hostname": False,
                    "ssl_ca_certs": f"{HERE}/server-ca.pem",
                },
            )
        ),
        (VERBOSE,),
    ),
    "qdrant": (
        "qdrant.yaml", "qdrant.env", {"OPENAI_API_KEY": "sk-1"},
        CacheSettings(
            type="qdrant-semantic",
            ttl=DAY,
            call_types=CALL_TYPES,
            qdrant=QdrantSettings(
                url="https://5392d382-45*********.cloud.qdrant.io",
                api_key=SecretStr("16rJUMBRx*************"),
                quantization="binary",
            ),
            semantic=SemanticSettings(threshold=0.8, embedding_model="openai-embedding", index="test_collection"),
        ),
        (VERBOSE,),
    ),
    "s3": (
        "s3.yaml", None, {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"},
        CacheSettings(
            type="s3",
            call_types=CALL_TYPES,
            s3=S3Settings(
                bucket="cache-bucket-litellm",
                region="us-west-2",
                endpoint_url="https://s3.amazonaws.com",
                access_key_id=SecretStr("AKIA"),
                secret_access_key=SecretStr("secret"),
            ),
        ),
        (VERBOSE,),
    ),
    "redis-semantic": (
        "redis_semantic.yaml", "redis.env",
        {"REDIS_HOST": "h", "AZURE_API_BASE": "https://a.example", "AZURE_API_KEY": "k"},
        redis_cache(
            HOST,
            type="redis-semantic",
            semantic=SemanticSettings(
                threshold=0.8, embedding_model="azure-embedding-model", index="litellm_semantic_cache_index"
            ),
        ),
        (VERBOSE,),
    ),
    "local": ("local.yaml", None, {}, CacheSettings(type="local", ttl=600.0, call_types=CALL_TYPES), ()),
    "disk": (
        "disk.yaml", None, {},
        CacheSettings(
            type="disk",
            call_types=CALL_TYPES,
            disk=DiskSettings(path=Path("/tmp/litellm-cache"), max_bytes=10 << 30),
        ),
        (),
    ),
    "no call types": (
        "no_call_types.yaml", None, {"REDIS_HOST": "h"}, redis_cache(HOST, call_types=frozenset()), (),
    ),
    "call types": ("call_types.yaml", None, {"REDIS_HOST": "h"}, redis_cache(HOST, call_types=FOUR), ()),
    "parameters": (
        "params.yaml", None, {},
        redis_cache(
            RedisSettings(host="localhost", port=6379, password=SecretStr("your_password")), call_types=FOUR
        ),
        (VERBOSE,),
    ),
    "default off without a type is local": (
        "default_off.yaml", None, {},
        CacheSettings(type="local", ttl=600.0, call_types=CALL_TYPES, opt_in=True), (VERBOSE,),
    ),
    "max_connections": (
        "max_connections.yaml", None, {"REDIS_HOST": "h"},
        redis_cache(RedisSettings(host="h", max_connections=100)), (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_page(read, tmp_path, case):
    file, dotenv, environ, cache, told = CASES[case]
    settings = read(page(file), dotenv=None if dotenv is None else page(dotenv), **environ)
    if cache.redis is not None and "ssl_ca_certs" in cache.redis.arguments:
        seen = {"ssl_ca_certs": cache.redis.arguments["ssl_ca_certs"].replace(HERE, str(tmp_path))}
        redis = cache.redis.model_copy(update={"arguments": cache.redis.arguments | seen})
        cache = cache.model_copy(update={"redis": redis})
    assert settings.cache == cache
    assert settings.ignored == told
    assert settings.proxy.embedding_deadline == 1.0


@pytest.mark.parametrize(
    ("file", "environ", "deployments"),
    [
        (
            "quick_start.yaml",
            {"REDIS_HOST": "h"},
            [
                ("gpt-3.5-turbo", "gpt-3.5-turbo", "https://api.openai.com/v1", None),
                ("text-embedding-ada-002", "text-embedding-ada-002", "https://api.openai.com/v1", None),
            ],
        ),
        ("cluster.yaml", {}, [("*", "*", "https://api.openai.com/v1", None)]),
        (
            "qdrant.yaml",
            {"OPENAI_API_KEY": "sk-1", "QDRANT_URL": "http://q"},
            [
                ("fake-openai-endpoint", "fake", "https://exampleopenaiendpoint-production.up.railway.app", "fake-key"),
                ("openai-embedding", "text-embedding-3-small", "https://api.openai.com/v1", "sk-1"),
            ],
        ),
        (
            "default_off.yaml",
            {},
            [("fake-openai-endpoint", "fake", "https://exampleopenaiendpoint-production.up.railway.app", "fake-key")],
        ),
    ],
)
def test_its_models(read, file, environ, deployments):
    found = read(page(file), **environ).deployments
    keys = [None if one.api_key is None else one.api_key.get_secret_value() for one in found]
    assert [(d.pattern, d.model, d.api_base, key) for d, key in zip(found, keys, strict=True)] == deployments


def test_every_block_of_the_page_is_used():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_litellm_*.py"))
    assert all(f'"{path.name}"' in tests for path in PAGE.iterdir())
    assert len(list(PAGE.iterdir())) == 27
