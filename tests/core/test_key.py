import hashlib
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.core.errors import RequestError
from askonce.core.key import IGNORED, CacheKey, canonical, circumstances, digest, nest

quick = settings(max_examples=80, deadline=None)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd.0", max_size=3), inner, max_size=3),
    max_leaves=8,
)
names = st.text("abcdefgh", min_size=1, max_size=4)
bodies = st.dictionaries(names, values, max_size=5)


def shuffled(value, seed):
    if isinstance(value, dict):
        items = list(value.items())
        random.Random(seed).shuffle(items)
        return {name: shuffled(member, seed) for name, member in items}
    return [shuffled(one, seed) for one in value] if isinstance(value, list) else value


def as_floats(value):
    if isinstance(value, dict):
        return {name: as_floats(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_floats(one) for one in value]
    return float(value) if type(value) is int and abs(value) < 2**53 else value


@quick
@given(bodies, st.integers())
def test_order_of_members_is_no_difference(body, seed):
    assert canonical(shuffled(body, seed)) == canonical(body)


@quick
@given(bodies)
def test_an_integral_number_is_one_number_however_written(body):
    assert canonical(as_floats(body)) == canonical(body)


@quick
@given(bodies)
def test_what_is_written_means_what_was_asked(body):
    asked = {name: value for name, value in body.items() if value is not None}
    assert orjson.loads(canonical(body)) == asked


@quick
@given(bodies, st.sampled_from(sorted(IGNORED)), values)
def test_ignored_members_are_no_difference(body, name, value):
    assert canonical({**body, name: value}) == canonical(body)


@quick
@given(bodies, values.filter(lambda value: value is not None))
def test_any_other_member_is_a_difference(body, value):
    assert canonical({**body, "unheard_of": value}) != canonical(body)


@quick
@given(bodies, names)
def test_a_null_at_the_top_is_no_member(body, name):
    without = {other: value for other, value in body.items() if other != name}
    assert canonical({**without, name: None}) == canonical(without)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": {"b": None}}, {"a": {}}),
        ({"a": [None]}, {"a": []}),
        ({"a": True}, {"a": 1}),
        ({"a": False}, {"a": 0}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1.5}, {"a": 1}),
        ({"a": {"stream": True}}, {"a": {}}),
        ({"a": 2.0**53}, {"a": 2**53}),
        ({"a": ["b", "c"]}, {"a": ["c", "b"]}),
        ({"a": "é"}, {"a": "e\u0301"}),
    ],
)
def test_these_are_different(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": -0.0}, {"a": 0}),
        ({"a": [{"b": 7.0}]}, {"a": [{"b": 7}]}),
        ({"a": 1e15}, {"a": 10**15}),
        ({"a": "1.0", "b": 2.0}, {"b": 2, "a": "1.0"}),
    ],
)
def test_these_are_the_same(one, other):
    assert canonical(one) == canonical(other)


def nested(depth):
    value = 1.0
    for _ in range(depth):
        value = [value]
    return {"a": value}


def test_depth_is_bounded():
    assert canonical(nested(253))
    for depth in (254, 1000, 100_000):
        with pytest.raises(RequestError) as caught:
            canonical(nested(depth))
        assert caught.value.status == 400


def test_text_that_is_not_unicode_is_refused():
    with pytest.raises(RequestError):
        canonical({"a": "\ud800"})


def test_the_digest_is_sha_256_over_both_sides_sealed_by_the_length_of_the_first():
    assert digest(b"{}", b"x") == hashlib.sha256(b"2\n{}x").hexdigest()
    assert digest(b"{}x", b"") != digest(b"{}", b"x")


AROUND = {
    "call_type": "completion",
    "model": "m",
    "upstream": [{"model": "gpt"}],
    "headers": {"openai-beta": "x"},
    "tenant": "t",
    "namespaces": ("n", "r"),
}


@pytest.mark.parametrize(
    "change",
    [
        {"call_type": "embedding"},
        {"model": "n"},
        {"upstream": [{"model": "gpt", "temperature": 0}]},
        {"upstream": []},
        {"headers": {}},
        {"tenant": ""},
        {"namespaces": ("n", "")},
        {"namespaces": ("", "r")},
        {"namespaces": ("r", "n")},
        {"tenant": "n", "namespaces": ("t", "r")},
    ],
)
def test_each_circumstance_is_a_difference(change):
    assert circumstances(**{**AROUND, **change}) != circumstances(**AROUND)


def test_namespaces_that_join_to_the_same_text_are_a_difference():
    one, other = ("a", "b:c"), ("a:b", "c")
    assert nest(*one) == nest(*other)
    assert circumstances(**{**AROUND, "namespaces": one}) != circumstances(**{**AROUND, "namespaces": other})


digests = st.text("0123456789abcdef", min_size=64, max_size=64)
spaces = st.text("abAB09._:-", max_size=40)


@quick
@given(spaces, digests)
def test_a_key_reads_back_as_it_is_written(namespace, written):
    key = CacheKey(namespace, written)
    assert CacheKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "ns",
        "ns:",
        ":" + "a" * 64,
        "A" * 64,
        "a" * 63,
        "a" * 65,
        "a" * 64 + "\n",
        "n s:" + "a" * 64,
        "ä:" + "a" * 64,
        "n" * 258 + ":" + "a" * 64,
        "a" * 64 + ":",
    ],
)
def test_these_are_no_keys(text):
    assert CacheKey.parse(text) is None


def test_namespaces_nest_and_never_replace():
    assert nest("outer", "inner") == "outer:inner"
    assert nest("outer", "") == "outer"
    assert nest("", "inner") == "inner"
    assert nest("", "") == ""
