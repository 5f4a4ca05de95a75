"""What a request may say beside its question, and the headers of requests and answers.

Source: LiteLLM's page on caching; for other headers, `common_request_processing.py` of LiteLLM 1.109.
"""

from typing import Final

from askonce.config.surface.rows import COSTS, NOT_BUILT, Table, better, listed, no, works

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
        works(words="before the header", num_retries=2),
        works(words="names of models", fallbacks=["gpt-4o"]),
        works(disable_fallbacks=True),
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
        works("x-litellm-num-retries", words="below `num_retries` in the body"),
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
        works("x-litellm-response-cost", words="`0.0` on hits; not on streams, whose cost is known at their end"),
        works(
            *listed("x-litellm-key-max-budget x-litellm-key-rpm-limit x-litellm-key-tpm-limit"),
            words="on answers from the provider, to virtual keys",
        ),
        works(
            *listed("x-litellm-model-group x-litellm-attempted-retries x-litellm-attempted-fallbacks"),
            words="on answers from the provider",
        ),
        works(*listed("retry-after rate_limit_type reset_at"), words="on 429 of a limit"),
        no(COSTS, "x-litellm-response-cost-*"),
        works(
            "x-litellm-key-spend",
            words="on answers from the provider, to virtual keys; not on a key's first",
        ),
        no("a limit that is met is told with 429", *listed("x-litellm-key-remaining-* x-ratelimit-*")),
        no(NOT_BUILT, *listed("x-litellm-max-retries x-litellm-timeout")),
        no("times are in [metrics.md](metrics.md)", *listed("x-litellm-*-duration-ms x-litellm-timing-*")),
        no("an answer from the provider has its headers under their own names", "llm_provider-*"),
        no(
            NOT_BUILT,
            *listed("""
                x-litellm-call-id x-litellm-model-id x-litellm-model-name x-litellm-model-api-base
                x-litellm-model-region x-litellm-version x-litellm-fastest_response_batch_completion
                x-litellm-applied-guardrails
            """),
        ),
    ),
)
