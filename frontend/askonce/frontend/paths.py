"""Addresses without a row of their own: other ways to write those that have one, and what is a provider's to answer.

Sources: OpenAI's and Anthropic's API references for the collections; for a model in the path, Azure OpenAI's
(https://learn.microsoft.com/azure/ai-foundry/openai/reference), and LiteLLM's `/engines/{model}/…`.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from askonce.core.errors import bad_request

# What clients of OpenAI ask for below a base URL that ends in /v1, in /openai (Azure's), or, as LiteLLM's, in neither.
COLLECTIONS: Final = frozenset(
    {
        *("assistants", "audio", "batches", "chat", "completions", "containers", "conversations", "embeddings"),
        *("evals", "files", "fine_tuning", "images", "models", "moderations", "realtime", "responses", "threads"),
        *("uploads", "vector_stores", "videos"),
    }
)
_LONGEST_NAME: Final = 512  # characters
# The name may hold slashes, encoded or not: it ends before the first of these words.
_NAMED: Final = re.compile(
    rf"(?:/openai/deployments|(?:/v1)?/engines)/(.*?)(/(?:{'|'.join(sorted(COLLECTIONS))})(?:/.*)?)"
)
_ODD: Final = re.compile(r"[^a-z0-9_-]", re.ASCII)
_LAYERS: Final = 3  # of percent-encoding that are looked through
# `;` begins parameters of a segment, which some servers take off before they look at its dots.
_DOTS: Final = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\;]|$)")


class Aim(NamedTuple):
    """What an address asks for. `path` is below /v1 ("/files/file-1"), percent-encoded as it came; `named` is the model
    that the address names; `anthropic` tells whose API it is, where it is not OpenAI's.
    """

    path: str
    named: str | None = None
    anthropic: bool = False

    @property
    def row(self) -> str:
        """How the table of routes writes it."""
        return "/v1" + unquote(self.path)

    @property
    def collection(self) -> str:
        """The first word of `path`, such as "/files"; "/" for one that nobody knows: a name of which there are few."""
        if self.anthropic:
            return "/messages"
        first = self.path.split("/", 2)[1]
        return f"/{first}" if first in COLLECTIONS else "/"


def aim(raw: str) -> Aim | None:
    """What a path, percent-encoded, asks for; None where it is nobody's. Raises RequestError (400) for a path that
    leads out of its place, and for a model's name that is none.
    """
    found = _named(raw) or _anthropic(raw) or _plain(raw)
    if found is not None:
        stay(raw)
    return found


def stay(raw: str) -> None:
    """Raises RequestError (400) for a path that some server might take for one outside of where it stands."""
    if "\\" in raw or astray(unquote(raw)):
        raise bad_request("The path has dot segments or backslashes.")


def astray(text: str) -> bool:
    """Whether some server might take what this stands in for a path that leads out of its place."""
    return _DOTS.search(text) is not None


def near(path: str) -> str:
    """The path as the laxest of servers may read it: without what segments may not have, doubled slashes, or one at the
    end, whatever its case. `path` is percent-encoded.
    """
    for _ in range(_LAYERS):
        path = unquote(path)
    read = (_ODD.sub("", segment.partition(";")[0]) for segment in path.lower().split("/"))
    return "".join(f"/{segment}" for segment in read if segment)


def _named(raw: str) -> Aim | None:
    match = _NAMED.fullmatch(raw)
    if match is None:
        return None
    try:
        name = unquote(match[1], errors="strict")
    except UnicodeDecodeError:
        raise bad_request("The model's name in the path is not UTF-8.", "model") from None
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise bad_request(f"The model's name in the path must have 1 to {_LONGEST_NAME} characters.", "model")
    return Aim(match[2], name)


def _anthropic(raw: str) -> Aim | None:
    path = raw.removeprefix("/anthropic")
    if path != raw:
        return Aim(path[3:], anthropic=True) if path.startswith("/v1/") else None
    return Aim(path[3:], anthropic=True) if f"{path}/".startswith("/v1/messages/") else None


def _plain(raw: str) -> Aim | None:
    path = raw.removeprefix("/openai")
    if path.startswith("/v1/"):
        return Aim(path[3:])
    return Aim(path) if path[1:].partition("/")[0] in COLLECTIONS else None
