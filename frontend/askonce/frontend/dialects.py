"""How providers are spoken to: where a route is, and how a key is shown. Knows no request and no cache.

Sources: OpenAI's API reference; Microsoft's "Azure OpenAI REST API reference" and "API version lifecycle"; Anthropic's
API reference, and its page on compatibility with OpenAI's SDK. See docs/decisions/0054.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from askonce.config.addresses import PREVIEW, V1
from askonce.config.providers import SERVED, Dialect, Provider, without_route
from askonce.config.settings import Deployment
from askonce.frontend.auth import Credential

# What Azure has below each deployment; everything else is the resource's.
_OF_A_DEPLOYMENT: Final = frozenset(
    {
        "/chat/completions", "/completions", "/embeddings",
        "/audio/transcriptions", "/audio/translations", "/audio/speech",
        "/images/generations", "/images/edits",
    }
)  # fmt: skip
_CLOUDFLARE: Final = "gateway.ai.cloudflare.com"  # its gateway has deployments where Azure has /openai
_ANTHROPIC_VERSION: Final = "2023-06-01"
_COUNTS_SINCE: Final = "2024-09-01"  # Azure's first API version with `stream_options`
_ELSEWHERE: Final = Provider()


@dataclass(frozen=True, slots=True)
class Way:
    """The address of a route, and the headers that let us in there. The address may have a query."""

    url: str
    headers: dict[str, str]


class _Speaks(NamedTuple):
    """A dialect: the address of a route for a deployment and its model, and how a credential is shown there."""

    address: Callable[[Deployment, str, str], str]
    showing: Callable[[Credential | None, str], dict[str, str]]


def unserved(deployment: Deployment, path: str) -> str | None:
    """Why the deployment cannot serve the route at `path` below its API base, such as "/rerank"; None where it can."""
    return deployment.unsupported or without_route(deployment.provider, path)


def way(deployment: Deployment, model: str, path: str, credential: Credential | None) -> Way:
    """To the route at `path` for the model that is called `model` there.

    The deployment's own key lets us in, else `credential`, the client's own, shown as it came where the provider knows
    more than one way.
    """
    speaks = _DIALECTS[_provider(deployment).dialect]
    if deployment.api_key is not None:
        credential = Credential(deployment.api_key.get_secret_value(), bearer=deployment.key_is_token)
    return Way(speaks.address(deployment, model, path), speaks.showing(credential, path))


def speaks_anthropic(deployment: Deployment) -> bool:
    """Whether Anthropic's own routes are to be found there, and not OpenAI's."""
    return _provider(deployment).dialect is Dialect.ANTHROPIC


def counts(deployment: Deployment) -> bool:
    """Whether a stream may be asked for its usage; where not, the request would be refused."""
    version = deployment.api_version
    return _provider(deployment).counts and (version is None or not version[0].isdigit() or version >= _COUNTS_SINCE)


def _provider(deployment: Deployment) -> Provider:
    return SERVED.get(deployment.provider, _ELSEWHERE)


def _at(base: str, path: str, query: str = "") -> str:
    """The path behind the base's own, and the query behind the base's own."""
    parts = urlsplit(base)
    queries = "&".join(part for part in (parts.query, query) if part)
    return urlunsplit(parts._replace(path=parts.path + path, query=queries))


def _below_base(deployment: Deployment, _model: str, path: str) -> str:
    return _at(deployment.api_base, path)


def _at_azure(deployment: Deployment, model: str, path: str) -> str:
    base, version = deployment.api_base, deployment.api_version or V1
    if version in (V1, PREVIEW):
        return _at(base, f"/openai/v1{path}", "" if version == V1 else f"api-version={version}")
    dated = f"api-version={quote(version, safe='')}"
    if path not in _OF_A_DEPLOYMENT:
        return _at(base, f"/openai{path}", dated)
    above = "" if urlsplit(base).hostname == _CLOUDFLARE else "/openai/deployments"
    return _at(base, f"{above}/{quote(model, safe='')}{path}", dated)


def _at_anthropic(deployment: Deployment, _model: str, path: str) -> str:
    return _at(deployment.api_base, f"/v1{path}")


def _bearer(credential: Credential | None, _path: str) -> dict[str, str]:
    return {} if credential is None else {"Authorization": f"Bearer {credential.value}"}


def _azures_key(credential: Credential | None, path: str) -> dict[str, str]:
    if credential is None or credential.bearer:
        return _bearer(credential, path)
    return {"api-key": credential.value}


def _anthropics_key(credential: Credential | None, path: str) -> dict[str, str]:
    """Its OpenAI-compatible route takes a key as OpenAI does. To the others a bearer is a token: Claude's OAuth."""
    if path == "/chat/completions":
        return _bearer(credential, path)
    shown = {"anthropic-version": _ANTHROPIC_VERSION}
    if credential is None or credential.bearer:
        return shown | _bearer(credential, path)
    return shown | {"x-api-key": credential.value}


_DIALECTS: Final[Mapping[Dialect, _Speaks]] = {
    Dialect.OPENAI: _Speaks(_below_base, _bearer),
    Dialect.AZURE: _Speaks(_at_azure, _azures_key),
    Dialect.ANTHROPIC: _Speaks(_at_anthropic, _anthropics_key),
}
