"""Every row of the tables of LiteLLM's settings and variables says what happens: each is put into a file, or into a
`.env`, with as little as it needs beside it.
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from askonce.calls.table import call_types
from askonce.config import qdrant, redis
from askonce.config.cache import TYPES_OF
from askonce.config.known import LITELLM_CALL_TYPES, UNBUILT_STORES
from askonce.config.providers import SERVED
from askonce.config.redis_arguments import CLUSTER_ARGUMENTS
from askonce.config.section import Section
from askonce.config.surface import cache, models, sections
from askonce.config.surface.rows import Row, Table, Verdict
from askonce.config.surface.table import CONTROLS, HEADERS, PREFIXES, ROUTES, SETTINGS, VARIABLES, named

CONFIG = Path(redis.__file__).parent
BUILT = (Verdict.WORKS, Verdict.BETTER)
OPENAI = {"OPENAI_API_KEY": "sk-of-the-environment"}
NODES = [["other", 1]]
SENTINELS = {"type": "redis", "sentinel_nodes": NODES, "service_name": "other"}
MATCHING = {"similarity_threshold": 0.5}
AMAZON = {"aws_iam_user_name": "other", "aws_iam_cache_name": "other", "aws_iam_region": "other"}
KINDS: dict[str, dict[str, Any]] = {
    "local": {"type": "local"},
    "disk": {"type": "disk"},
    "redis": {"type": "redis", "host": "other"},
    "s3": {"type": "s3", "s3_bucket_name": "other", "s3_aws_access_key_id": "o", "s3_aws_secret_access_key": "o"},
    "qdrant-semantic": {
        "type": "qdrant-semantic",
        "qdrant_collection_name": "other",
        "qdrant_api_base": "http://other",
        **MATCHING,
    },
    "redis-semantic": {"type": "redis-semantic", "host": "other", **MATCHING},
}


def params_beside(name: str) -> dict[str, Any]:
    """`cache_params` beside which a member counts; what is needed has another value than its sample."""
    if name in {"sentinel_nodes", "service_name", "sentinel_password"}:
        return SENTINELS
    if name in CLUSTER_ARGUMENTS:
        return {"type": "redis", "redis_startup_nodes": NODES}
    if name == "default_in_memory_ttl":
        return KINDS["redis"]
    params = KINDS[TYPES_OF.get(name, ("local",))[0]]
    if name.startswith("aws_"):
        return {**params, "ssl": True, **AMAZON, **({} if name == "aws_iam_auth" else {"aws_iam_auth": True})}
    if name.startswith("azure_client") or name == "azure_tenant_id":
        return {**params, "azure_redis_ad_token": True, "azure_client_id": "other", "azure_tenant_id": "other"}
    return {**params, "ssl": True} if "ssl_" in name else params


def beside(path: str) -> dict[str, Any]:
    """A file in which the setting counts, and does not stand or has another value."""
    name = path.rpartition(".")[2]
    inside = {"default_in_memory_ttl": "local", "default_redis_ttl": "redis"}.get(name, "local")
    params = params_beside(name) if path.startswith(cache.PREFIX) else KINDS[inside]
    azure = path in {f"{models.PARAMS}api_version", f"{models.PARAMS}azure_ad_token"}
    entry = {"model": "azure/m", "api_base": "http://azure"} if azure else {"model": "m"}
    router: dict[str, Any] = {}
    if path.startswith(sections.ARGUMENTS.prefix):
        router = {"routing_strategy": "latency-based-routing"}
    elif name in {"redis_port", "redis_password", "redis_db"}:
        router = {"redis_host": "other"}
    return {
        "model_list": [{"model_name": "gpt-4o", "litellm_params": entry}],
        "litellm_settings": {"cache": True, "cache_params": params},
        "router_settings": router,
    }


def with_setting(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the setting in its place."""
    copied: dict[str, Any] = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))
    *sections, name = path.split(".")
    place = copied
    for section in sections:
        listed = section.removesuffix("[]")
        place = place[listed][0] if listed != section else place.setdefault(section, {})
    place[name] = value
    return copied


