"""Every argument of redis-py's clients that can be written into a file or a variable, and how it is read. Knows their
names, and not redis-py: tests hold the tables against it.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from askonce.config.settings import Node
from askonce.config.values import (
    Wrong,
    above_zero,
    flag,
    from_json,
    listing,
    mapping,
    names,
    number,
    spelt,
    text,
    whole,
)

Parse = Callable[[Any], Any]


def _url(value: Any) -> str:
    found = text(value).strip()
    try:
        scheme = urlsplit(found).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"redis", "rediss", "unix"}:
        raise Wrong("must begin with redis://, rediss:// or unix://")
    return scheme + found[len(scheme) :]  # in small letters: it decides about TLS


def _port(value: Any) -> int:
    found = whole(value)
    if not 0 < found < 65536:
        raise Wrong("must be a port, 1 to 65535")
    return found


def _cert_reqs(value: Any) -> str:
    """The word None in a variable is how LiteLLM's page asks for no check of the certificate."""
    found = text(value).lower().removeprefix("cert_")
    if found not in {"none", "optional", "required"}:
        raise Wrong("must be none, optional or required")
    return found


def _tls_version(value: Any) -> ssl.TLSVersion:
    found = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}.get(
        str(value).lower().replace("_", ".").removeprefix("tlsv")
    )
    if found is None:
        raise Wrong("must be TLSv1_2 or TLSv1_3")
    return found


def _verify_flags(value: Any) -> list[ssl.VerifyFlags]:
    names = value.strip("[] ").split(",") if isinstance(value, str) else listing(value)
    try:
        return [ssl.VerifyFlags[str(name).strip().upper()] for name in names]
    except KeyError:
        raise Wrong("must be a list of flags such as VERIFY_X509_STRICT") from None


def _socket_options(value: Any) -> dict[int, int]:
    given = mapping(from_json(value) if isinstance(value, str) else value)
    return {whole(name): whole(option) for name, option in given.items()}


def _protocol(value: Any) -> int:
    found = whole(value)
    if found not in {2, 3}:
        raise Wrong("must be 2 or 3")
    return found


def nodes(usual_port: int) -> Parse:
    """A reader for several servers, each `{"host": …, "port": …}` or `[host, port]`; as a list, or as JSON text."""

    def read(value: Any) -> tuple[Node, ...]:
        found = listing(from_json(value) if isinstance(value, str) else value)
        return tuple(_node(one, usual_port) for one in found)

    return read


def _node(value: Any, usual_port: int) -> Node:
    match value:
        case {"host": str(host)} if host.strip():
            port = value.get("port")
        case [str(host), port] if host.strip():
            pass
        case _:
            raise Wrong('must be a list of servers such as {"host": "127.0.0.1", "port": 7001} or ["localhost", 26379]')
    return Node(host=host.strip(), port=usual_port if port is None else _port(port))


PLACE: Final[Mapping[str, Parse]] = {
    "url": _url,
    "host": text,
    "port": _port,
    "db": whole,
    "username": text,
    "password": text,
    "ssl": flag,
    "max_connections": above_zero,
}

ARGUMENTS: Final[Mapping[str, Parse]] = {
    "socket_timeout": number,
    "socket_connect_timeout": number,
    "socket_keepalive": flag,
    "socket_keepalive_options": _socket_options,
    "socket_read_size": above_zero,
    "health_check_interval": whole,
    "retry_on_timeout": flag,
    "unix_socket_path": text,
    "client_name": text,
    "lib_name": text,
    "lib_version": spelt,
    "protocol": _protocol,
    "ssl_keyfile": text,
    "ssl_certfile": text,
    "ssl_cert_reqs": _cert_reqs,
    "ssl_include_verify_flags": _verify_flags,
    "ssl_exclude_verify_flags": _verify_flags,
    "ssl_ca_certs": text,
    "ssl_ca_data": text,
    "ssl_ca_path": text,
    "ssl_check_hostname": flag,
    "ssl_min_version": _tls_version,
    "ssl_ciphers": text,
    "ssl_password": text,
}
CLUSTER_ARGUMENTS: Final[Mapping[str, Parse]] = {
    "require_full_coverage": flag,
    "read_from_replicas": flag,
    "dynamic_startup_nodes": flag,
    "reinitialize_steps": whole,
    "cluster_error_retry_attempts": whole,
}
# What redis-py's client of one server takes, and that of a cluster does not.
NOT_IN_A_CLUSTER: Final = frozenset({"retry_on_timeout", "unix_socket_path", "ssl_ca_path", "ssl_password"})

PATHS: Final = frozenset({"unix_socket_path", "ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "ssl_ca_path"})

# Arguments that no file can give (objects of Python), and those that the stores depend on and set themselves.
OURS: Final = names("""
    address_remap auto_close_connection_pool connection_pool credential_provider decode_responses driver_info encoding
    encoding_errors event_dispatcher legacy_responses load_balancing_strategy maint_notifications_config path
    policy_resolver redis_connect_func retry retry_on_error single_connection_client
""")
