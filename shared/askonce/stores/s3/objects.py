"""The s3 store: an object for each entry, `[path/]<key with "/" for ":">`. Knows keys, headers and whose answer stays.

Layout and headers are LiteLLM's (its `s3_cache.py`), the body is our own frame: an object of LiteLLM's is a miss.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any, Final

from askonce.config.settings import S3Settings
from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import StoreRefused
from askonce.core.flushes import reaches
from askonce.core.key import CacheKey
from askonce.core.wire import encode_entry
from askonce.stores.s3.bucket import DELETED_AT_ONCE, Bucket, Changed, Held
from askonce.stores.s3.client import S3Client
from askonce.stores.s3.threads import Threads
from askonce.stores.values import found

NAME: Final = "s3"

READ_SECONDS: Final = 2.0  # for connecting, and for each wait for bytes; the deadline of a read is shorter
WRITE_SECONDS: Final = 5.0
_READ_ATTEMPTS: Final = 1  # a second one would come after the deadline
_WRITE_ATTEMPTS: Final = 3

_WAITING: Final = 256  # reads; they take half a second, and more would wait for longer than their deadline
_OF_ONE: Final = 8  # reads of one caller at once, so that 2,048 vectors leave threads to the others
_COLLISIONS: Final = 10  # with other writers of one object; each of them shows that another has got on

STORED_AT: Final = "stored-at"  # what an answer is told by, without reading it: x-amz-meta-stored-at
HOME: Final = "home"  # the entry's, with a colon behind it, since there are servers that drop what is empty
_NEVER: Final = 31_536_000  # seconds; LiteLLM's max-age for what has no end
_LAST_YEAR: Final = 253_402_300_799  # seconds since the epoch; no date is later


class S3Reader:
    """One GetObject for each key, in threads."""

    name: Final = NAME

    def __init__(self, settings: S3Settings, clock: Callable[[], float]) -> None:
        client = S3Client(settings, READ_SECONDS, _READ_ATTEMPTS)
        self._bucket = Bucket(settings, client)
        self._threads = Threads("s3-reader", client.connections, _WAITING)
        self._path = settings.path
        self._clock = clock

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        names = [object_name(self._path, lookup.key) for lookup in lookups]
        once = list(dict.fromkeys(names))
        values = dict(zip(once, await self._threads.each(once, self._bucket.get, _OF_ONE), strict=True))
        now = self._clock()
        return [found(values[name], lookup, NAME, now) for name, lookup in zip(names, lookups, strict=True)]

    async def ping(self) -> None:
        """Also makes the client, finds the credentials, and opens the first connection."""
        await self._threads.run(lambda _: self._bucket.ping())

    async def close(self) -> None:
        await self._threads.close()
        self._bucket.close()


class S3Writer:
    """A look at what is there and a put, for each entry, in threads. Expired objects are left to the bucket's own
    rule for their life: see `docs/stores.md`.

    An older answer does not replace a newer one: a put is on condition that nothing has changed since the look. With
    a server that knows no conditions the look alone must do, as for redis.
    """

    name: Final = NAME

    def __init__(self, settings: S3Settings, clock: Callable[[], float]) -> None:
        client = S3Client(settings, WRITE_SECONDS, _WRITE_ATTEMPTS)
        self._bucket = Bucket(settings, client)
        self._at_once = client.connections
        self._threads = Threads("s3-writer", self._at_once, _WAITING)
        self._path = settings.path
        self._clock = clock

    async def put(self, entries: Sequence[Entry]) -> None:
        now = self._clock()
        alive = sorted((entry for entry in entries if entry.fresh(now)), key=lambda entry: entry.stored_at)
        newest = {object_name(self._path, entry.key): entry for entry in alive}
        await self._threads.each(list(newest.items()), self._put, self._at_once)

    def _put(self, named: tuple[str, Entry], _given_up: Event) -> None:
        name, entry = named
        body, described = encode_entry(entry), headers(entry)
        for _ in range(_COLLISIONS):
            held = self._bucket.look(name)
            if _stored_at(held) >= entry.stored_at:
                return
            try:
                self._bucket.put(name, body, described, over=held)
            except Changed:
                continue
            return
        self._bucket.overwrite(name, body, described)

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        names = list(dict.fromkeys(object_name(self._path, key) for key in keys))
        batches = [names[start : start + DELETED_AT_ONCE] for start in range(0, len(names), DELETED_AT_ONCE)]
        await self._threads.each(batches, lambda batch, _: self._bucket.delete(batch), self._at_once)

    async def remove(self, entries: Sequence[Entry]) -> None:
        """A look at what is there and a deletion, on the same condition as a put."""
        wanted: dict[str, set[float]] = {}
        for entry in entries:
            wanted.setdefault(object_name(self._path, entry.key), set()).add(entry.stored_at)
        await self._threads.each(list(wanted.items()), self._remove, self._at_once)

    def _remove(self, named: tuple[str, set[float]], _given_up: Event) -> None:
        name, answers = named
        try:
            held = self._bucket.look(name)
            if held is not None and _stored_at(held) in answers:
                self._bucket.delete_held(name, held)
        except (Changed, StoreRefused):  # it is another one by now; or it never was
            return

    async def flush(self, namespace: str, before: float) -> int:
        """A list of what is in the namespace's folder, then, for each object, a look at whose it is and a deletion, on
        the same condition as a put. It leaves half of the threads to others.
        """
        flushed = 0
        token: str | None = None
        while True:
            names, token = await self._threads.run(partial(self._listed, _folder(self._path, namespace), token))
            flush = partial(self._flush, namespace, before)
            flushed += sum(await self._threads.each(names, flush, max(1, self._at_once // 2)))
            if token is None:
                return flushed

    def _listed(self, folder: str, token: str | None, _given_up: Event) -> tuple[list[str], str | None]:
        return self._bucket.names(folder, token)

    def _flush(self, namespace: str, before: float, name: str, _given_up: Event) -> bool:
        """Whether it was there to be removed."""
        key = key_of(self._path, name)
        if key is None:
            return False
        try:
            held = self._bucket.look(name)
            if held is None or not -math.inf < _stored_at(held) <= before or not reaches(namespace, key, _home(held)):
                return False
            self._bucket.delete_held(name, held)
        except (Changed, StoreRefused):  # it is another one by now, and younger; or it never was
            return False
        return True

    async def sweep(self, now: float) -> int:  # noqa: ARG002 - the bucket's own rule does it
        return 0

    async def ping(self) -> None:
        await self._threads.run(lambda _: self._bucket.ping())

    async def close(self) -> None:
        await self._threads.close()
        self._bucket.close()


def object_name(path: str, key: CacheKey) -> str:
    """LiteLLM's layout: a namespace is a folder, and each of its parts one more.

    A part that is no name for a folder (nothing, or dots only) has `~` before it, which no namespace holds: servers
    and what stands before them make `a//b` and `a/../b` into something else, or refuse them.
    """
    return "/".join((*_above(path), *map(_part, str(key).split(":"))))


def key_of(path: str, name: str) -> CacheKey | None:
    """The key whose object is called so, or None where none is."""
    parts = name.removeprefix("/".join((*_above(path), ""))).split("/")
    key = CacheKey.parse(":".join(part.removeprefix("~") for part in parts))
    return key if key is not None and object_name(path, key) == name else None


def _folder(path: str, namespace: str) -> str:
    """What the names of all objects of a namespace begin with."""
    parts = map(_part, namespace.split(":")) if namespace else ()
    return "/".join((*_above(path), *parts, "")) if path or namespace else ""


def _above(path: str) -> tuple[str, ...]:
    return (path,) if path else ()


def _part(part: str) -> str:
    return f"~{part}" if part in {"", ".", ".."} else part


def headers(entry: Entry) -> Mapping[str, Any]:
    """LiteLLM's, but that the body is no JSON and is not called so. `Expires` is rounded up to a whole second: the
    entry itself says exactly when it ends.
    """
    expires_at = entry.expires_at
    seconds = _NEVER if entry.ttl is None else math.ceil(entry.ttl)
    described: dict[str, Any] = {
        "ContentType": "application/octet-stream",
        "ContentLanguage": "en",
        "ContentDisposition": f'inline; filename="{entry.key.digest}"',
        "CacheControl": f"immutable, max-age={seconds}, s-maxage={seconds}",
        "Metadata": {STORED_AT: repr(entry.stored_at), **({} if entry.home is None else {HOME: f"{entry.home}:"})},
    }
    if expires_at is not None:
        described["Expires"] = datetime.fromtimestamp(min(math.ceil(expires_at), _LAST_YEAR), UTC)
    return described


def _stored_at(held: Held | None) -> float:
    """Earlier than any answer where nothing is there, or nothing of ours."""
    try:
        return -math.inf if held is None else float(held.metadata[STORED_AT])
    except (KeyError, ValueError):
        return -math.inf


def _home(held: Held) -> str | None:
    written = held.metadata.get(HOME)
    return None if written is None else written.removesuffix(":")
