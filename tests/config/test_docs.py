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
from askonce.config.settings import CacheType
from askonce.config.shares import PRICES
from askonce.config.surface.sections import ROUTER

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text()


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def part(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


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
    first, matching, groups = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert set(yaml.safe_load(first)) == {"model_list", "litellm_settings", "askonce"}
    settings = read(first, OPENAI_API_KEY="sk-1")
    assert (settings.ignored, settings.cache.ttl, settings.deployments[0].unsupported) == ((), 3600, None)
    settings = read(matching, OPENAI_API_KEY="sk-1")
    assert (settings.ignored, settings.cache.semantic.local_model) == ((), "minilm")
    settings = read(groups, OPENAI_API_KEY="sk-1", AZURE_API_KEY="a", LITELLM_MASTER_KEY="sk-mine")
    assert (settings.ignored, settings.routing.fallbacks) == ((), {"gpt-4o": ("small",)})
    assert [one.unsupported for one in settings.deployments] == [None] * 3
    assert (settings.deployments[0].base_model, settings.deployments[2].prices.input_token) == ("azure/gpt-4o", 2e-7)
    assert (settings.access.redis.host, settings.access.key_ttl) == ("localhost", 30)


def test_settings_of_groups_and_keys_have_the_defaults_of_the_code(read):
    plain = read("litellm_settings: {cache: false}")
    rows = re.findall(r"^\| `([a-z_]+)` \| `([^`]+)` \|", part("Groups") + part("Keys and limits"), re.MULTILINE)
    routing = {**plain.routing.model_dump(), "routing_strategy": plain.routing.strategy}
    routing |= {"cooldown_time": plain.routing.cooldown, "disable_cooldowns": "false"}
    found = routing | {"user_api_key_cache_ttl": plain.access.key_ttl}
    assert len(rows) == 8
    for name, default in rows:
        assert default == (f"{found[name]:g}" if isinstance(found[name], float) else str(found[name])), name


def test_prices_stand_there_and_settings_of_routing_too():
    assert all(f"`{name}`" in part("Prices") for name in PRICES.values())
    known = {name for row in ROUTER.rows if row.verdict != "not" for name in row.names if ": " not in name}
    elsewhere = {"model_group_alias", "timeout", "stream_timeout"}
    assert all(f"`{name}`" in PAGE or f"router_settings.{name}`" in PAGE for name in known - elsewhere)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target.startswith("#") or (DOCS / target).is_file(), target
