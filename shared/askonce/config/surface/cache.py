"""`litellm_settings.cache_params`, for each type of cache.

Source: LiteLLM's page on caching; for what is newer, `caching/caching.py` of LiteLLM 1.109.
"""

from typing import Any, Final

from askonce.config.redis_arguments import CLUSTER_ARGUMENTS, OURS
from askonce.config.surface.rows import NOT_BUILT, WORD, Table, better, no, works

PREFIX: Final = "litellm_settings.cache_params."
_NODES: Final = [{"host": "h", "port": 7001}]

_TYPES: Final = Table(
    "`cache_params.type`",
    PREFIX,
    (
        works(words="none is local, or redis where there are no cache_params at all", type="disk"),
        better("bounded by bytes, and in step with all other frontends", "type: local"),
        better("LMDB, without pickle; LiteLLM 1.109 has no disk store any more", "type: disk"),
        better("a deadline for every read; what one frontend knows, all know", "type: redis"),
        better("a deadline for every read; deletions reach it", "type: s3"),
        better("one point for each key, with its ttl, deleted with it; a guard of matches", "type: qdrant-semantic"),
        better("users, TLS, Sentinels and REDIS_URL too; a guard of matches", "type: redis-semantic"),
        no(
            f"is {NOT_BUILT}; answers are kept in memory only",
            *("type: valkey-semantic", "type: gcs", "type: azure-blob"),
        ),
    ),
)

_EVERY: Final = Table(
    "`cache_params` of every type",
    PREFIX,
    (
        works(words="0 keeps nothing, null is without an end", ttl=300),
        better("of redis, bounds the copy in memory and never reaches the store", default_in_memory_ttl=60),
        works(namespace="litellm.caching.caching"),
        works(mode="default_off"),
        better("embeddings are found too", "mode: default_off"),
        better("completion means acompletion too, and so on; speech is one more", supported_call_types=["acompletion"]),
        works(words="the folder of type disk", disk_cache_dir="litellm-cache"),
        no("conversations of any length are kept", "max_messages"),
    ),
)

_ARGUMENTS: Final[dict[str, Any]] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "socket_keepalive_options": {1: 1},
    "socket_read_size": 65536,
    "health_check_interval": 30,
    "retry_on_timeout": True,
    "unix_socket_path": "redis.sock",
    "client_name": "mine",
    "lib_name": "mine",
    "lib_version": "1.0",
    "protocol": 2,
    "ssl_keyfile": "key.pem",
    "ssl_certfile": "cert.pem",
    "ssl_cert_reqs": None,
    "ssl_include_verify_flags": "VERIFY_X509_STRICT",
    "ssl_exclude_verify_flags": "VERIFY_X509_STRICT",
    "ssl_ca_certs": "ca.pem",
    "ssl_ca_data": "text",
    "ssl_ca_path": "folder",
    "ssl_check_hostname": False,
    "ssl_min_version": "TLSv1_3",
    "ssl_ciphers": "ECDHE+AESGCM",
    "ssl_password": WORD,
}

REDIS: Final = Table(
    "`cache_params` of `redis` and `redis-semantic`",
    PREFIX,
    (
        works(host="h", port=6380, username="me", password=WORD, db=2, ssl=True),
        works(url="redis://h:6380/1", redis_url="redis://h:6380/1"),
        works(words="for each process", max_connections=100),
        better(
            "a master that is lost costs misses of its own keys only", redis_startup_nodes=_NODES, startup_nodes=_NODES
        ),
        works(sentinel_nodes=[["localhost", 26379]], service_name="mymaster", sentinel_password=WORD),
        works(default_in_redis_ttl=300),
        works(**_ARGUMENTS),
        better(
            "for one server and Sentinels too, not for clusters only",
            gcp_service_account="projects/-/serviceAccounts/your-sa@project.iam.gserviceaccount.com",
            gcp_ssl_ca_certs="./server-ca.pem",
        ),
        works(azure_redis_ad_token=True, azure_client_id="id", azure_tenant_id="tenant", azure_client_secret=WORD),
        works(
            aws_iam_auth=True,
            aws_iam_user_name="me",
            aws_iam_cache_name="mine",
            aws_iam_region="eu-west-1",
            aws_iam_serverless=True,
        ),
        no("use default_in_redis_ttl, or litellm_settings.default_redis_ttl", "default_redis_ttl"),
        no("writers always write in batches", "redis_flush_size"),
        no("askonce finds the nodes of a cluster itself", *CLUSTER_ARGUMENTS),
        no("askonce sets it itself", *sorted(OURS)),
    ),
)

_S3: Final = Table(
    "`cache_params` of `s3`",
    PREFIX,
    (
        works(
            s3_bucket_name="cache-bucket-litellm",
            s3_region_name="us-west-2",
            s3_path="folder",
            s3_api_version="2006-03-01",
            s3_use_ssl=False,
            s3_verify=False,
            s3_endpoint_url="http://127.0.0.1:9000",
            s3_config={"max_pool_connections": 8},
        ),
        works(s3_aws_access_key_id="id", s3_aws_secret_access_key=WORD, s3_aws_session_token=WORD),
    ),
)

_SEMANTIC: Final = Table(
    "`cache_params` of `qdrant-semantic` and `redis-semantic`",
    PREFIX,
    (
        better("only the last user text is compared; all else must be equal", similarity_threshold=0.8),
        better(
            "local/minilm too, which needs no network",
            qdrant_semantic_cache_embedding_model="local/minilm",
            redis_semantic_cache_embedding_model="local/minilm",
        ),
        works(qdrant_api_base="http://q:6333", qdrant_api_key=WORD, qdrant_collection_name="test_collection"),
        works(qdrant_quantization_config="scalar", redis_semantic_cache_index_name="mine"),
        works(words="1 s where nobody says, not 5", semantic_cache_embedding_timeout=2.5),
        no("the embedder says it", "qdrant_semantic_cache_vector_size"),
        no(
            "longer texts are matched exactly only; askonce.semantic_max_chars",
            "semantic_cache_embedding_max_input_tokens",
        ),
        no("who shares answers is askonce.cache_scope", "semantic_cache_scope"),
    ),
)

_UNBUILT: Final = Table(
    "`cache_params` of other types",
    PREFIX,
    (no(NOT_BUILT, "gcs_*", "azure_account_url", "azure_blob_container", "valkey_semantic_*"),),
)

TABLES: Final = (_TYPES, _EVERY, REDIS, _S3, _SEMANTIC, _UNBUILT)
