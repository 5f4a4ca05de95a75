"""The entries of `model_list` as they are shown: in LiteLLM's words, and without anything that may be secret."""

from typing import Any, Final

from askonce.config.describe import without_credentials
from askonce.config.settings import Deployment
from askonce.frontend.deployments import Deployments, unknown
from askonce.frontend.routing.ids import litellm_model


class Listed:
    """The entries that clients may ask for, in the file's order, as operators call them."""

    def __init__(self, deployments: Deployments) -> None:
        self.entries: Final = deployments.entries
        self._by_name = deployments.by_name

    def called(self, name: str) -> list[Deployment]:
        """Those of this name or alias, else those of this model as LiteLLM writes it (`openai/gpt-4o`), else those
        under whose star the name falls. Raises RequestError (404).
        """
        found = self._by_name.called(name) or [one for one in self.entries if litellm_model(one) == name]
        found = found or self._by_name.answering(name)
        if not found:
            raise unknown(name)
        return found


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
