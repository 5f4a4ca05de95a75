"""Records of keys and teams, changed so that two who do it at once do not undo each other. Knows no request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from askonce.bus.protocols import Bucket
from askonce.core.errors import BusConflict, BusRefused, BusUnavailable, RequestError, WireError, bad_request
from askonce.frontend.access.records import KeyRecord, TeamRecord
from askonce.frontend.admin.reading import read_one

R = TypeVar("R", KeyRecord, TeamRecord)

_TRIES: Final = 20  # of a change that others keep overtaking
_AWAY: Final = "service_unavailable"


def away() -> RequestError:
    said = "Keys and teams are kept in NATS, which does not answer now. Nothing was changed."
    return RequestError(503, said, _AWAY, headers={"retry-after": "1"})


def unconfirmed() -> RequestError:
    said = "NATS did not confirm it: it may have been done, in whole or in part. Look, and send it again."
    return RequestError(503, said, _AWAY, headers={"retry-after": "1"})


@contextmanager
def looking() -> Iterator[None]:
    """Around what changes nothing. Raises RequestError (503) in place of BusUnavailable."""
    try:
        yield
    except BusUnavailable:
        raise away() from None


@contextmanager
def doing() -> Iterator[None]:
    """Around what changes something. Raises RequestError in place of BusUnavailable (503) and BusRefused (400)."""
    try:
        yield
    except BusUnavailable:
        raise unconfirmed() from None
    except BusRefused:
        raise bad_request("That is larger than the queue takes.") from None


async def change(
    bucket: Bucket, name: str, kind: type[R], make: Callable[[R], R], unknown: RequestError
) -> tuple[R, R]:
    """What `make` gives is written in place of what is there, unless that has changed meanwhile: then it is made again.
    Gives what was there, and what is. A record that was deleted meanwhile stays so.

    Raises `unknown` where there is none, RequestError (422) for what cannot be read, and BusUnavailable.
    """
    for _ in range(_TRIES):
        found = await bucket.get(name)
        if found is None:
            raise unknown
        before = read_one(kind, name, found.value)
        after = make(before)
        try:
            await bucket.put(name, after.encode(), revision=found.revision)
        except BusConflict:
            continue
        return before, after
    raise RequestError(503, "Others keep changing it. Send it again.", _AWAY, headers={"retry-after": "1"})


async def remove(bucket: Bucket, name: str, kind: type[R]) -> tuple[bool, R | None]:
    """Whether anything was there, which is there no more, and what it was, where it can be read. Raises
    BusUnavailable.
    """
    for _ in range(_TRIES):
        found = await bucket.get(name)
        if found is None:
            return False, None
        try:
            await bucket.delete(name, revision=found.revision)
        except BusConflict:
            continue
        try:
            return True, kind.decode(found.value)
        except WireError:
            return True, None
    raise RequestError(503, "Others keep changing it. Send it again.", _AWAY, headers={"retry-after": "1"})
