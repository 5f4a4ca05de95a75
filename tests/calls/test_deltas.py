import base64 as b64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.calls.deltas import base64, counted, earliest, extended, indexed, members, once, text
from askonce.calls.endpoint import Uncertain
from tests.calls.answers import quick


@pytest.mark.parametrize(
    ("fold", "values", "expected"),
    [
        (once, [], None),
        (once, [None], None),
        (once, [None, 1, None, 1], 1),
        (once, ["", "a", "", "a"], "a"),
        (once, [""], ""),
        (once, [None, ""], ""),
        (once, [0, 0], 0),
        (once, [False, None], False),
        (once, [[], ["a"]], ["a"]),
        (once, [["a"], ["a"]], ["a"]),
        (once, [{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
        (once, [{"a": {"b": 1}}, {"a": {"c": None}}, {}], {"a": {"b": 1, "c": None}}),
        (once, [[{"index": 1, "a": 1}], [{"index": 0, "b": 2}]], [{"index": 0, "b": 2}, {"index": 1, "a": 1}]),
        (once, [[{"index": 0, "a": 1}], [{"index": 0, "b": 2}]], [{"index": 0, "a": 1, "b": 2}]),
        (text, ["a", None, "", "b"], "ab"),
        (text, [None, None], None),
        (text, [None, ""], ""),
        (text, ["", [{"type": "text"}]], [{"type": "text"}]),
        (extended, [[1], None, [], [1]], [1, 1]),
        (extended, [None], None),
        (extended, [[]], []),
        (members({"a": text}), [{"a": "x", "b": 1}, None, {"a": "y"}], {"a": "xy", "b": 1}),
        (members({}, dropped="z"), [{"z": 1, "a": 1}, {"z": 2}], {"a": 1}),
        (members({}), [None], None),
        (members({}), [{}], {}),
        (
            indexed(members({"a": text})),
            [[{"index": 0, "a": "x"}], [], None, [{"index": 0, "a": "y"}]],
            [{"index": 0, "a": "xy"}],
        ),
        (indexed(members({})), [[{"a": 1}]], [{"a": 1}]),
        (indexed(members({})), [[], None], []),
        (counted, [{"a": 1}, None, {"a": 2, "b": {"c": 1}}], {"a": 2, "b": {"c": 1}}),
        (counted, [{"a": None}, {"a": {"b": 1}}], {"a": {"b": 1}}),
        (counted, [{"cost": 0.5, "kind": "x"}, {"cost": 1, "kind": "x"}], {"cost": 1, "kind": "x"}),
        (counted, [None], None),
        (earliest, [0, 5, 7], 5),
        (earliest, [0], 0),
        (earliest, [None], None),
    ],
)
def test_folds(fold, values, expected):
    assert fold(values) == expected


@pytest.mark.parametrize(
    ("fold", "values"),
    [
        (once, [1, 2]),
        (once, [1, True]),
        (once, ["a", "b"]),
        (once, ["a", 1]),
        (once, [["a"], ["b"]]),
        (once, [["a"], {"b": 1}]),
        (once, [{"a": 1}, "x"]),
        (once, [[{"index": 0}], [{"a": 1}]]),
        (once, [[{"index": 0, "a": 1}], [{"index": 0, "a": 2}]]),
        (once, [[{"index": True}], [{"index": False}]]),
        (text, ["a", 1]),
        (text, ["a", ["b"]]),
        (extended, [[1], "x"]),
        (members({}), [{"a": 1}, "x"]),
        (members({}), [{"a": {"b": 1}}, {"a": {"b": 2}}]),
        (indexed(members({})), [[{"index": 0, "a": 1}, {"a": 2}]]),
        (indexed(members({})), [[{"index": 0, "a": 1}], "x"]),
        (counted, [{"a": 2}, {"a": 1}]),
        (counted, [{"a": 1, "b": 1}, {"a": 1}]),
        (counted, [{"a": "x"}, {"a": "y"}]),
        (base64, ["AA==", "!"]),
        (base64, ["AA==", "AAA"]),
    ],
)
def test_what_would_need_a_guess_is_uncertain(fold, values):
    with pytest.raises(Uncertain):
        fold(values)


def test_the_doubt_names_the_member():
    with pytest.raises(Uncertain, match=r"^a: b: two different values$"):
        once([{"a": {"b": 1}}, {"a": {"b": 2}}])


@quick
@given(st.binary(max_size=12), st.lists(st.integers(0, 16), max_size=3))
def test_base64_cut_anywhere(data, places):
    whole = b64.b64encode(data).decode()
    edges = [0, *sorted(min(place, len(whole.rstrip("="))) for place in places), len(whole)]
    assert base64([whole[begin:end] for begin, end in pairwise(edges)]) == whole


@quick
@given(st.lists(st.binary(max_size=5), min_size=1, max_size=4))
def test_base64_of_pieces_encoded_by_themselves(pieces):
    assert base64([b64.b64encode(piece).decode() for piece in pieces]) == b64.b64encode(b"".join(pieces)).decode()
