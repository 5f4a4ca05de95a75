"""The canonical form of a request body and the key made from it. Knows JSON; knows no route and no provider.

Two bodies have one key exactly when the provider is asked the same thing: members in any order, `1` or `1.0`,
a null at the top level or no member at all. Any other difference, known parameter or not, is another key.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.core.errors import bad_request

Json = dict[str, Any]

# Members that do not change what the model is asked: how the answer travels, and what the caller notes beside it.
IGNORED = frozenset({"stream", "stream_options", "metadata", "cache", "timeout", "num_retries"})

NAMESPACE = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LARGEST_EXACT = 2**53  # beyond it a float no longer names one integer


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where an entry lives: `[config namespace:][request namespace:]<64 hex digits>`.

    The written form is the response header, the Redis key, and what `/cache/delete` takes.
    """

    namespace: str
    digest: str

    def __str__(self) -> str:
        return f"{self.namespace}:{self.digest}" if self.namespace else self.digest

    @classmethod
    def parse(cls, text: str) -> "CacheKey | None":
        """The key that `text` writes, or None when it is not the written form of any key."""
        namespace, _, digest = text.rpartition(":")
        if not _DIGEST.fullmatch(digest) or (text != digest and not NAMESPACE_PATH.fullmatch(namespace)):
            return None
        return cls(namespace, digest)


# A request's namespace nested under the configured one: twice the length of either, and the colon between.
NAMESPACE_PATH = re.compile(r"[A-Za-z0-9._:-]{1,257}", re.ASCII)


def nest(outer: str, inner: str) -> str:
    """The namespace `inner` under `outer`; a request never replaces the configured one."""
    return f"{outer}:{inner}" if outer and inner else outer or inner


def outer_of(nested: str, inner: str) -> str:
    """The namespace under which `inner` was nested."""
    return nested.removesuffix(inner).removesuffix(":") if inner else nested


def canonical(body: Json) -> bytes:
    """The bytes that stand for what is asked.

    Raises RequestError (400) for a body nested deeper than JSON tools agree on (254 levels), and for text of a form
    that is not Unicode: nothing that came in as JSON.
    """
    asked = {name: value for name, value in body.items() if value is not None and name not in IGNORED}
    try:
        written = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        # Only a number written with ".0" can need another spelling, and few bodies hold one: the walk in Python
        # over a long conversation costs more than all the rest of the key.
        if b".0" in written:
            written = orjson.dumps(_integral(asked), option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError):
        raise bad_request("the body is nested too deeply, or holds text that is not Unicode") from None
    return written


def _integral(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else value
    if isinstance(value, dict):
        return {name: _integral(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_integral(member) for member in value]
    return value


def digest(asked: bytes, circumstances: bytes) -> str:
    """SHA-256, 64 hex digits, over the canonical body and all that decides the answer beside it.

    The first part is sealed by its length, so that no byte can be counted to the other side.
    """
    seal = hashlib.sha256(b"%d\n" % len(asked))
    seal.update(asked)
    seal.update(circumstances)
    return seal.hexdigest()


def circumstances(
    *,
    call_type: str,
    model: str,
    upstream: list[Json],
    headers: dict[str, str],
    tenant: str,
    namespaces: tuple[str, str],
) -> bytes:
    """What decides an answer beside the body, written down.

    `upstream` lists, for each deployment that may answer, the model's name there and its generation defaults;
    `headers` are the client's forwarded headers in lower case; `tenant` is "" where answers are shared by all;
    `namespaces` are the configured one and the request's, apart.
    """
    parts = [call_type, model, upstream, headers, tenant, list(namespaces)]
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
