"""Variables of the environment and of `.env`.

Source: LiteLLM's page on caching; for what it does not name, `_redis.py` and `constants.py` of LiteLLM 1.109.
"""

from typing import Any, Final

import orjson

from askonce.config.providers import SERVED
from askonce.config.redis import SETTINGS
from askonce.config.redis_arguments import CLUSTER_ARGUMENTS, OURS
from askonce.config.surface.cache import REDIS
from askonce.config.surface.rows import LIMITS, NOT_BUILT, WORD, Table, listed, no, works

_BOUNDS: Final = "the breaker of a store has bounds of its own"


def _written(sample: Any) -> str:
    return (
        orjson.dumps(sample, option=orjson.OPT_NON_STR_KEYS).decode()
        if isinstance(sample, list | dict)
        else str(sample)
    )


def _of_redis() -> dict[str, str]:
    """What stands below `cache_params`, with the samples from there."""
    samples = {name: sample for row in REDIS.rows for name, sample in row.samples.items()}
    return {
        variable: _written(samples[setting.keys[0]])
        for name, setting in SETTINGS.items()
        if name not in CLUSTER_ARGUMENTS
        for variable in setting.variables
    }


def _of_providers() -> dict[str, str]:
    keys = {name: "sk-1" for one in SERVED.values() for name in (*one.keys, *one.tokens)}
    bases = {name: "http://127.0.0.1:8000/v1" for one in SERVED.values() for name in one.bases}
    return dict(sorted((keys | bases).items()))


_PROXY: Final = Table(
    "The proxy",
    "",
    (
        works(words="general_settings.master_key counts before it; of sk-1234 see there", LITELLM_MASTER_KEY="sk-1234"),
        works(
            words="router_settings.timeout and litellm_settings.request_timeout count before it", REQUEST_TIMEOUT="30"
        ),
        no("keys are kept in the queue's server, and need no database", *listed("DATABASE_URL LITELLM_SALT_KEY")),
        no("the file says it", "STORE_MODEL_IN_DB"),
    ),
)

_CACHE: Final = Table(
    "The cache",
    "",
    (
        works(words="below cache_params, name by name; lists are JSON", **_of_redis()),
        works(QDRANT_URL="http://q:6333", QDRANT_API_BASE="http://q:6333", QDRANT_API_KEY=WORD),
        works(words="1 s where nobody says, not 5", SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS="2.5"),
        works(
            words="in .env too: handed on to the library of the cloud",
            AWS_ACCESS_KEY_ID="id",
            AWS_SECRET_ACCESS_KEY=WORD,
            AWS_SESSION_TOKEN=WORD,
            GOOGLE_APPLICATION_CREDENTIALS="/path/to/service-account-key.json",
        ),
        no("askonce.store_deadline bounds every read", "REDIS_CONNECTION_POOL_TIMEOUT"),
        no(
            _BOUNDS,
            *listed("""
                REDIS_CIRCUIT_BREAKER_ENABLED REDIS_CIRCUIT_BREAKER_FAILURE_THRESHOLD
                REDIS_CIRCUIT_BREAKER_RECOVERY_TIMEOUT REDIS_CIRCUIT_BREAKER_TIMEOUT_MIN_DURATION
                REDIS_TIMEOUT_LOG_INTERVAL
            """),
        ),
        no("the server says its version", "DEFAULT_REDIS_MAJOR_VERSION"),
        no("askonce finds the nodes of a cluster itself", *(f"REDIS_{name.upper()}" for name in CLUSTER_ARGUMENTS)),
        no("askonce sets it itself", *(f"REDIS_{name.upper()}" for name in sorted(OURS))),
        no("use askonce.max_entry_bytes", "MAX_SIZE_PER_ITEM_IN_MEMORY_CACHE_IN_KB"),
        no(LIMITS, "DEFAULT_MAX_REDIS_BATCH_CACHE_SIZE"),
        no("streams are replayed at once", "CACHED_STREAMING_CHUNK_DELAY"),
        no("the embedder says it", "QDRANT_VECTOR_SIZE"),
        no("0.99, as in LiteLLM", "QDRANT_SCALAR_QUANTILE"),
        no(NOT_BUILT, *listed("VALKEY_HOST VALKEY_PORT VALKEY_PASSWORD GCS_BUCKET_NAME GCS_PATH_SERVICE_ACCOUNT")),
    ),
)

_PROVIDERS: Final = Table(
    "Providers",
    "",
    (
        works(words="of Azure's entries that do not say it", AZURE_API_VERSION="2024-10-21"),
        works(words="of entries that do not say it", **_of_providers()),
    ),
)

TABLES: Final = (_PROXY, _CACHE, _PROVIDERS)
