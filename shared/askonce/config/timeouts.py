"""How long a provider may take, where an entry of `model_list` does not say.

Source: LiteLLM's page on timeouts.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from askonce.config.section import Section
from askonce.config.settings import Deployment
from askonce.config.values import Wrong, positive

_VARIABLE: Final = "REQUEST_TIMEOUT"


class Timeouts(NamedTuple):
    """In seconds; None where nobody says. See Deployment."""

    whole: float | None
    stream: float | None


def read_timeouts(router: Section, litellm: Section) -> Timeouts:
    """What stands below an entry's own: the router's, then `litellm_settings.request_timeout`, then its variable."""
    settings = router.get("timeout", positive), litellm.get("request_timeout", positive), _from_variable(litellm)
    whole = next((found for found in settings if found is not None), None)
    return Timeouts(whole, router.get("stream_timeout", positive))


def with_timeouts(deployments: Iterable[Deployment], timeouts: Timeouts) -> tuple[Deployment, ...]:
    return tuple(
        one.model_copy(
            update={
                "timeout": timeouts.whole if one.timeout is None else one.timeout,
                "stream_timeout": timeouts.stream if one.stream_timeout is None else one.stream_timeout,
            }
        )
        for one in deployments
    )


def _from_variable(litellm: Section) -> float | None:
    """Others than LiteLLM may have set a variable of this name: one that is no time is told and passed over."""
    if _VARIABLE not in litellm.variables:
        return None
    try:
        return positive(litellm.variables[_VARIABLE])
    except Wrong as wrong:
        litellm.notes.ignore(_VARIABLE, str(wrong))
        return None
