"""`model_list` as deployments. Knows where LiteLLM's entries keep what; knows no wire format.

Source: LiteLLM's page on the proxy's config.yaml, part `model_list`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from askonce.config.known import NOT_BUILT, NOT_KNOWN, is_knob
from askonce.config.notes import Notes
from askonce.config.providers import KNOWN, SERVED, Provider, split_model, unserved
from askonce.config.section import Section
from askonce.config.settings import Deployment
from askonce.config.values import Wrong, base_url, json_value, line, listing, mapping, positive

_OPENAI_EMBEDDINGS: Final = "text-embedding-"  # what OpenAI's embedding models are called; a misspelt name is not


def read_models(document: Section) -> tuple[Deployment, ...]:
    """The deployments of `model_list`, in its order; none where there is no list or an empty one."""
    entries = document.as_written("model_list", listing) or []
    notes, variables = document.notes, document.variables
    found = (_read_entry(f"model_list[{at}]", entry, variables, notes) for at, entry in enumerate(entries))
    return tuple(deployment for deployment in found if deployment is not None)


def everything_to_openai(variables: Mapping[str, str], notes: Notes, *, own_key: bool) -> Deployment:
    """What stands for a missing `model_list`; without `own_key` the client's credential goes upstream."""
    provider = SERVED["openai"]
    key = _variable(provider.keys, variables) if own_key else None
    return Deployment(
        pattern="*",
        model="*",
        provider="openai",
        api_base=_without_user(_base(provider, variables, notes) or "", notes),
        api_key=None if key is None else SecretStr(key),
    )


def answering(name: str, deployments: Sequence[Deployment]) -> list[Deployment]:
    """Those that answer to a name: that have it, or else whose pattern fits it and says the most."""
    exact = [one for one in deployments if one.pattern == name]
    if exact:
        return exact
    wild = [one for one in deployments if one.pattern.endswith("*") and name.startswith(one.pattern.removesuffix("*"))]
    longest = max((len(one.pattern) for one in wild), default=0)
    return [one for one in wild if len(one.pattern) == longest]


def unlisted(name: str, variables: Mapping[str, str], notes: Notes) -> Deployment | None:
    """A deployment of an embedding model that `model_list` does not have, under its own name. None where it is not the
    name of a provider's model, or where the environment has no key for it.
    """
    provider, model = split_model(name, None, has_base=False)
    served = SERVED.get(provider)
    if provider not in KNOWN or ("/" not in name and not name.startswith(_OPENAI_EMBEDDINGS)):
        return None
    base = None if served is None else _base(served, variables, notes)
    key = None if served is None else _variable(served.keys, variables)
    if served is not None and (base is None or (key is None and served.base is not None)):
        return None
    return Deployment(
        pattern=name,
        model=model,
        provider=provider,
        api_base=_without_user(base or "", notes),
        api_key=None if key is None else SecretStr(key),
        unsupported=unserved(provider),
        for_clients=False,  # nobody has put it into the list, and the environment's key would pay for it
    )


def _read_entry(path: str, entry: Any, variables: Mapping[str, str], notes: Notes) -> Deployment | None:
    unset: list[str] = []
    try:
        values = mapping(entry)
    except Wrong as wrong:
        notes.wrong(path, str(wrong))
        return None
    top = Section(path, values, variables, notes)
    params = top.section("litellm_params", on_unset=lambda _, what: unset.append(what))
    pattern, model = top.get("model_name", line), params.get("model", line)
    for name in top.left():
        notes.ignore(f"model_list[].{name}", NOT_BUILT if name == "model_info" else NOT_KNOWN)
    if pattern is None:
        notes.wrong(top.key("model_name"), "must name the model for clients")
    if model is None and not unset:
        notes.wrong(params.key("model"), "must name the model at the provider, such as openai/gpt-4o")
    return None if pattern is None else _read_params(pattern, model or "", params, unset)


def _read_params(pattern: str, model: str, params: Section, unset: list[str]) -> Deployment:
    """`unset` gathers the references to variables that are not set, here and before."""
    base, alias = params.get("api_base", base_url), params.get("base_url", base_url)
    base = base or alias
    named = params.get("custom_llm_provider", line)
    provider, name = split_model(model, named, has_base="api_base" in params or "base_url" in params)
    key, headers = params.get("api_key", line), params.get("extra_headers", _headers)
    served, why = SERVED.get(provider), unserved(provider)
    if served is not None:
        base = base or _base(served, params.variables, params.notes)
        key = key or _variable(served.keys, params.variables)
    if "litellm_credential_name" in params:
        why = why or "litellm_credential_name is not built yet"
    elif served is not None and base is None:
        why = "api_base is missing"
    deployment = Deployment(
        pattern=pattern,
        model=name,
        provider=provider,
        api_base=_without_user(base or "", params.notes),
        api_key=None if key is None else SecretStr(key),
        organization=params.get("organization", line),
        extra_headers=headers or {},
        timeout=params.get("timeout", positive),
        stream_timeout=params.get("stream_timeout", positive),
        defaults=_defaults(params),
        unsupported=why or _unmatched(pattern),
    )
    if unset and deployment.unsupported is None:
        return deployment.model_copy(update={"unsupported": unset[0], "api_key": None})
    return deployment


def _defaults(params: Section) -> dict[str, Any]:
    """What is neither known transport nor LiteLLM's own goes into every request that does not say it itself."""
    found: dict[str, Any] = dict(params.get("extra_body", _json_mapping) or {})
    for name in params.left():
        if is_knob(name):
            params.notes.ignore(f"model_list[].litellm_params.{name}", NOT_BUILT)
        elif (value := params.get(name, json_value)) is not None:
            found[name] = value
    return found


def _json_mapping(value: Any) -> dict[str, Any]:
    return mapping(json_value(value))


def _unmatched(pattern: str) -> str | None:
    """A star is understood alone or after the last slash; others would never match, so the entry says why."""
    literal = pattern.removesuffix("*") if pattern == "*" or pattern.endswith("/*") else pattern
    return "patterns other than `*` and a trailing `/*` are not built yet" if "*" in literal else None


def _headers(value: Any) -> dict[str, str]:
    return {line(name): line(str(content)) for name, content in mapping(value).items() if content is not None}


def _base(provider: Provider, variables: Mapping[str, str], notes: Notes) -> str | None:
    for name in provider.bases:
        if name in variables:
            try:
                return base_url(variables[name])
            except Wrong as wrong:
                notes.wrong_variable(name, str(wrong))
                return None
    return provider.base


def _without_user(base: str, notes: Notes) -> str:
    """A user and a password in an address would stand beside the key, in one header."""
    parts = urlsplit(base)
    if "@" not in parts.netloc:
        return base
    notes.ignore("model_list[].litellm_params.api_base", "user and password in it; extra_headers can hold them")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _variable(names: tuple[str, ...], variables: Mapping[str, str]) -> str | None:
    return next((variables[name].strip() for name in names if name in variables), None)
