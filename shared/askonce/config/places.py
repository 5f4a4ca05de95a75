"""Where a deployment is, and what opens it: the entry's word, else the provider's variables, else its usual place.
Knows no `model_list`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from pydantic import SecretStr

from askonce.config import addresses
from askonce.config.notes import Notes
from askonce.config.providers import Dialect, Provider
from askonce.config.section import Section
from askonce.config.values import Wrong, base_url, line, spelt

AZURE_VERSION: Final = "2025-02-01-preview"  # LiteLLM's AZURE_DEFAULT_API_VERSION
_AZURE_VERSION_VARIABLE: Final = "AZURE_API_VERSION"
# How an entry may ask Microsoft Entra ID for a token. A token that is there already is `azure_ad_token`.
_ENTRA: Final = ("tenant_id", "client_id", "client_secret", "azure_username", "azure_ad_token_provider")
_OIDC: Final = "oidc/"
_NO_ENTRA: Final = "tokens from Microsoft Entra ID are not built yet: set api_key or azure_ad_token"


@dataclass(frozen=True, slots=True)
class Told:
    """What an entry says; None where it says nothing. `token`, which is shown as a bearer, `version` and `entra`, a
    token that is still to be asked for, are Azure's.
    """

    base: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    version: str | None = None
    entra: bool = False


class Place(NamedTuple):
    """`deployment` is the one that an address of Azure's names; `missing` says what is not known, or cannot
    be had.
    """

    api_base: str
    api_key: SecretStr | None
    key_is_token: bool
    api_version: str | None = None
    deployment: str | None = None
    missing: str | None = None

    def fields(self) -> dict[str, Any]:
        """Those of a Deployment."""
        return {name: getattr(self, name) for name in ("api_base", "api_key", "key_is_token", "api_version")}


def told(params: Section, provider: Provider, base: str | None) -> Told:
    """What the entry says of it. What is for another dialect is left unread."""
    return _DIALECTS[provider.dialect].told(Told(base, params.get("api_key", line)), params)


def place(provider: Provider, told: Told, variables: Mapping[str, str], notes: Notes) -> Place:
    base = told.base or _base(provider, variables, notes)
    key, token = told.key, told.token
    if key is None and token is None:
        key, token = _variable(provider.keys, variables), _variable(provider.tokens, variables)
        token = None if key is not None else token
    opened = Place("", None if key is None and token is None else SecretStr(token or key or ""), token is not None)
    if (told.entra and opened.api_key is None) or (told.token or "").startswith(_OIDC):
        opened = opened._replace(missing=_NO_ENTRA)
    if base is None:
        return opened._replace(missing=opened.missing or "api_base is missing")
    return _DIALECTS[provider.dialect].place(opened, addresses.tidy(base, notes), provider, told, variables)


def _no_more(told: Told, _params: Section) -> Told:
    return told


def _azures(told: Told, params: Section) -> Told:
    token, version = params.get("azure_ad_token", line), params.get("api_version", _version)
    return replace(told, token=token, version=version, entra=any(name in params for name in _ENTRA))


def _version(value: Any) -> str:
    return line(spelt(value))


def _openai(opened: Place, base: str, provider: Provider, _told: Told, _variables: Mapping[str, str]) -> Place:
    return opened._replace(api_base=addresses.below(base, provider.below) if provider.below else base)


def _azure(opened: Place, base: str, _provider: Provider, told: Told, variables: Mapping[str, str]) -> Place:
    found = addresses.resource(base, told.version)
    version = found.version or addresses.undated(variables.get(_AZURE_VERSION_VARIABLE)) or AZURE_VERSION
    return opened._replace(api_base=found.base, api_version=version, deployment=found.deployment)


def _anthropic(opened: Place, base: str, _provider: Provider, _told: Told, _variables: Mapping[str, str]) -> Place:
    return opened._replace(api_base=addresses.above(base, "/v1/messages", "/v1"))


class _Speaks(NamedTuple):
    """A dialect: what else an entry tells of a place, and what an address stands for."""

    told: Callable[[Told, Section], Told]
    place: Callable[[Place, str, Provider, Told, Mapping[str, str]], Place]


_DIALECTS: Final[Mapping[Dialect, _Speaks]] = {
    Dialect.OPENAI: _Speaks(_no_more, _openai),
    Dialect.AZURE: _Speaks(_azures, _azure),
    Dialect.ANTHROPIC: _Speaks(_no_more, _anthropic),
}


def _base(provider: Provider, variables: Mapping[str, str], notes: Notes) -> str | None:
    for name in provider.bases:
        if name in variables:
            try:
                return base_url(variables[name])
            except Wrong as wrong:
                notes.wrong_variable(name, str(wrong))
                return None
    return provider.base or provider.local


def _variable(names: tuple[str, ...], variables: Mapping[str, str]) -> str | None:
    return next((variables[name].strip() for name in names if name in variables), None)
