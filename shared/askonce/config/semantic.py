"""What `cache_params` say about matching by meaning, and which deployment embeds. Knows no store and no vector.

Source: LiteLLM's page on caching; for the names of provider models, `litellm.aembedding` of LiteLLM 1.109.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from askonce.config.models import unlisted
from askonce.config.names import Names
from askonce.config.notes import Notes
from askonce.config.providers import SERVED, without_route
from askonce.config.section import Section
from askonce.config.settings import CacheType, Deployment, ProxySettings, SemanticSettings
from askonce.config.values import Wrong, fraction, line, place, positive

DEFAULT_MODEL: Final = "text-embedding-ada-002"
DEFAULT_INDEX: Final = "litellm_semantic_cache_index"
LOCAL: Final = "local/"
LOCAL_MODELS: Final = ("minilm",)  # those that have a name; others are folders


@dataclass(frozen=True, slots=True)
class _Names:
    """How a type calls what both have. `usual_index` is None where the file must say it."""

    model: str
    index: str
    usual_index: str | None


TYPES: Final[Mapping[CacheType, _Names]] = {
    "qdrant-semantic": _Names("qdrant_semantic_cache_embedding_model", "qdrant_collection_name", None),
    "redis-semantic": _Names("redis_semantic_cache_embedding_model", "redis_semantic_cache_index_name", DEFAULT_INDEX),
}
DEADLINE: Final = "semantic_cache_embedding_timeout"
SHARED_NAMES: Final = frozenset({"similarity_threshold", DEADLINE})
_ROUTE: Final = "/embeddings"
_DEADLINE_VARIABLE: Final = "SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS"

_THRESHOLD: Final = "must be provided, a number from 0 to 1"
_MODEL: Final = (
    "must be a model_name of model_list, local/minilm, local/ and a folder, or a provider's model with that provider's "
    "key in the environment"
)
# Qdrant's own rule, and room for the embedding model behind it
_INDEX: Final = re.compile(r"""[^<>:"/\\|?*\x00-\x1f\x7f]{1,100}""")


def read_semantic(kind: CacheType, params: Section, cwd: Path) -> SemanticSettings:
    """The settings; a missing threshold or collection is noted as wrong, and something stands in its place."""
    names, notes = TYPES[kind], params.notes
    threshold = params.get("similarity_threshold", fraction)
    index = params.get(names.index, _index) or names.usual_index
    model = params.get(names.model, line) or DEFAULT_MODEL
    for value, key, expected in (
        (threshold, "similarity_threshold", _THRESHOLD),
        (index, names.index, "must be provided"),
    ):
        if value is None and not notes.is_wrong(params.key(key)):
            notes.wrong(params.key(key), expected)
    if model.startswith(LOCAL):
        model = _local(model, params.key(names.model), params, cwd)
    return SemanticSettings(threshold=1.0 if threshold is None else threshold, embedding_model=model, index=index or "")


def with_deadline(proxy: ProxySettings, params: Section) -> ProxySettings:
    """LiteLLM's bound of an embedding call as ours, where ours is not given; its default of 5 s is not taken over."""
    deadline, where = params.get(DEADLINE, positive), params.key(DEADLINE)
    if deadline is None and not params.notes.is_wrong(where) and _DEADLINE_VARIABLE in params.variables:
        where = _DEADLINE_VARIABLE
        try:
            deadline = positive(params.variables[where])
        except Wrong as wrong:
            params.notes.wrong_variable(where, str(wrong))
    if deadline is None:
        return proxy
    if "embedding_deadline" in proxy.model_fields_set:
        params.notes.ignore(where, "askonce.embedding_deadline is set")
        return proxy
    return proxy.model_copy(update={"embedding_deadline": deadline})


def with_embedder(
    kind: CacheType, semantic: SemanticSettings, deployments: tuple[Deployment, ...], params: Section
) -> tuple[Deployment, ...]:
    """The deployments, and one more where the embedding model is a provider's own and `model_list` does not have it.
    One that cannot be asked is told; one that is not known is noted as wrong.
    """
    if semantic.local_model is not None:
        return deployments
    key, notes = params.key(TYPES[kind].model), params.notes
    found = Names(deployments).answering(semantic.embedding_model)
    if not found:
        added = unlisted(semantic.embedding_model, params.variables, notes)
        if added is None:
            notes.wrong(key, _MODEL)
            return deployments
        found, deployments = [added], (*deployments, added)
    _note_unusable(found, key, notes)
    return deployments


def _note_unusable(found: Sequence[Deployment], key: str, notes: Notes) -> None:
    reasons = [one.unsupported or without_route(one.provider, _ROUTE) or _keyless(one) for one in found]
    if all(reasons):
        notes.ignore(key, f"{reasons[0]}; answers are matched exactly only")


def _keyless(deployment: Deployment) -> str | None:
    """A server of one's own may need no key; a provider's does, and no client lends his for this."""
    usual = SERVED[deployment.provider]
    if deployment.api_key is None and deployment.api_base == usual.base:
        return f"{usual.keys[0]} is not set"
    return None


def _local(model: str, key: str, params: Section, cwd: Path) -> str:
    name = model.removeprefix(LOCAL)
    if name in LOCAL_MODELS:
        return model
    folder = place(name, cwd, params.variables)
    if not name or not folder.is_dir():
        params.notes.wrong(
            key, f"must be {LOCAL}{f', {LOCAL}'.join(LOCAL_MODELS)}, or {LOCAL} and a folder with a model"
        )
    return f"{LOCAL}{folder}"


def _index(value: Any) -> str:
    found = line(value)
    if not _INDEX.fullmatch(found):
        raise Wrong('must be 1 to 100 characters without < > : " / \\ | ? *')
    return found