def rows(tables: Iterable[Table], *verdicts: Verdict) -> list[Any]:
    """The path of each name, its sample, and its row."""
    return [
        pytest.param(table.prefix + name.replace("*", "something"), row.samples.get(name), row, id=table.prefix + name)
        for table in tables
        for row in table.rows
        for name in row.names
        if row.verdict in verdicts
    ]


def effects(settings: Any) -> Any:
    """Settings but for what they tell of themselves."""
    return settings.model_copy(update={"ignored": (), "standing": ()})


def told_of(settings: Any, path: str) -> tuple[Verdict, str]:
    (one,) = (one for one in settings.standing if one.name == path)
    return one.verdict, one.words


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "sample", "row"), rows(SETTINGS, *BUILT))
def test_what_works_has_an_effect_and_is_not_listed(read: Any, path: str, sample: Any, row: Row) -> None:
    path, _, choice = path.partition(": ")
    sample = choice or sample
    base = beside(path)
    if path == f"{cache.PREFIX}type":
        base["litellm_settings"]["cache_params"] = KINDS["disk" if sample == "local" else "local"]
        document = with_setting(base, "litellm_settings.cache_params", KINDS[sample])
    else:
        document = with_setting(base, path, sample)
    without, settings = (read(yaml.safe_dump(one), dotenv="", **OPENAI) for one in (base, document))
    assert not [line for line in settings.ignored if line.startswith(f"{path}: ")]
    assert effects(settings) != effects(without)
    assert told_of(settings, path)[0] in BUILT
    if choice:
        assert told_of(settings, path) == (row.verdict, row.words)


@pytest.mark.parametrize(("path", "sample", "row"), rows(SETTINGS, Verdict.NOT))
def test_what_does_not_is_listed_once_with_its_reason(read: Any, path: str, sample: Any, row: Row) -> None:
    path, _, choice = path.partition(": ")
    base = beside(path)
    without, settings = (
        read(yaml.safe_dump(one), dotenv="", **OPENAI)
        for one in (base, with_setting(base, path, choice or sample or "1"))
    )
    why = f"{choice} {row.words}" if choice else row.words
    assert settings.ignored == (f"{path}: {why}",)
    assert told_of(settings, path) == (Verdict.NOT, why)
    assert effects(settings) == effects(without)


def test_a_row_is_one_of_a_kind() -> None:
    for tables in (SETTINGS, VARIABLES, CONTROLS, HEADERS[:1], HEADERS[1:], ROUTES):
        names = [name for name, _ in named(tables)]
        assert len(set(names)) == len(names), {name for name in names if names.count(name) > 1}
        for _, row in named(tables):
            assert row.words or row.verdict is Verdict.WORKS
            assert not row.samples or row.verdict is not Verdict.NOT


# -- nothing that is read is missing ---------------------------------------------------------------------------------


