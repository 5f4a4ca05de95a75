"""What a request may say beside its question, and the headers of requests and answers.

Source: LiteLLM's page on caching; for other headers, `common_request_processing.py` of LiteLLM 1.109.
"""

from typing import Final

from askonce.config.surface.rows import COSTS, KEYS, NOT_BUILT, RETRIES, Table, better, listed, no, works

_CACHE: Final = Table(
    "The `cache` object",
    "cache.",
    (
        works(words="`0` keeps nothing, fractions count", ttl=300),
        better("of embeddings too; `0` accepts none", **{"s-maxage": 600, "s-max-age": 600}),
        works(
            words="the new answer is kept, as LiteLLM does and one table of its page does not say", **{"no-cache": True}
        ),
        works(words="an entry is read, as in LiteLLM", **{"no-store": True}),
        works(
            words="inside the configured namespace; matching by meaning keeps to it too",
            namespace="my-custom-namespace",
        ),
        better("of embeddings too", **{"use-cache": True}),
    ),
)

_BODY: Final = Table(
    "Beside it in the body",
    "",
    (
        no("whoever could choose a key could read and replace everybody's entries", "cache_key"),
        no("`no-cache` and `no-store` say it", "caching"),
        no("`cache.ttl` says it", "ttl"),
        no("`cache.namespace` says it", "metadata.redis_namespace"),
    ),
)

CONTROLS: Final = (_CACHE, _BODY)

ASKED: Final = Table(
    "Headers of requests",
    "",
    (
        works(*listed("Authorization x-litellm-api-key x-api-key api-key"), words="the client's key"),
        better(
            "`no-cache`, `no-store`, `max-age`, `only-if-cached`, and the object's names; LiteLLM hears none",
            "Cache-Control",
        ),
        works("x-litellm-model", words="whose files, batches and so on are meant"),
        no("`timeout` in the body shortens the wait", *listed("x-litellm-timeout x-litellm-stream-timeout")),
        no(RETRIES, "x-litellm-num-retries"),
        no(COSTS, *listed("x-litellm-tags x-litellm-spend-logs-metadata")),
        no(NOT_BUILT, *listed("x-litellm-call-id x-litellm-trace-id x-litellm-session-id")),
    ),
)

ANSWERED: Final = Table(
    "Headers of answers",
    "",
    (
        better("on hits of embeddings too", "x-litellm-cache-key"),
        works("x-litellm-semantic-similarity", words="not on misses for which nothing was searched"),
        no(
            COSTS,
            *listed("x-litellm-response-cost x-litellm-response-cost-* x-litellm-key-spend"),
        ),
        no(
            KEYS,
            *listed(
                "x-litellm-key-tpm-limit x-litellm-key-rpm-limit x-litellm-key-max-budget x-litellm-key-remaining-*"
            ),
        ),
        no(
            RETRIES,
            *listed(
                "x-litellm-attempted-retries x-litellm-max-retries x-litellm-attempted-fallbacks x-litellm-timeout"
            ),
        ),
        no("times are in [metrics.md](metrics.md)", *listed("x-litellm-*-duration-ms x-litellm-timing-*")),
        no("an answer from the provider has its headers under their own names", "llm_provider-*"),
        no(
            NOT_BUILT,
            *listed("""
                x-litellm-call-id x-litellm-model-id x-litellm-model-name x-litellm-model-group x-litellm-model-api-base
                x-litellm-model-region x-litellm-version x-litellm-fastest_response_batch_completion
                x-litellm-applied-guardrails
            """),
        ),
    ),
)
