"""`model_list` as deployments. Knows no entry's parts and no wire format.

Source: LiteLLM's page on the proxy's config.yaml, part `model_list`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from askonce.config.entries import read_entry
from askonce.config.notes import Notes
from askonce.config.patterns import STAR
from askonce.config.places import Told, place
from askonce.config.providers import KNOWN, SERVED, Provider, split_model, unserved, without_route
from askonce.config.section import Section
from askonce.config.settings import Deployment
from askonce.config.values import listing

_OPENAI_EMBEDDINGS: Final = "text-embedding-"  # what OpenAI's embedding models are called; a misspelt name is not
_PLACES: Final = ("api_base", "base_url", "api_key", "custom_llm_provider")


def read_models(document: Section) -> tuple[Deployment, ...]:
    """The deployments of `model_list`, in its order; none where there is no list or an empty one. Behind them stands
    what an entry of all providers stands for: see `_of_all_providers`.
    """
    entries = document.as_written("model_list", listing) or []
    notes, variables = document.notes, document.variables
    found: list[Deployment] = []
    implied: list[Deployment] = []
    for at, entry in enumerate(entries):
        deployment = read_entry(f"model_list[{at}]", entry, variables, notes)
        if deployment is not None:
            found.append(deployment)
            implied += _of_all_providers(entry, deployment, variables, notes)
    patterns = {one.pattern for one in found}
    return (*found, *(one for one in implied if one.pattern not in patterns))


def everything_to_openai(variables: Mapping[str, str], notes: Notes, *, own_key: bool) -> Deployment:
    """What stands for a missing `model_list`; without `own_key` the client's credential goes upstream."""
    found = place(SERVED["openai"], Told(), variables, notes)
    if not own_key:
        found = found._replace(api_key=None, key_is_token=False)
    return Deployment(pattern=STAR, model=STAR, provider="openai", **found.fields())


def unlisted(name: str, variables: Mapping[str, str], notes: Notes) -> Deployment | None:
    """A deployment of an embedding model that `model_list` does not have, under its own name. None where it is not the
    name of a provider's model, or where the environment has no key for it.
    """
    provider, model = split_model(name, None, has_base=False)
    if provider not in KNOWN or ("/" not in name and not name.startswith(_OPENAI_EMBEDDINGS)):
        return None
    served, why = SERVED.get(provider), unserved(provider) or without_route(provider, "/embeddings")
    found = place(served or Provider(), Told(), variables, notes)
    if served is not None and why is None and (found.missing or (found.api_key is None and served.needs_key)):
        return None
    return Deployment(
        pattern=name,
        model=found.deployment or model,
        provider=provider,
        **found.fields(),
        unsupported=why,
        for_clients=False,  # nobody has put it into the list, and the environment's key would pay for it
    )


def _of_all_providers(
    entry: Any, deployment: Deployment, variables: Mapping[str, str], notes: Notes
) -> Iterator[Deployment]:
    """`model: "*"` with nothing that says where stands, in LiteLLM, for every provider that the client's name begins
    with. Those are served whose key, or whose address, is in the environment; a name without a prefix is OpenAI's.
    """
    if deployment.model != STAR:
        return
    params = entry["litellm_params"]
    if params["model"] != STAR or deployment.pattern.count(STAR) != 1 or any(name in params for name in _PLACES):
        return
    for prefix, provider in SERVED.items():
        if prefix == deployment.provider or not any(name in variables for name in _named(provider)):
            continue
        found = place(provider, Told(), variables, notes)
        if found.missing is None and found.deployment is None:
            pattern = deployment.pattern.replace(STAR, f"{prefix}/{STAR}")
            theirs = {"pattern": pattern, "provider": prefix, "organization": None, **found.fields()}
            yield deployment.model_copy(update=theirs)


def _named(provider: Provider) -> tuple[str, ...]:
    """The variables that make it known. Where it is says nothing without a key, unless it is one's own server."""
    return provider.keys + (provider.tokens if provider.needs_key else provider.bases)
