"""Where Redis is and how to talk to it: `cache_params` over `REDIS_*`. Knows the names of redis-py's arguments, and
not redis-py.

Source of the precedence: LiteLLM 1.109, `_redis.py`, as told in its page on caching.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from askonce.config.notes import Notes
from askonce.config.section import Section
from askonce.config.settings import RedisSettings
from askonce.config.values import Unset, Wrong, flag, number, resolve, text, whole

Parse = Callable[[Any], Any]

NOWHERE: Final = "Either 'host' or 'url' must be specified for redis."
_WHERE: Final = ("url", "host")
_IN_MEMORY: Final = "not built yet; answers are kept in memory only, unless host or url names one server"


def _url(value: Any) -> str:
    found = text(value).strip()
    try:
        scheme = urlsplit(found).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"redis", "rediss", "unix"}:
        raise Wrong("must begin with redis://, rediss:// or unix://")
    return found


def _port(value: Any) -> int:
    found = whole(value)
    if not 0 < found < 65536:
        raise Wrong("must be a port, 1 to 65535")
    return found


def _connections(value: Any) -> int:
    found = whole(value)
    if found == 0:
        raise Wrong("must be a whole number above zero")
    return found


def _cert_reqs(value: Any) -> str:
    """A null, and the word None in a variable, are how LiteLLM's page asks for no check of the certificate."""
    found = "none" if value is None else text(value).lower()
    if found not in {"none", "optional", "required"}:
        raise Wrong("must be none, optional or required")
    return found


PLACE: Final[Mapping[str, Parse]] = {
    "url": _url,
    "host": text,
    "port": _port,
    "db": whole,
    "username": text,
    "password": text,
    "ssl": flag,
    "max_connections": _connections,
}

# redis-py's further arguments that can be written down. What stores depend on (decode_responses, retries) is theirs.
ARGUMENTS: Final[Mapping[str, Parse]] = {
    "socket_timeout": number,
    "socket_connect_timeout": number,
    "socket_keepalive": flag,
    "socket_read_size": _connections,
    "health_check_interval": whole,
    "retry_on_timeout": flag,
    "unix_socket_path": text,
    "client_name": text,
    "protocol": whole,
    "ssl_keyfile": text,
    "ssl_certfile": text,
    "ssl_cert_reqs": _cert_reqs,
    "ssl_ca_certs": text,
    "ssl_ca_data": text,
    "ssl_ca_path": text,
    "ssl_check_hostname": flag,
    "ssl_ciphers": text,
    "ssl_password": text,
}
_ALL: Final = {**PLACE, **ARGUMENTS}
NAMES: Final = frozenset(_ALL)

_MANY_SERVERS: Final = {
    "redis_startup_nodes": "Redis Cluster",
    "startup_nodes": "Redis Cluster",
    "sentinel_nodes": "Redis Sentinel",
}
_MANY_SERVERS_VARIABLES: Final = {"REDIS_CLUSTER_NODES": "Redis Cluster", "REDIS_SENTINEL_NODES": "Redis Sentinel"}


def read_redis(params: Section) -> RedisSettings | None:
    """The one Redis server that is meant. None when several are (Cluster, Sentinel), which is noted, and when no
    server is named, which is noted as wrong.
    """
    given, beneath = _from_file(params), _from_variables(params.variables, params.notes)
    if "host" in given:
        beneath.pop("url", None)  # a host in the file beats REDIS_URL; a url in the file beats the host
    merged = beneath | given
    several = _note_many(params)
    if "url" not in merged and "host" not in merged:
        if not several and not params.notes.is_wrong(*map(params.key, _WHERE), "REDIS_HOST", "REDIS_URL"):
            params.notes.wrong(params.path, NOWHERE + _unset_among(params))
        return None
    return _settings(merged, params.notes)


def _unset_among(params: Section) -> str:
    """A reference in host or url that led nowhere, for the error: the listing of notes is not seen then."""
    values = {name: params.values.get(name) for name in _WHERE}
    try:
        resolve(values, params.variables)
    except Unset as unset:
        return f" ({unset})"
    return ""


def _from_file(params: Section) -> dict[str, Any]:
    # A server without a password is met with the same file in which `password` names a variable: not set is a note
    lenient = replace(params, on_unset=params.notes.ignore)
    found = {name: lenient.get(name, parse) for name, parse in _ALL.items()}
    if "ssl_cert_reqs" in params and params.values["ssl_cert_reqs"] is None:
        found["ssl_cert_reqs"] = _cert_reqs(None)
    return {name: value for name, value in found.items() if value is not None}


def _from_variables(variables: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    found = {}
    for name, parse in _ALL.items():
        variable = f"REDIS_{name.upper()}"
        value = variables.get(variable)
        if value is None:
            continue
        if name == "port" and "://" in value:
            notes.ignore(variable, "is an address, as Kubernetes sets it for a service called redis")
            continue
        try:
            found[name] = parse(value)
        except Wrong as wrong:
            notes.wrong_variable(variable, str(wrong))
    return found


def _note_many(params: Section) -> bool:
    in_file = [name for name in _MANY_SERVERS if params.values.get(name)]
    for name in in_file:
        params.notes.ignore(params.key(name), f"{_MANY_SERVERS[name]} is {_IN_MEMORY}")
    in_variables = [name for name in _MANY_SERVERS_VARIABLES if name in params.variables]
    for name in in_variables:
        params.notes.ignore(name, f"{_MANY_SERVERS_VARIABLES[name]} is {_IN_MEMORY}")
    return bool(in_file or in_variables)


def _settings(merged: Mapping[str, Any], notes: Notes) -> RedisSettings:
    url, ssl = merged.get("url"), bool(merged.get("ssl", False))
    if url is not None:
        if ssl and url.startswith("redis://"):
            url = url.replace("redis://", "rediss://", 1)  # asking for TLS and not getting it is the worse surprise
        ssl = url.startswith("rediss://")
    arguments = {name: merged[name] for name in ARGUMENTS if name in merged}
    if not ssl:
        for name in [name for name in arguments if name.startswith("ssl_")]:
            del arguments[name]
            notes.ignore(f"redis {name}", "has no effect without ssl")
    connections = merged.get("max_connections")
    if url is not None:
        return RedisSettings(url=SecretStr(url), ssl=ssl, max_connections=connections, arguments=arguments)
    password = merged.get("password")
    return RedisSettings(
        host=merged["host"],
        port=merged.get("port", 6379),
        db=merged.get("db", 0),
        username=merged.get("username"),
        password=None if password is None else SecretStr(password),
        ssl=ssl,
        max_connections=connections,
        arguments=arguments,
    )
