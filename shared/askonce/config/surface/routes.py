"""Routes, each with its method.

Source: LiteLLM's page on caching; the others as `litellm/proxy` of LiteLLM 1.109 has them.
"""

from typing import Final

from askonce.config.surface.rows import COSTS, NOT_BUILT, Table, better, no, works


def _post(*paths: str) -> tuple[str, ...]:
    return tuple(f"POST {path}" for path in paths)


def _get(*paths: str) -> tuple[str, ...]:
    return tuple(f"GET {path}" for path in paths)


_CACHED: Final = Table(
    "Cached",
    "",
    (
        better(
            "one entry for plain and streamed answers",
            *_post(
                *("/v1/chat/completions", "/chat/completions", "/engines/{model}/chat/completions"),
                *("/openai/deployments/{model}/chat/completions", "/v1/completions", "/completions"),
                *("/engines/{model}/completions", "/openai/deployments/{model}/completions"),
            ),
        ),
        better(
            "a partial hit asks for what is missing; all controls count",
            *_post(
                *("/v1/embeddings", "/embeddings", "/engines/{model}/embeddings"),
                "/openai/deployments/{model}/embeddings",
            ),
        ),
        works(
            *_post(
                *("/v1/audio/transcriptions", "/audio/transcriptions"),
                "/openai/deployments/{model}/audio/transcriptions",
            ),
            words="by the bytes of the file",
        ),
        works(*_post("/v1/rerank", "/rerank", "/v2/rerank")),
        better(
            "one entry for plain and streamed answers; streams come back to the byte",
            *_post("/v1/responses", "/responses", "/openai/responses"),
            *_post("/v1/messages", "/messages", "/anthropic/v1/messages"),
        ),
        better(
            "cached; LiteLLM asks each time",
            *_post("/v1/audio/speech", "/audio/speech", "/openai/deployments/{model}/audio/speech"),
        ),
    ),
)

_PASSED: Final = Table(
    "Passed through",
    "",
    (
        works(
            *_get("/v1/files", "/v1/assistants", "/v1/responses/{id}"),
            *_post(
                *("/v1/files", "/v1/batches", "/v1/images/generations", "/v1/moderations", "/v1/fine_tuning/jobs"),
                *("/v1/threads", "/v1/vector_stores", "/v1/messages/count_tokens", "/moderations", "/files"),
            ),
            words="and whatever else is below `/v1`; both directions as they come",
        ),
        no("WebSockets are not built yet: 501", "WS /v1/realtime"),
    ),
)

_OPERATORS: Final = Table(
    "For operators",
    "",
    (
        better("a probe is written and read, with every type", "GET /cache/ping"),
        better("every type; memory of every frontend too; sure, or 503", "POST /cache/delete"),
        better("every type; the own namespace only, and memory of every frontend", "POST /cache/flushall"),
        better("of a Cluster, each of its servers", "GET /cache/redis/info"),
        works(*_get("/health/liveliness", "/health/liveness")),
        works("GET /health/readiness", words="with `cache` and `queue`"),
        better("asks for lists of models, which cost nothing", "GET /health"),
        works(*_get("/v1/models", "/models", "/v1/models/{model}"), words="those that the key may ask for"),
        works(*_get("/model/info", "/v1/model/info")),
        works("GET /metrics", words="always there, under names of its own ([metrics.md](metrics.md))"),
        no("the file says it", *_get("/cache/settings"), *_post("/cache/settings", "/cache/settings/test")),
        no(
            "not built yet: users",
            *("/user/*", "/v2/user/*", "/management/v1/users/*", "/customer/*", "/end_user/*", "/invitation/*"),
            *("/organization/*", "/v2/organization/*", "/project/*"),
        ),
        no(COSTS, "/spend/*", "/global/*", "/budget/*", "/tag/*"),
        no(
            "the file says it",
            *_post("/model/new", "/model/delete", "/model/update", "/model/block", "/model/unblock"),
            *("PATCH /model/{model_id}/update", "/credentials", "/credentials/*", "/config/*"),
        ),
        no(
            NOT_BUILT,
            *_get("/health/services", "/health/readiness/details", "/health/backlog", "/test", "/settings"),
            *_get("/active/callbacks", "/model_group/info", "/ui"),
            "POST /health/drain",
        ),
    ),
)

_KEYS: Final = Table(
    "Keys and teams",
    "",
    (
        better(
            "without a database; good, or refused, in every frontend when it is answered ([keys.md](keys.md))",
            *_post("/key/generate", "/key/update", "/key/delete", "/key/block", "/key/unblock", "/key/regenerate"),
        ),
        works("GET /key/info", words="of any key, or of one's own"),
        works("GET /key/list"),
        works(
            *_post("/team/new", "/team/update", "/team/delete", "/team/block", "/team/unblock"),
            *_get("/team/info", "/team/list"),
            words="models, limits and budgets that its keys share; no members",
        ),
        no("`POST /key/regenerate` does it: a key does not belong in an address", "POST /key/{key}/regenerate"),
        no(
            NOT_BUILT,
            *_post("/key/bulk_update", "/key/health", "/key/service-account/generate", "/key/{key}/reset_spend"),
            *_post("/v2/key/info", "/team/bulk_member_add", "/team/permissions_*"),
            *_get("/key/aliases", "/key/spend/report", "/team/available", "/team/permissions_list", "/v2/team/list"),
            *("/team/member_*", "/team/model/*", "/team/key/*", "/team/daily/*", "/team/spend/*"),
            *("/team/{team_id}/callback", "/team/{team_id}/member/*", "/team/{team_id}/disable_logging"),
        ),
    ),
)

TABLES: Final = (_CACHED, _PASSED, _OPERATORS, _KEYS)
