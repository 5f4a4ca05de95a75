"""Whether a provider answers, without spending a token: it is asked for its list of models. Tells no secret."""

from typing import Final, NamedTuple

import aiohttp
from aiohttp import hdrs

from askonce.config.settings import Deployment
from askonce.core.errors import UpstreamError
from askonce.frontend.auth import KEY_HEADERS
from askonce.frontend.dialects import way
from askonce.frontend.upstream import Upstream

WITHIN: Final = 5.0  # seconds for an answer
_LISTED: Final = "/models"
_CREDENTIALS: Final = frozenset({"authorization", *KEY_HEADERS})
_TURNED_AWAY: Final = frozenset({401, 403})
_BROKEN: Final = 500


class Asked(NamedTuple):
    """The question to a provider: deployments with the same one need it only once. Names of headers are in small
    letters.
    """

    url: str
    headers: tuple[tuple[str, str], ...]


def question(deployment: Deployment) -> Asked:
    """For a deployment that can be served."""
    there = way(deployment, deployment.model, _LISTED, None)
    named = {} if deployment.organization is None else {"openai-organization": deployment.organization}
    given = {**there.headers, **named, **deployment.extra_headers}
    return Asked(there.url, tuple({name.lower(): value for name, value in given.items()}.items()))


async def reach(upstream: Upstream, deployment: Deployment, within: float = WITHIN) -> str | None:
    """None when it answers, or else why it does not serve."""
    if deployment.unsupported is not None:
        return deployment.unsupported
    try:
        asked = question(deployment)
        return fault(asked, await status(upstream, asked, within))
    except UpstreamError as error:
        return str(error)


async def status(upstream: Upstream, asked: Asked, within: float = WITHIN) -> int:
    """What it answers with. Raises UpstreamError when it does not."""
    patience = aiohttp.ClientTimeout(total=within)
    async with upstream.sending(hdrs.METH_GET, asked.url, headers=dict(asked.headers), patience=patience) as answer:
        return answer.status


def fault(asked: Asked, answered: int) -> str | None:
    """What is wrong with a provider that answered with this status. Many servers have no list of models, and say so;
    and one to whom only clients show a key turns us away, as it should.
    """
    if answered in _TURNED_AWAY and any(name in _CREDENTIALS for name, _ in asked.headers):
        return f"the configured key is turned away (HTTP {answered})"
    return f"HTTP {answered}" if answered >= _BROKEN else None