def test_whatever_the_loader_asks_for_has_a_row(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    parsed = Section._parsed

    def noting(self: Section, name: str, *how: Any) -> Any:
        asked.add(re.sub(r"\[\d+\]", "[]", self.key(name)))
        return parsed(self, name, *how)

    monkeypatch.setattr(Section, "_parsed", noting)
    for kind in KINDS.values():
        for path in (f"{models.PARAMS}api_version", f"{models.PARAMS}something"):
            document = with_setting(beside(path), "litellm_settings.cache_params", kind)
            read(yaml.safe_dump(with_setting(document, path, "1")), **OPENAI)
    sections = {prefix.removesuffix(".").removesuffix("[]") for prefix in PREFIXES}
    unknown = asked - {name for name, _ in named(SETTINGS)} - sections
    assert unknown == {"askonce", f"{models.PARAMS}something"}
    assert len(asked) > 100


def test_whatever_variable_is_read_has_a_row() -> None:
    tables = [*redis.SETTINGS.values(), *qdrant.SETTINGS.values()]
    read = {name for one in tables for name in one.variables}
    read |= {name for one in SERVED.values() for name in (*one.keys, *one.tokens, *one.bases)}
    for path in {*CONFIG.glob("*.py")} - {CONFIG / "providers.py", CONFIG / "known.py"}:
        words = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        read |= {word for word in words if isinstance(word, str) and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", word)}
    known = {name for name, _ in named(VARIABLES)}
    assert {name for name in read if not name.startswith("ASKONCE_")} <= known
    assert len(read) > 100


def test_values_that_are_not_built_have_a_row() -> None:
    names = {name for name, row in named(SETTINGS) if row.verdict is Verdict.NOT}
    assert {f"{cache.PREFIX}type: {kind}" for kind in UNBUILT_STORES} <= names
    assert {f"{cache.PREFIX}type: {kind}" for kind in KINDS} <= {name for name, _ in named(SETTINGS)}
    assert call_types(LITELLM_CALL_TYPES)[1] == []


# -- variables -------------------------------------------------------------------------------------------------------

OF_REDIS = {name: one for one in redis.SETTINGS.values() for name in one.variables}


def as_variables(params: dict[str, Any]) -> dict[str, str]:
    """The same said by variables."""
    first = {key: one.variables[0] for one in redis.SETTINGS.values() for key in one.keys}
    return {first[key]: orjson.dumps(value).decode().strip('"') for key, value in params.items() if key != "type"}


def around(variable: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A file and a `.env` in which a variable counts, and has another value or does not stand."""
    document = beside("")
    if variable in OF_REDIS:
        params = params_beside(OF_REDIS[variable].keys[0])
        del document["litellm_settings"]["cache_params"]
        return document, as_variables(params)
    if variable.startswith("QDRANT"):
        document["litellm_settings"]["cache_params"] = {**KINDS["qdrant-semantic"], "qdrant_api_base": None}
        return document, {"QDRANT_URL": "http://other", **OPENAI}
    if variable.startswith("SEMANTIC"):
        document["litellm_settings"]["cache_params"] = KINDS["redis-semantic"]
        return document, OPENAI
    entry = document["model_list"][0]["litellm_params"]
    provider = next((name for name, one in SERVED.items() if variable in (*one.keys, *one.tokens, *one.bases)), None)
    if variable.startswith("AZURE"):
        entry |= {"model": "azure/m"} | ({} if variable == "AZURE_API_BASE" else {"api_base": "http://azure"})
    elif provider is not None:
        entry["model"] = f"{provider}/m"
    return document, {}


@pytest.mark.parametrize(("name", "sample", "row"), rows(VARIABLES, *BUILT))
def test_a_variable_that_works_has_an_effect_and_is_not_listed(read: Any, name: str, sample: str, row: Row) -> None:
    document, others = around(name)
    same = OF_REDIS[name].variables if name in OF_REDIS else ("QDRANT_URL",) if name == "QDRANT_API_BASE" else ()
    text = yaml.safe_dump(document)
    without = read(text, dotenv=dotenv(others))
    settings = read(
        text, dotenv=dotenv({other: said for other, said in others.items() if other not in same} | {name: sample})
    )
    assert not [line for line in settings.ignored if line.startswith(f"{name}: ")]
    assert effects(settings) != effects(without), row


@pytest.mark.parametrize(("name", "sample", "row"), rows(VARIABLES, Verdict.NOT))
def test_a_variable_that_does_not_is_listed_once_with_its_reason(read: Any, name: str, sample: Any, row: Row) -> None:
    text = yaml.safe_dump(beside(""))
    without, settings = read(text, dotenv=""), read(text, dotenv=dotenv({name: sample or "1"}))
    assert settings.ignored == (f"{name}: {row.words}",)
    assert effects(settings) == effects(without)


def dotenv(variables: dict[str, str]) -> str:
    return "".join(f"{name}='{value}'\n" for name, value in variables.items())
