"""Why a setting of LiteLLM's that stands in a file has no effect, so that a misspelt one can be told from one not built
yet. The names and reasons are rows of the tables in `surface`.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from askonce.config.patterns import STAR
from askonce.config.surface import cache, models
from askonce.config.surface.rows import NOT_BUILT, NOT_KNOWN, Verdict
from askonce.config.surface.table import named, reasons, setting

__all__ = ["NOT_BUILT", "NOT_KNOWN"]

SECTIONS: Final[Mapping[str, str]] = reasons("")
LITELLM: Final[Mapping[str, str]] = reasons("litellm_settings.")
GENERAL: Final[Mapping[str, str]] = reasons("general_settings.")
ROUTER: Final[Mapping[str, str]] = reasons("router_settings.")

_TYPE: Final = f"{cache.PREFIX}type: "
_UNREAD: Final[Mapping[str, str]] = {name: row.words for name, row in named(cache.TABLES) if row.verdict is Verdict.NOT}

# Members of `cache_params` that LiteLLM knows and no store here needs.
CACHE_PARAMS: Final[Mapping[str, str]] = {
    name.removeprefix(cache.PREFIX): words for name, words in _UNREAD.items() if not name.startswith(_TYPE)
}

# Stores that LiteLLM has and this version has not.
UNBUILT_STORES: Final = tuple(name.removeprefix(_TYPE) for name in _UNREAD if name.startswith(_TYPE))

# LiteLLM's call types. Those that the table of routes does not have are legal, and not built yet.
LITELLM_CALL_TYPES: Final = (
    *("completion", "acompletion", "text_completion", "atext_completion", "embedding", "aembedding"),
    *("transcription", "atranscription", "rerank", "arerank", "responses", "aresponses"),
    *("anthropic_messages", "aanthropic_messages", "speech", "aspeech"),
)


_KNOBS: Final = tuple(
    name.removeprefix(models.PARAMS)
    for name, _ in named(models.TABLES)
    if name.startswith(models.PARAMS) and STAR not in name
)
_ELSEWHERE: Final = frozenset({"models"})  # a member of OpenRouter's requests
_CLOSE: Final = 0.82  # `prompt`, which is no knob, and `prompt_id`, which is, are 0.8


def is_knob(name: str) -> bool:
    """Whether a member of `litellm_params` is LiteLLM's own business (routing, prices, transport, callbacks),
    or another provider's credential.
    """
    return setting(models.PARAMS, name) is not models.ANY_OTHER


def close_to(name: str) -> str | None:
    """The known member of `litellm_params` that this one looks like, letters swapped or one amiss."""
    if name in _ELSEWHERE:
        return None
    swapped = (known for known in _KNOBS if sorted(known) == sorted(name))
    return next(swapped, None) or next(iter(get_close_matches(name, _KNOBS, n=1, cutoff=_CLOSE)), None)


def why_knob(name: str) -> str:
    """The reason for such a member that nobody has read."""
    return _words(models.PARAMS, name)


def why_cache_param(name: str) -> str:
    """The reason for a member of `cache_params` that has none of its own."""
    return _words(cache.PREFIX, name)


def _words(prefix: str, name: str) -> str:
    row = setting(prefix, name)
    return NOT_KNOWN if row is None else row.words
