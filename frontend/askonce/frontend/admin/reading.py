"""Records of the bucket as operators get to see them: one that cannot be read is told of, and in nobody's way.

Knows no request.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import orjson

from askonce.bus.protocols import Record
from askonce.core.errors import RequestError, WireError
from askonce.frontend.access.records import KeyRecord, TeamRecord, key_record, team_record
from askonce.telemetry.logs import Log

R = TypeVar("R", KeyRecord, TeamRecord)
_SHOWN: Final = 8  # characters of a hash, enough to find it


def read(kind: type[R], name: str, value: bytes) -> R:
    """Raises WireError for what is no such record, is another's, or cannot be shown."""
    record = kind.decode(value)
    if _name(record) != name:
        raise WireError(f"{kind.__name__}: of another name")
    if not showable([record.metadata, record.more]):
        raise WireError(f"{kind.__name__}: nested too deeply")
    return record


def read_one(kind: type[R], name: str, value: bytes) -> R:
    """Raises RequestError (422) in place of WireError."""
    try:
        return read(kind, name, value)
    except WireError as error:
        said = f"What is stored under this name cannot be read, and lets nobody in ({error}). Delete it."
        raise RequestError(422, said, "unreadable_record", code="422") from None


def read_all(kind: type[R], found: Mapping[str, Record], log: Log) -> list[R]:
    """Those that can be read; the others are logged."""
    records = []
    for name, one in found.items():
        try:
            records.append(read(kind, name, one.value))
        except WireError as error:
            log.warning("record_unreadable", hash=name.rpartition(".")[2][:_SHOWN], why=str(error))
    return records


def _name(record: KeyRecord | TeamRecord) -> str:
    return key_record(record.token) if isinstance(record, KeyRecord) else team_record(record.team_id)


def showable(value: Any) -> bool:
    """Whether it can be written with the few levels around it that an answer adds."""
    try:
        orjson.dumps([[[[value]]]])
    except TypeError:
        return False
    return True
