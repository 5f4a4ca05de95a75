"""The entries of `model_list` as they are shown: in LiteLLM's words, and without anything that may be secret."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from askonce.config.describe import without_credentials
from askonce.config.models import answering
from askonce.config.settings import Deployment, Settings
from askonce.core.errors import RequestError


class Listed:
    """The entries that clients may ask for, in the file's order, and their other names."""

    def __init__(self, settings: Settings) -> None:
        self.entries: Final = [one for one in settings.deployments if one.for_clients]
        self._aliases = {one.name: one.model for one in settings.aliases}

    def answering(self, name: str) -> list[Deployment]:
        """Those that a client's name reaches; none, for a name that nothing answers to."""
        return answering(self._aliases.get(name, name), self.entries)

    def called(self, name: str) -> list[Deployment]:
        """Those of this name or alias, else those of this model as LiteLLM writes it (`openai/gpt-4o`), else those
        under whose star the name falls. Raises RequestError (404).
        """
        asked = self._aliases.get(name, name)
        found = [one for one in self.entries if one.pattern == asked]
        found = found or [one for one in self.entries if litellm_model(one) == name] or self.answering(name)
        if not found:
            raise unknown(name)
        return found


def unknown(name: str) -> RequestError:
    """In the words of OpenAI's API."""
    said = f"The model '{name[:200]}' does not exist"
    return RequestError(404, said, param="model", code="model_not_found")


def litellm_model(deployment: Deployment) -> str:
    return f"{deployment.provider}/{deployment.model}"


def litellm_params(deployment: Deployment) -> dict[str, Any]:
    """Of the defaults of requests, numbers and switches only: a text may be anything, a token too. An address is shown
    without its query.
    """
    shown = {
        "api_base": without_credentials(deployment.api_base) if deployment.api_base else None,
        "api_version": deployment.api_version,
        "timeout": deployment.timeout,
        "stream_timeout": deployment.stream_timeout,
    }
    defaults = {name: value for name, value in deployment.defaults.items() if isinstance(value, int | float)}
    told = {name: value for name, value in shown.items() if value is not None}
    return {**defaults, "model": litellm_model(deployment), **told}


def with_ids(deployments: Sequence[Deployment]) -> list[tuple[str, Deployment]]:
    """Each with its id: its own, or a digest that stays the same for as long as the entry says the same. Nothing secret
    goes into it, so that entries that differ in their keys alone are told apart by their order.
    """
    seen: Counter[bytes] = Counter()
    found = []
    for deployment in deployments:
        own = deployment.model_info.get("id")
        told = orjson.dumps([deployment.pattern, litellm_model(deployment), without_credentials(deployment.api_base)])
        digest = sha256(b"deployment\n" + told + b"\n%d" % seen[told]).hexdigest()
        seen[told] += 1
        found.append((digest if own is None else str(own), deployment))
    return found
