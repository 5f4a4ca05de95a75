"""One entry of `model_list` as a deployment. Knows where LiteLLM's entries keep what; knows no wire format.

Source: LiteLLM's page on the proxy's config.yaml, part `model_list`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from askonce.config.known import NOT_KNOWN, close_to, is_knob, why_knob
from askonce.config.notes import Notes
from askonce.config.patterns import STAR
from askonce.config.places import place, told
from askonce.config.providers import SERVED, Provider, split_model, unserved
from askonce.config.section import Section
from askonce.config.settings import Deployment
from askonce.config.shares import read_costs, read_share
from askonce.config.values import Wrong, base_url, json_value, line, mapping, positive


def read_entry(path: str, entry: Any, variables: Mapping[str, str], notes: Notes) -> Deployment | None:
    """None after what is noted as wrong. `path` is how people find the entry, such as `model_list[0]`."""
    unset: list[str] = []
    try:
        values = mapping(entry)
    except Wrong as wrong:
        notes.wrong(path, str(wrong))
        return None
    top = Section(path, values, variables, notes)
    params = top.section("litellm_params", on_unset=lambda _, what: unset.append(what))
    pattern, model = top.get("model_name", line), params.get("model", line)
    info = top.as_written("model_info", json_mapping)  # shown to people: no variable is looked into
    for name in top.left():
        notes.ignore(f"model_list[].{name}", NOT_KNOWN)
    if pattern is None:
        notes.wrong(top.key("model_name"), "must name the model for clients")
    if model is None and not unset:
        notes.wrong(params.key("model"), "must name the model at the provider, such as openai/gpt-4o")
    if pattern is None:
        return None
    about = Section(top.key("model_info"), info or {}, variables, notes, on_unset=partial(_unknown_of, notes))
    more = {"model_info": about.values, **read_share(params), **read_costs(params, about)}
    return _read_params(pattern, model or "", params, unset).model_copy(update=more)


def _unknown_of(notes: Notes, key: str, what: str) -> None:
    """A price that is not known is no reason to refuse a model."""
    notes.ignore(f"model_list[].model_info.{key.rpartition('.')[2]}", what)


def json_mapping(value: Any) -> dict[str, Any]:
    return mapping(json_value(value))


def _read_params(pattern: str, model: str, params: Section, unset: list[str]) -> Deployment:
    """`unset` gathers the references to variables that are not set, here and before."""
    base, other = params.get("api_base", base_url), params.get("base_url", base_url)
    named = params.get("custom_llm_provider", line)
    provider, name = split_model(model, named, has_base="api_base" in params or "base_url" in params)
    served = SERVED.get(provider, Provider())
    found = place(served, told(params, served, base or other), params.variables, params.notes)
    name = found.deployment or name
    deployment = Deployment(
        pattern=pattern,
        model=name,
        provider=provider,
        **found.fields(),
        organization=params.get("organization", line),
        extra_headers=_headers_of(params),
        timeout=_first(params.get("timeout", positive), params.get("request_timeout", positive)),
        stream_timeout=params.get("stream_timeout", positive),
        defaults=_defaults(params),
    )
    why = unserved(provider) or next(iter(unset), None)
    if why is not None and why in unset:  # no other key may take the place of one that is missing
        deployment = deployment.model_copy(update={"api_key": None})
    why = why or _unreachable(params) or found.missing or _unfilled(pattern, name)
    return deployment.model_copy(update={"unsupported": why})


def _unreachable(params: Section) -> str | None:
    return "litellm_credential_name is not built yet" if "litellm_credential_name" in params else None


def _defaults(params: Section) -> dict[str, Any]:
    """What is neither known transport nor LiteLLM's own goes into every request that does not say it itself."""
    found: dict[str, Any] = dict(params.get("extra_body", json_mapping) or {})
    for name in params.left():
        if is_knob(name):
            params.notes.ignore(f"model_list[].litellm_params.{name}", why_knob(name))
        elif (value := params.get(name, json_value)) is not None:
            found[name] = value
            if (meant := close_to(name)) is not None:
                params.notes.warn(f"{params.key(name)} goes into every request, for it is not known: is it {meant}?")
    return found


def _unfilled(pattern: str, model: str) -> str | None:
    """A name without stars fills one; LiteLLM would send a star that nothing fills."""
    if model.count(STAR) > max(1, pattern.count(STAR)):
        return "model has more stars than model_name"
    return None


def _headers_of(params: Section) -> dict[str, str]:
    """`headers` is LiteLLM's other name; what both say, `extra_headers` says."""
    return (params.get("headers", _headers) or {}) | (params.get("extra_headers", _headers) or {})


def _headers(value: Any) -> dict[str, str]:
    return {line(name): line(str(content)) for name, content in mapping(value).items() if content is not None}


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
