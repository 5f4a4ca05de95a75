"""The tables of the disk store and what one transaction does to them. Knows LMDB; knows no loop, thread or clock.

    entries   key                          -> stored_at, expires_at (8 bytes each), the entry's frame
    expiry    expires_at, key              -> nothing; only entries that have an end
    stored    stored_at, key               -> nothing; the order of eviction
    totals    "bytes"                      -> what is charged for all entries

A key is its written form (at most 322 bytes; LMDB takes 511). Times are big-endian doubles: for numbers from zero up
they sort as they count. All four change in the same transaction, so that no crash can part them.
"""

import math
import struct
from dataclasses import dataclass

import lmdb

from askonce.core.entry import Entry
from askonce.core.errors import WireError
from askonce.core.flushes import reaches
from askonce.core.key import CacheKey
from askonce.core.wire import LEAST, encode_entry, header_size, stamp

TABLES = 4

_TIMES = struct.Struct(">dd")
_TIME = struct.Struct(">d")
_TOTAL = struct.Struct(">Q")
_BYTES = b"bytes"
_PAGE_HEAD, _NODE_HEAD = 16, 8  # bytes, in lmdb's mdb.c: PAGEHDRSZ, NODESIZE


@dataclass(frozen=True, slots=True)
class Tables:
    entries: lmdb._Database
    expiry: lmdb._Database
    stored: lmdb._Database
    totals: lmdb._Database


def open_tables(environment: lmdb.Environment) -> Tables:
    """Creates what is missing; in a read-only environment that is an lmdb.Error."""
    create = not environment.flags()["readonly"]
    return Tables(*(environment.open_db(name, create=create) for name in (b"entries", b"expiry", b"stored", b"totals")))


def frame(value: memoryview) -> bytes:
    """The entry's frame in a value of the table `entries`."""
    return bytes(value[_TIMES.size :])


def charge(key: bytes, value_size: int, page: int) -> int:
    """Bytes of the file that an entry takes, so that a limit in charges is one of the file too.

    What does not fit into half a page gets whole pages of its own; the pages of a tree that is filled in random
    order are two thirds full.
    """
    rows = 3 * (_NODE_HEAD + len(key)) + 2 * _TIME.size
    if _NODE_HEAD + len(key) + value_size <= (page - _PAGE_HEAD) // 2:
        return (rows + value_size) * 3 // 2
    return rows * 3 // 2 + math.ceil((_PAGE_HEAD + value_size) / page) * page


def written(entry: Entry) -> tuple[bytes, bytes]:
    """Key and value as the table `entries` has them."""
    expires_at = math.inf if entry.expires_at is None else entry.expires_at
    return str(entry.key).encode(), _TIMES.pack(max(0.0, entry.stored_at), expires_at) + encode_entry(entry)


@dataclass(frozen=True, slots=True)
class Flush:
    """What is to go: what was stored by `before` and a flush of the namespace reaches."""

    namespace: str
    before: float

    @property
    def start(self) -> bytes:
        """What every key that may be reached begins with."""
        return f"{self.namespace}:".encode() if self.namespace else b""

    def takes(self, key: bytes, value: memoryview) -> bool:
        """Whether this row of the table `entries` is to go. One that is no entry of ours is not."""
        parsed = CacheKey.parse(key.decode(errors="replace"))
        if parsed is None or len(value) < _TIMES.size or _TIMES.unpack_from(value)[0] > self.before:
            return False
        try:
            size = header_size(bytes(value[_TIMES.size : _TIMES.size + LEAST]))
            home = stamp(bytes(value[_TIMES.size : _TIMES.size + size])).home
        except WireError:
            return False
        return reaches(self.namespace, parsed, home)


