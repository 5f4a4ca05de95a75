"""How providers are spoken to: where a route is, and how a key is shown. Knows no request and no cache."""

from dataclasses import dataclass

from askonce.config.settings import Deployment
from askonce.frontend.auth import Credential


@dataclass(frozen=True, slots=True)
class Way:
    """The address of a route, and the headers that let us in there."""

    url: str
    headers: dict[str, str]


def unserved(deployment: Deployment, path: str) -> str | None:  # noqa: ARG001
    """Why the deployment cannot serve the route at `path` below its API base, such as "/rerank"; None where it can."""
    return deployment.unsupported


def way(deployment: Deployment, model: str, path: str, credential: Credential | None) -> Way:  # noqa: ARG001
    """To the route at `path` for the model that is called `model` there.

    The deployment's own key lets us in, else `credential`, the client's own.
    """
    key = credential.value if credential is not None else None
    if deployment.api_key is not None:
        key = deployment.api_key.get_secret_value()
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return Way(deployment.api_base + path, headers)
