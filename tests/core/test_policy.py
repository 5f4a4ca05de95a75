import pytest

from askonce.core.control import NOTHING, CacheControl
from askonce.core.entry import JSON, SSE, Entry, Found, Lookup
from askonce.core.key import CacheKey
from askonce.core.policy import (
    Finished,
    Permit,
    Rules,
    Skip,
    SkipReason,
    Store,
    Why,
    admit,
    keep,
    lifetime,
    permit,
    plan,
)

RULES = Rules(enabled=True, call_types=frozenset({"completion"}), opt_in=False, ttl=600.0, max_entry_bytes=100)
OPT_IN = Rules(enabled=True, call_types=frozenset({"completion"}), opt_in=True, ttl=600.0, max_entry_bytes=100)
NO_TTL = Rules(enabled=True, call_types=frozenset({"completion"}), opt_in=False, ttl=0.0, max_entry_bytes=100)
OFF = Rules(enabled=False, call_types=frozenset({"completion"}), opt_in=False, ttl=600.0, max_entry_bytes=100)
NONE = Rules(enabled=True, call_types=frozenset(), opt_in=False, ttl=600.0, max_entry_bytes=100)


def entry(*, stored_at=1000.0, ttl=60.0, media_type=JSON, size=10):
    return Entry(Lookup(CacheKey("", "0" * 64)), b"x" * size, media_type, stored_at, ttl, "m", "completion")


@pytest.mark.parametrize(
    ("rules", "control", "read", "write", "why"),
    [
        (RULES, NOTHING, True, True, None),
        (RULES, CacheControl(no_cache=True), False, True, Why.NO_CACHE),
        (RULES, CacheControl(no_store=True), True, False, Why.NO_STORE),
        (RULES, CacheControl(no_cache=True, no_store=True), False, False, Why.NO_STORE),
        (RULES, CacheControl(ttl=0.0), True, False, Why.TTL_ZERO),
        (RULES, CacheControl(ttl=0.0, no_store=True), True, False, Why.NO_STORE),
        (RULES, CacheControl(ttl=1.0), True, True, None),
        (RULES, CacheControl(max_age=0.0), True, True, None),
        (NO_TTL, NOTHING, True, False, Why.TTL_ZERO),
        (NO_TTL, CacheControl(ttl=5.0), True, True, None),
        (OPT_IN, NOTHING, False, False, Why.NOT_ASKED),
        (OPT_IN, CacheControl(use_cache=True), True, True, None),
        (OPT_IN, CacheControl(use_cache=True, no_cache=True), False, True, Why.NO_CACHE),
        (OFF, CacheControl(use_cache=True), False, False, Why.OFF),
        (NONE, CacheControl(use_cache=True), False, False, Why.CALL_TYPE),
    ],
)
def test_permit(rules, control, read, write, why):
    assert permit(rules, "completion", control) == Permit(read, write, why)


def test_another_call_type_is_off():
    assert permit(RULES, "embedding", NOTHING).why is Why.CALL_TYPE


@pytest.mark.parametrize(
    ("kept", "control", "now", "streamed", "serves"),
    [
        (entry(), NOTHING, 1000.0, False, True),
        (entry(), NOTHING, 1059.9, False, True),
        (entry(), NOTHING, 1060.0, False, False),
        (entry(ttl=None), NOTHING, 1e12, False, True),
        (entry(ttl=0.0), NOTHING, 1000.0, False, False),
        (entry(), CacheControl(max_age=10.0), 1009.9, False, True),
        (entry(), CacheControl(max_age=10.0), 1010.0, False, False),
        (entry(), CacheControl(max_age=0.0), 1000.0, False, False),
        (entry(stored_at=1005.0), CacheControl(max_age=0.0), 1000.0, False, False),
        (entry(stored_at=1005.0), CacheControl(max_age=1.0), 1000.0, False, True),
        (entry(media_type=SSE), NOTHING, 1000.0, True, True),
        (entry(media_type=SSE), NOTHING, 1000.0, False, False),
        (entry(), NOTHING, 1000.0, True, True),
        (entry(), CacheControl(ttl=0.0), 1000.0, False, True),
    ],
)
def test_plan(kept, control, now, streamed, serves):
    found = Found(kept, "memory")
    planned = plan([None, found], control, now=now, streamed=streamed)
    assert planned.found == (None, found if serves else None)
    assert planned.missing == ([0] if serves else [0, 1])


READ_ONLY = Permit(read=True, write=False, why=Why.NO_STORE)
BOTH = Permit(read=True, write=True)


@pytest.mark.parametrize(
    ("allowed", "ended", "expected"),
    [
        (BOTH, Finished(200, complete=True, size=100, room=100), None),
        (BOTH, Finished(200, complete=True, size=101, room=100), SkipReason.TOO_LARGE),
        (BOTH, Finished(200, complete=True, size=200, room=200), None),
        (BOTH, Finished(200, complete=True, size=201, room=200), SkipReason.TOO_LARGE),
        (BOTH, Finished(200, complete=True, size=0, room=100), SkipReason.EMPTY),
        (BOTH, Finished(200, complete=False, size=10, room=100), SkipReason.INCOMPLETE),
        (BOTH, Finished(201, complete=True, size=10, room=100), SkipReason.STATUS),
        (BOTH, Finished(429, complete=False, size=0, room=100), SkipReason.STATUS),
        (READ_ONLY, Finished(500, complete=False, size=0, room=100), Why.NO_STORE),
    ],
)
def test_keep(allowed, ended, expected):
    assert keep(allowed, ended) is expected


def test_admit_loses_only_what_does_not_fit():
    fits, exact, large = entry(size=1), entry(size=100), entry(size=101)
    assert admit(RULES, [fits, large, exact]) == Store((fits, exact))
    assert admit(RULES, [large]) == Skip(SkipReason.TOO_LARGE)
    assert admit(RULES, []) == Skip(SkipReason.EMPTY)


@pytest.mark.parametrize(("asked", "expected"), [(None, 600.0), (0.0, 0.0), (5.0, 5.0)])
def test_lifetime(asked, expected):
    assert lifetime(RULES, CacheControl(ttl=asked)) == expected


def test_the_age_is_never_negative():
    assert entry().age(990.0) == 0
    assert entry().age(1009.9) == 9


def test_an_entry_without_ttl_never_expires():
    assert entry(ttl=None).expires_at is None
    assert entry().expires_at == 1060.0
