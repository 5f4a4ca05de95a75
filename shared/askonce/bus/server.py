"""The configuration of the nats-server that `askonce up` runs: who may do what. Starts no process, writes no file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from askonce.bus import names
from askonce.config.settings import ProxySettings

_PAYLOAD: Final = 8 << 20  # the most that NATS's own documentation advises
_LARGEST_PAYLOAD: Final = 64 << 20  # the most that nats-server takes
_FRAME: Final = 64 << 10  # what stands around an entry in its message
# The streams have bounds of their own. A tighter one here would keep the server from loading streams made under a
# larger `queue_bytes`, and with them the answers in them.
_STORAGE: Final = 1 << 44
_MEMORY: Final = 32 << 20  # the state of feeds, which live in memory
_PASSWORD: Final = re.compile(r"[A-Za-z0-9_-]{16,}", re.ASCII)

_API: Final = "$JS.API"
_STREAMS: Final = (names.STREAM, names.DEAD_STREAM, names.TOMBSTONE_STREAM)  # those of both roles

# Creating an existing stream changes nothing, and fails where the configuration differs: harmless in any hand.
_COMMON: Final = (
    *(f"{_API}.STREAM.CREATE.{stream}" for stream in _STREAMS),
    *(f"{_API}.STREAM.INFO.{stream}" for stream in _STREAMS),
    # This subject, without a name behind it, makes nameless consumers only: nobody's durable one can be replaced.
    f"{_API}.CONSUMER.CREATE.{names.TOMBSTONE_STREAM}",
    f"$JS.FC.{names.TOMBSTONE_STREAM}.>",
)
_FRONTEND_PUBLISH: Final = (
    *_COMMON,
    # Whoever may change a stream may have the server write it on to any subject, that of keys included: only frontends,
    # which write keys anyway.
    *(f"{_API}.STREAM.UPDATE.{stream}" for stream in _STREAMS),
    f"{_API}.CONSUMER.LIST.{names.TOMBSTONE_STREAM}",
    f"{_API}.STREAM.MSG.GET.{names.TOMBSTONE_STREAM}",
    names.answered("*"),
    names.TOLD,
    names.HEARD,
    f"$KV.{names.TOMBSTONES}.*",
    f"{names.FLUSHES}.*",
    # Keys and sums are for frontends alone. As above, nobody's consumer can be replaced.
    f"{_API}.STREAM.CREATE.{names.KEY_STREAM}",
    f"{_API}.STREAM.INFO.{names.KEY_STREAM}",
    f"{_API}.STREAM.MSG.GET.{names.KEY_STREAM}",
    f"{_API}.CONSUMER.CREATE.{names.KEY_STREAM}",
    f"$JS.FC.{names.KEY_STREAM}.>",
    names.RECORDS,
    f"{_API}.STREAM.CREATE.{names.SPENT_STREAM}",
    f"{_API}.STREAM.INFO.{names.SPENT_STREAM}",
    f"{_API}.STREAM.MSG.GET.{names.SPENT_STREAM}",
    names.SPENT,
)
_FRONTEND_SUBSCRIBE: Final = (f"{names.FRONTEND_INBOX}.>", names.TOLD, names.HEARD, names.confirmed("*"))
_WRITER_PUBLISH: Final = (
    *_COMMON,
    *(
        f"{_API}.CONSUMER.{verb}"
        for verb in (
            f"CREATE.{names.STREAM}.*.{names.answered('*')}",
            f"CREATE.{names.TOMBSTONE_STREAM}.*.$KV.{names.TOMBSTONES}.>",
            f"INFO.{names.STREAM}.*",
            f"MSG.NEXT.{names.STREAM}.*",
            f"MSG.NEXT.{names.TOMBSTONE_STREAM}.*",
        )
    ),
    f"$JS.ACK.{names.STREAM}.>",
    f"$JS.ACK.{names.TOMBSTONE_STREAM}.>",
    names.confirmed("*"),
    names.dead("*"),
)
_WRITER_SUBSCRIBE: Final = (f"{names.WRITER_INBOX}.>",)
_ALL: Final = (">",)


def server_config(  # noqa: PLR0913 - what differs between two servers, each named at the call
    *,
    settings: ProxySettings,
    store_dir: Path,
    frontend_password: str,
    writer_password: str,
    admin_password: str,
    host: str = "127.0.0.1",
    port: int = 0,
    ports_dir: Path | None = None,
) -> str:
    """The text of a configuration file with the users `frontend`, `writer` and `admin`.

    It holds the passwords as they are: the file is to be readable by its owner only (mode 0600). With port 0 the
    server takes a free one and writes it to a file in `ports_dir` (`nats-server_<pid>.ports`, JSON).
    A message may have 8 MiB, and more where `max_entry_bytes` asks for it.
    Raises ValueError for a password of fewer than 16 characters or of others than A-Z a-z 0-9 _ -.
    """
    payload = max(_PAYLOAD, min(_LARGEST_PAYLOAD, settings.max_entry_bytes + _FRAME))
    lines = [
        f"host: {_quoted(host)}",
        f"port: {port or -1}",
        *([] if ports_dir is None else [f"ports_file_dir: {_quoted(str(ports_dir))}"]),
        f"max_payload: {payload}",
        "jetstream {",
        f"  store_dir: {_quoted(str(store_dir))}",
        f"  max_file_store: {_STORAGE}",
        f"  max_memory_store: {_MEMORY}",
        "}",
        "authorization {",
        "  users: [",
        _user("frontend", _checked("frontend", frontend_password), _FRONTEND_PUBLISH, _FRONTEND_SUBSCRIBE),
        _user("writer", _checked("writer", writer_password), _WRITER_PUBLISH, _WRITER_SUBSCRIBE),
        _user("admin", _checked("admin", admin_password), _ALL, _ALL),
        "  ]",
        "}",
    ]
    return "\n".join(lines) + "\n"


def users_by_variable() -> str:
    """The same users for a nats-server that others start (`compose/nats-users.conf`), as text for an `include`.

    The passwords are variables of that server's environment, `NATS_FRONTEND_PASSWORD` and so on. Such a value is read
    like any other text of the configuration: within double quotes it is a password, without them digits are a number.
    """
    lines = [
        "authorization {",
        "  users: [",
        _user("frontend", "$NATS_FRONTEND_PASSWORD", _FRONTEND_PUBLISH, _FRONTEND_SUBSCRIBE),
        _user("writer", "$NATS_WRITER_PASSWORD", _WRITER_PUBLISH, _WRITER_SUBSCRIBE),
        _user("admin", "$NATS_ADMIN_PASSWORD", _ALL, _ALL),
        "  ]",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _checked(name: str, password: str) -> str:
    """In quotes, as the file has it."""
    if not _PASSWORD.fullmatch(password):
        raise ValueError(f"the password of {name} must be 16 or more characters of A-Z a-z 0-9 _ -")
    return _quoted(password)


def _user(name: str, password: str, publish: Sequence[str], subscribe: Sequence[str]) -> str:
    permissions = (
        f"publish: {{ allow: {orjson.dumps(list(publish)).decode()} }}, "
        f"subscribe: {{ allow: {orjson.dumps(list(subscribe)).decode()} }}"
    )
    return f'    {{ user: "{name}", password: {password}, permissions: {{ {permissions} }} }}'


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
