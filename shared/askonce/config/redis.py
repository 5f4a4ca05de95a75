"""Where Redis is and how to talk to it: `cache_params` over `REDIS_*`. Knows the names of redis-py's arguments, and
not redis-py.

Source of the precedence: LiteLLM 1.109, `_redis.py`, as told in its page on caching; docs/decisions/0023 where not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from askonce.config import iam
from askonce.config.notes import Notes
from askonce.config.redis_arguments import ARGUMENTS, CLUSTER_ARGUMENTS, NOT_IN_A_CLUSTER, PATHS, PLACE, nodes
from askonce.config.said import Said, Setting, in_file, in_variables, unset_among
from askonce.config.section import Section
from askonce.config.settings import RedisSettings
from askonce.config.values import place, text

NOWHERE: Final = "Either 'host' or 'url' must be specified for redis, here or as REDIS_HOST or REDIS_URL."
_BOTH: Final = "Both 'sentinel_nodes' and 'service_name' are required for Redis Sentinel."
_NO_SEARCH: Final = "is a cluster, and search does not work across one: redis-semantic takes one server, or Sentinels"
_KUBERNETES: Final = "is an address, as Kubernetes sets it for a service called redis"

# What says where Redis is, in LiteLLM's order, and which of the rest each of them leaves an effect.
_TARGETS: Final[Mapping[str, frozenset[str]]] = {
    "cluster_nodes": frozenset({"username", "password"}),
    "url": frozenset(),
    "sentinel_nodes": frozenset({"service_name", "sentinel_password", "db", "username", "password"}),
    "host": frozenset({"port", "db", "username", "password"}),
}
_REST: Final = ("port", "db", "username", "password", "service_name", "sentinel_password")
_LOGIN: Final = frozenset({"username", "password"})
_SECRET: Final = frozenset({"url", "password", "sentinel_password"})


def _settings() -> dict[str, Setting]:
    """All that Redis may be told, by our own name for it."""
    arguments = {**PLACE, **ARGUMENTS, **CLUSTER_ARGUMENTS, "gcp_ssl_ca_certs": text}
    found = {name: Setting(read, (name,), (f"REDIS_{name.upper()}",)) for name, read in arguments.items()}
    return {
        **found,
        **iam.SETTINGS,
        "url": Setting(PLACE["url"], ("url", "redis_url"), ("REDIS_URL",)),
        # without it the password would go out in the clear
        "ssl": Setting(PLACE["ssl"], ("ssl",), ("REDIS_SSL",), lenient=False),
        "cluster_nodes": Setting(nodes(6379), ("redis_startup_nodes", "startup_nodes"), ("REDIS_CLUSTER_NODES",)),
        "sentinel_nodes": Setting(nodes(26379), ("sentinel_nodes",), ("REDIS_SENTINEL_NODES",)),
        "service_name": Setting(text, ("service_name",), ("REDIS_SERVICE_NAME",)),
        "sentinel_password": Setting(text, ("sentinel_password",), ("REDIS_SENTINEL_PASSWORD",)),
    }


SETTINGS: Final = _settings()
NAMES: Final = frozenset(key for setting in SETTINGS.values() for key in setting.keys)


def read_redis(params: Section, cwd: Path, *, search: bool = False) -> RedisSettings | None:
    """The Redis that is meant: `search` says that it must be one that can. None where there is none, or none that will
    do, which is noted as wrong.
    """
    given = in_file(params, SETTINGS)
    if "ssl_cert_reqs" in params and params.values["ssl_cert_reqs"] is None:
        # this null says something: it is how LiteLLM's page asks for no check
        given["ssl_cert_reqs"] = Said("none", params.key("ssl_cert_reqs"), in_file=True)
    said = _beneath(params) | given
    target = _first(given) or _first(said)
    if target is None or (target == "sentinel_nodes" and "service_name" not in said):
        _no_target(params, said)
        return None
    if search and target == "cluster_nodes":
        said[target].wrong(_NO_SEARCH, params.notes)
        return None
    _note_lost(target, said, params.notes)
    return _made(target, said, params, cwd)


def _first(said: Mapping[str, Said]) -> str | None:
    return next((name for name in _TARGETS if name in said), None)


def _beneath(params: Section) -> dict[str, Said]:
    variables = dict(params.variables)
    if "://" in variables.get("REDIS_PORT", ""):
        del variables["REDIS_PORT"]
        params.notes.ignore("REDIS_PORT", _KUBERNETES)
    return in_variables(variables, SETTINGS, params.notes)


def _no_target(params: Section, said: Mapping[str, Said]) -> None:
    half = said.get("sentinel_nodes") or said.get("service_name")
    targets = [SETTINGS[name] for name in (*_TARGETS, "service_name")]
    seen = [name for one in targets for name in (*map(params.key, one.keys), *one.variables)]
    if params.notes.is_wrong(*seen):
        return
    if half is not None:
        half.wrong(_BOTH, params.notes)
    else:
        params.notes.wrong(params.path, NOWHERE + unset_among(params, (key for one in targets for key in one.keys)))


def _note_lost(target: str, said: Mapping[str, Said], notes: Notes) -> None:
    used = {target, *_TARGETS[target]}
    for name, one in said.items():
        if name in {*_TARGETS, *_REST} - used and one.value != 0:  # database 0 is what it gets
            notes.ignore(one.where, f"has no effect beside {said[target].where}")


def _made(target: str, said: Mapping[str, Said], params: Section, cwd: Path) -> RedisSettings:
    notes = params.notes
    names = {target, "ssl", "max_connections", *_TARGETS[target]} & said.keys()
    values = {name: said[name].value for name in names}
    if target == "url":
        if values.get("ssl") and values["url"].startswith("redis://"):
            # asking for TLS and not getting it is the worse surprise
            values["url"] = values["url"].replace("redis://", "rediss://", 1)
        values["ssl"] = values["url"].startswith("rediss://")
    switch, values["iam"] = iam.read_iam(said, notes, tls=values.get("ssl", False))
    if switch is not None:
        for name in sorted(_LOGIN & values.keys()):
            del values[name]
            notes.ignore(said[name].where, f"has no effect beside {switch.where}")
        if target == "url":
            values["url"] = _without_login(values["url"])
    arguments = _arguments(said, notes, ssl=values.get("ssl", False), cluster=target == "cluster_nodes")
    for name in PATHS & arguments.keys():
        arguments[name] = str(place(arguments[name], cwd, params.variables))
    secrets = {name: SecretStr(values[name]) for name in _SECRET & values.keys()}
    return RedisSettings(**values | secrets, arguments=arguments)


def _arguments(said: Mapping[str, Said], notes: Notes, *, ssl: bool, cluster: bool) -> dict[str, Any]:
    """What goes to redis-py as it is, which raises for an argument of another kind of client."""
    found = {}
    for name in (*ARGUMENTS, *CLUSTER_ARGUMENTS, "gcp_ssl_ca_certs"):
        if name not in said:
            continue
        why = None
        if "ssl_" in name and not ssl:
            why = "has no effect without ssl"
        elif cluster and name in NOT_IN_A_CLUSTER:
            why = "redis-py does not take it for a cluster"
        elif name in CLUSTER_ARGUMENTS:
            why = "askonce finds the nodes of a cluster itself" if cluster else "only for a cluster"
        if why is not None:
            notes.ignore(said[name].where, why)
        else:
            found[name.removeprefix("gcp_")] = said[name].value
    return found


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
