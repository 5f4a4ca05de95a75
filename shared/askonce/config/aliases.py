"""Other names of models: `router_settings.model_group_alias` and `litellm_settings.model_alias_map`.

Source: LiteLLM's page on the proxy's config.yaml. What differs: docs/decisions/0055.
"""

from collections.abc import Sequence
from typing import Any

from askonce.config.names import Names
from askonce.config.policies import Alias
from askonce.config.section import Section
from askonce.config.settings import Deployment
from askonce.config.values import Wrong, flag, line, mapping


def read_aliases(router: Section, litellm: Section, deployments: Sequence[Deployment]) -> tuple[Alias, ...]:
    """In the file's order. One that leads nowhere, or to another alias, is noted as wrong. Of two that have one name
    the map's counts, as LiteLLM looks there first.
    """
    found: dict[str, tuple[str, Alias]] = {}
    for section, setting in ((litellm, "model_alias_map"), (router, "model_group_alias")):
        for name, value in (section.get(setting, mapping) or {}).items():
            key = f"{section.key(setting)}.{name}"
            try:
                alias = _alias(name, value)
            except Wrong as wrong:
                section.notes.wrong(key, str(wrong))
                continue
            if alias.model != name:  # an alias of itself changes nothing
                found.setdefault(name, (key, alias))
    names = Names(deployments)
    for key, alias in found.values():
        if alias.model in found:
            router.notes.wrong(key, "must lead to a model of model_list, not to another alias")
        elif not names.answering(alias.model):
            router.notes.wrong(key, "must lead to a name that model_list answers to")
    return tuple(alias for _, alias in found.values())


def _alias(name: str, value: Any) -> Alias:
    if not isinstance(value, dict):
        return Alias(name=name, model=line(value))
    said = mapping(value)
    return Alias(name=name, model=line(said.get("model")), hidden=flag(said.get("hidden") or False))
