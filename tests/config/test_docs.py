"""docs/configuration.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import yaml

from askonce.config.cache import DEFAULT_TTLS, TYPES_OF
from askonce.config.known import CACHE_PARAMS, NOT_BUILT
from askonce.config.providers import SERVED
from askonce.config.qdrant import SETTINGS as QDRANT
from askonce.config.redis import SETTINGS as REDIS
from askonce.config.redis_arguments import ARGUMENTS, CLUSTER_ARGUMENTS, OURS
from askonce.config.settings import CacheType, ProxySettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text()


def test_every_own_setting_stands_there_as_in_the_code():
    expected = [
        f"| `{name}` | {'' if field.default is None else f'`{field.default}`'} | {field.description} |"
        for name, field in ProxySettings.model_fields.items()
    ]
    part = PAGE.partition("## Our own settings")[2].partition("\n## ")[0]
    assert [line for line in part.splitlines() if line.startswith("| `")][1:] == expected


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


CACHE = PAGE.partition("\n## The cache\n")[2].partition("\n## ")[0]
FIRST_CELLS = in_backticks("".join(re.findall(r"^\|([^|]*)\|", CACHE, re.MULTILINE)))
COMMON = {"type", "mode", "ttl", "default_in_memory_ttl", "namespace", "supported_call_types"}


def test_lives_and_prefixes():
    lives = {name: "without an end" if ttl is None else f"{ttl:g}" for name, ttl in DEFAULT_TTLS.items()}
    assert ", ".join(f"{name} {ttl}" for name, ttl in lives.items()) in " ".join(PAGE.split())
    assert all(f"`{name}/`" in PAGE for name in SERVED)


def test_every_setting_of_a_cache_stands_there_and_no_other():
    known = {*COMMON, *TYPES_OF} - {*ARGUMENTS, *CLUSTER_ARGUMENTS}
    shown = {name for name in FIRST_CELLS if re.fullmatch(r"[a-z0-9_]+", name)} - {"litellm_settings", "false", "true"}
    assert shown - {"cache_params"} == known
    assert all(f"`{kind}`" in CACHE for kind in get_args(CacheType))
    elsewhere = {*CLUSTER_ARGUMENTS, *OURS, "default_redis_ttl"}
    without = {name for name, why in CACHE_PARAMS.items() if why != NOT_BUILT} - elsewhere
    assert all(f"`{name}`" in CACHE for name in without)
    assert len(without) == 5


def test_every_variable_named_there_is_read():
    read = {name for setting in (*REDIS.values(), *QDRANT.values()) for name in setting.variables}
    shown = {name for name in in_backticks(CACHE) if re.fullmatch(r"[A-Z][A-Z_]+[A-Z]", name)}
    assert shown - {"SEMANTIC_CACHE_EMBEDDING_TIMEOUT_SECONDS"} <= read
    assert len(shown) > 15


def test_the_examples_load(read):
    first, matching = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert set(yaml.safe_load(first)) == {"model_list", "litellm_settings", "askonce"}
    settings = read(first, OPENAI_API_KEY="sk-1")
    assert (settings.ignored, settings.cache.ttl, settings.deployments[0].unsupported) == ((), 3600, None)
    settings = read(matching, OPENAI_API_KEY="sk-1")
    assert (settings.ignored, settings.cache.semantic.local_model) == ((), "minilm")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (DOCS / target).is_file(), target