def reached(
    transaction: "lmdb.Transaction[memoryview]", tables: Tables, flush: Flush, after: bytes, look_at: int
) -> tuple[list[tuple[bytes, float]], bytes | None]:
    """Of up to `look_at` entries whose keys come after this one, those that are to go: keys and `stored_at`. And after
    which key there may be more, None when that was all. The transaction has `buffers`: no answer is copied.
    """
    found: list[tuple[bytes, float]] = []
    key = after
    with transaction.cursor(tables.entries) as cursor:
        there = cursor.set_range(max(after + b"\0" if after else b"", flush.start))
        for _ in range(look_at):
            key = bytes(cursor.key()) if there else b""
            if not there or not key.startswith(flush.start):
                return found, None
            value = cursor.value()
            if flush.takes(key, value):
                found.append((key, _TIMES.unpack_from(value)[0]))
            there = cursor.next()
    return found, key


class Shelf:
    """One write transaction's view. `save` before the transaction is committed."""

    def __init__(self, transaction: "lmdb.Transaction[bytes]", tables: Tables, page: int) -> None:
        self._transaction = transaction
        self._tables = tables
        self._page = page
        total = transaction.get(_BYTES, db=tables.totals)
        self.bytes = self._bytes_before = 0 if total is None else int(_TOTAL.unpack(total)[0])

    def save(self) -> None:
        if self.bytes != self._bytes_before:  # a commit without a change costs no write to the disk
            self._transaction.put(_BYTES, _TOTAL.pack(self.bytes), db=self._tables.totals)

    def put(self, key: bytes, value: bytes) -> None:
        """Takes the entry unless the one on the shelf is as new."""
        stored_at, expires_at = _TIMES.unpack_from(value)
        before = self._transaction.get(key, db=self._tables.entries)
        if before is not None:
            if len(before) >= _TIMES.size and _TIMES.unpack_from(before)[0] >= stored_at:
                return
            self.remove(key)
        self._transaction.put(key, value, db=self._tables.entries)
        self._transaction.put(_TIME.pack(stored_at) + key, b"", db=self._tables.stored)
        if expires_at != math.inf:
            self._transaction.put(_TIME.pack(expires_at) + key, b"", db=self._tables.expiry)
        self.bytes += charge(key, len(value), self._page)

    def remove(self, key: bytes) -> None:
        value = self._transaction.pop(key, db=self._tables.entries)
        if value is None or len(value) < _TIMES.size:
            return
        stored_at, expires_at = _TIMES.unpack_from(value)
        self._transaction.delete(_TIME.pack(stored_at) + key, db=self._tables.stored)
        self._transaction.delete(_TIME.pack(expires_at) + key, db=self._tables.expiry)
        self.bytes = max(0, self.bytes - charge(key, len(value), self._page))

    def remove_answer(self, key: bytes, stored_at: float) -> None:
        """Removes the key's entry if it is the one of this time."""
        value = self._transaction.get(key, db=self._tables.entries)
        if value is not None and len(value) >= _TIMES.size and _TIMES.unpack_from(value)[0] == max(0.0, stored_at):
            self.remove(key)

    def evict(self, limit: int) -> None:
        """Removes the oldest entries until what is left is charged no more than `limit`."""
        while self.bytes > limit and (row := self._first(self._tables.stored)) is not None:
            self._discard(self._tables.stored, row)

    def expire(self, now: float, most: int) -> int:
        """Removes up to `most` entries that have expired by `now`; says how many."""
        count = 0
        while count < most and (row := self._first(self._tables.expiry)) is not None:
            if _TIME.unpack_from(row)[0] > now:
                break
            self._discard(self._tables.expiry, row)
            count += 1
        return count

    def _first(self, index: lmdb._Database) -> bytes | None:
        with self._transaction.cursor(index) as cursor:
            return cursor.key() if cursor.first() else None

    def _discard(self, index: lmdb._Database, row: bytes) -> None:
        self._transaction.delete(row, db=index)  # also where the entry no longer knows of it, or this would not end
        self.remove(row[_TIME.size :])
