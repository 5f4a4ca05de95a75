"""LiteLLM's `config.yaml`, the environment and `.env`, read once into Settings. All that is wrong is told at once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from askonce.config import semantic
from askonce.config.access import read_access
from askonce.config.aliases import read_aliases
from askonce.config.cache import read_cache, why_left
from askonce.config.document import read_document
from askonce.config.environment import for_libraries, merge_environment
from askonce.config.files import read_files
from askonce.config.known import GENERAL, LITELLM, NOT_KNOWN, ROUTER, SECTIONS
from askonce.config.models import everything_to_openai, read_models
from askonce.config.names import Names
from askonce.config.notes import Notes
from askonce.config.own import read_host, read_master_key, read_own
from askonce.config.routing import read_routing
from askonce.config.section import Section
from askonce.config.settings import Settings
from askonce.config.surface.standing import standing
from askonce.config.surface.table import without_effect
from askonce.config.timeouts import read_timeouts, with_timeouts
from askonce.config.values import Wrong

NO_FILE = "no config file"


def load(path: Path | None, environ: Mapping[str, str], *, cwd: Path) -> Settings:
    """The settings in force.

    `environ` is the process's environment. Below it stand the files of the folder that its ASKONCE_SECRETS_DIR names,
    then a `.env` in `cwd`, then the file's own `environment_variables`. Relative paths are seen from `cwd`.

    Raises ConfigError that names file or variable, key, and what was expected, and holds no value; its subclass
    ConfigErrors when there is more than one.
    """
    values = {} if path is None else read_document(cwd / path)
    notes = Notes(NO_FILE if path is None else str(path))
    files = read_files(environ, cwd)
    outer = merge_environment(environ, files, cwd, notes)
    document = Section("", values, outer, notes)
    document = replace(document, variables=_from_section(document) | outer)
    litellm, general = document.section("litellm_settings"), document.section("general_settings")
    router = document.section("router_settings")
    params = litellm.section("cache_params")

    proxy = read_own(document.section("askonce"), cwd)
    master_key = read_master_key(general)
    own_key = path is not None or master_key is not None  # a client that sends the master key has no key to forward
    fallback = everything_to_openai(document.variables, notes, own_key=own_key)
    deployments = with_timeouts(read_models(document) or (fallback,), read_timeouts(router, litellm))
    aliases = read_aliases(router, litellm, deployments)
    routing = read_routing(router, litellm, Names(deployments, aliases))
    cache = read_cache(litellm, params, proxy, cwd)
    access = read_access(general, router, cache, cwd)
    if cache.semantic is not None:
        proxy = semantic.with_deadline(proxy, params)
        deployments = semantic.with_embedder(cache.type, cache.semantic, deployments, params)
    settings = Settings(
        source=NO_FILE if path is None else str(path),
        deployments=deployments,
        aliases=aliases,
        cache=cache,
        proxy=proxy.model_copy(update={"host": read_host(proxy, master_key, general)}),
        routing=routing,
        access=access,
        master_key=master_key,
        for_libraries=for_libraries(document.variables, environ),
        from_files=files.told(environ),
    )
    params.ignore_left(why_left)
    for section, reasons in ((litellm, LITELLM), (general, GENERAL), (router, ROUTER), (document, SECTIONS)):
        section.ignore_left(partial(_why, reasons))
    for name, why in without_effect().items():
        if name in document.variables:
            notes.ignore(name, why)
    notes.check()
    told = {"ignored": notes.ignored, "warnings": notes.warnings, "standing": standing(values, notes.ignored)}
    return settings.model_copy(update=told)


def _why(reasons: Mapping[str, str], name: str) -> str:
    return reasons.get(name, NOT_KNOWN)


def _from_section(document: Section) -> dict[str, str]:
    """`environment_variables` of the file. A reference in it is to the environment."""
    section = document.section("environment_variables")
    found = {name: section.get(name, _variable) for name in section.values}
    return {name: value for name, value in found.items() if value}


def _variable(value: Any) -> str:
    if isinstance(value, dict | list):
        raise Wrong("must be text or a number")
    return str(value)
