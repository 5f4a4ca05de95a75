import base64
import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.endpoint import Malformed
from askonce.core.entry import FLOATS, JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.key import canonical
from tests.calls.answers import extras, quick
from tests.calls.chunks import ROOM


def body(given, **members):
    return {"model": "text-embedding-3-small", "input": given, **members}


def response(*embeddings, tokens=7, **members):
    return orjson.dumps(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(embeddings)],
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            **members,
        }
    )


@pytest.mark.parametrize(
    ("given", "items"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a"], ["a"]),
        (["a", "b", "a"], ["a", "b", "a"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2, 3]], [[1, 2, 3]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([{"text": "a"}, "b", {"image": "c"}], [{"text": "a"}, "b", {"image": "c"}]),
    ],
)
def test_parts(given, items):
    asked = body(given, dimensions=8)
    EMBEDDINGS.check(asked)
    assert EMBEDDINGS.parts(asked) == [body(item, dimensions=8) for item in items]


@pytest.mark.parametrize(
    "given", [None, [], 1, True, {}, [None], [1, "a"], [1.5], [True], [["a"]], [[1], 2], [[1.5]], [[[1]]]]
)
def test_an_input_that_is_none_is_refused(given):
    with pytest.raises(RequestError) as caught:
        EMBEDDINGS.check(body(given))
    assert (caught.value.status, caught.value.param) == (400, "input")


def test_a_missing_model_or_input_is_refused():
    for asked, param in (({"input": "a"}, "model"), ({"model": "m"}, "input")):
        with pytest.raises(RequestError) as caught:
            EMBEDDINGS.check(asked)
        assert caught.value.param == param


def test_an_item_has_one_key_alone_and_among_others():
    def keys(given):
        return [canonical(part) for part in EMBEDDINGS.parts(body(given))]

    assert keys("a") == keys(["a"]) == keys(["b", "a"])[1:]
    assert keys([1, 2]) == keys([[1, 2]]) == keys([[3], [1, 2]])[1:]
    assert len(set(keys(["1", "a"]) + keys([1]) + keys([[1, 2]]))) == 4


def test_the_format_is_in_the_key():
    assert EMBEDDINGS.parts(body("a", encoding_format="base64")) != EMBEDDINGS.parts(body("a"))


@pytest.mark.parametrize(
    ("given", "missing", "narrowed"),
    [
        (["a", "b", "c"], [0, 2], ["a", "c"]),
        (["a", "b", "c"], [1], ["b"]),
        ([[1], [2]], [1], [[2]]),
        ([{"text": "a"}, "b"], [0], [{"text": "a"}]),
    ],
)
def test_narrow(given, missing, narrowed):
    asked = body(given, user="u")
    assert EMBEDDINGS.narrow(asked, missing) == body(narrowed, user="u")
    assert asked == body(given, user="u")


@pytest.mark.parametrize(("given", "missing"), [("a", [0]), (["a"], [0]), ([1, 2], [0]), (["a", "b"], [0, 1])])
def test_what_is_not_cut_is_asked_as_it_came(given, missing):
    asked = body(given)
    assert EMBEDDINGS.narrow(asked, missing) is asked


narrow_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
wide_floats = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5)
lists = st.lists(narrow_floats, min_size=1, max_size=4) | st.lists(wide_floats, min_size=1, max_size=4)
packed = st.lists(narrow_floats, min_size=1, max_size=4).map(
    lambda vector: base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
)
strings = packed | st.sampled_from(["AAA", "AA==", "AB==", "not base64", "ä", "AAAA\n"])
details = st.none() | st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), st.integers(0, 99))


@st.composite
def exchanges(draw):
    """A request and the answer to it, items in any order, extras at every level."""
    number = draw(st.integers(1, 5))
    form = draw(st.sampled_from([{}, {"encoding_format": "float"}, {"encoding_format": "base64"}]))
    items = [
        {**draw(extras), "object": "embedding", "index": n, "embedding": draw(lists | strings)} for n in range(number)
    ]
    count = draw(st.integers(0, 99))
    usage = {"prompt_tokens": count, "total_tokens": count, "prompt_tokens_details": draw(details)}
    answer = {**draw(extras), "object": "list", "data": items, "model": "m", "usage": usage}
    return body([f"item {n}" for n in range(number)], **form), answer, draw(st.permutations(items))


def written(answer):
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)


@quick
@given(exchanges())
def test_an_answer_cut_and_combined_is_itself_in_the_order_asked(exchange):
    asked, answer, shuffled = exchange
    kept = EMBEDDINGS.answers(asked, orjson.dumps({**answer, "data": shuffled}), JSON)
    payload, media_type = EMBEDDINGS.combine(asked, kept)
    assert media_type == JSON
    assert written(orjson.loads(payload)) == written(answer)
    assert sum(one.usage.prompt for one in kept) == answer["usage"]["prompt_tokens"]


@quick
@given(exchanges(), st.data())
def test_parts_from_several_answers_make_one(exchange, data):
    asked, answer, _ = exchange
    number = len(answer["data"])
    missing = sorted(data.draw(st.sets(st.integers(0, number - 1), min_size=1)))
    found = EMBEDDINGS.answers(asked, orjson.dumps(answer), JSON)
    fresh_items = [{**answer["data"][position], "index": n} for n, position in enumerate(missing)]
    fresh = EMBEDDINGS.answers(EMBEDDINGS.narrow(asked, missing), orjson.dumps({**answer, "data": fresh_items}), JSON)
    parts = [fresh[missing.index(n)] if n in missing else found[n] for n in range(number)]
    whole = orjson.loads(EMBEDDINGS.combine(asked, parts)[0])
    assert written(whole["data"]) == written(answer["data"])
    assert whole["usage"]["prompt_tokens"] == sum(part.usage.prompt for part in parts)


def test_vectors_of_float32_are_packed():
    [one] = EMBEDDINGS.answers(body("a"), response([0.5, -1.25]), JSON)
    head, vector = one.payload.split(b"\n", 1)
    assert one.media_type == FLOATS
    assert vector == struct.pack("<2f", 0.5, -1.25)
    assert orjson.loads(head)["data"][0]["embedding"] is None


@pytest.mark.parametrize("embedding", [[0.1], [1, 2], "AAAAAA=="])
def test_what_would_lose_by_packing_stays_json(embedding):
    [one] = EMBEDDINGS.answers(body("a"), response(embedding), JSON)
    assert one.media_type == JSON
    assert orjson.loads(one.payload)["data"][0]["embedding"] == embedding


@pytest.mark.parametrize("embedding", ["AB==", "AAAA\n", "not base64", "ä", "="])
def test_text_that_is_not_the_base64_of_its_bytes_stays_as_it_is(embedding):
    asked = body("a", encoding_format="base64")
    kept = EMBEDDINGS.answers(asked, response(embedding), JSON)
    assert kept[0].media_type == JSON
    assert orjson.loads(EMBEDDINGS.combine(asked, kept)[0])["data"][0]["embedding"] == embedding


def test_base64_is_packed():
    embedding = base64.b64encode(struct.pack("<2f", 0.1, -1.25)).decode()
    [one] = EMBEDDINGS.answers(body("a", encoding_format="base64"), response(embedding), JSON)
    assert one.media_type == FLOATS
    assert one.payload.endswith(b"\n" + struct.pack("<2f", 0.1, -1.25))


def test_a_vector_that_holds_a_newline_byte():
    vector = struct.unpack("<2f", b"\n\n\n\n\x0a\x00\x80?")
    asked = body("a")
    kept = EMBEDDINGS.answers(asked, response(list(vector)), JSON)
    assert kept[0].media_type == FLOATS
    assert orjson.loads(EMBEDDINGS.combine(asked, kept)[0])["data"][0]["embedding"] == list(vector)


def test_a_list_where_base64_was_asked_is_repeated_as_it_came():
    asked = body("a", encoding_format="base64")
    kept = EMBEDDINGS.answers(asked, response([0.5]), JSON)
    assert orjson.loads(EMBEDDINGS.combine(asked, kept)[0])["data"][0]["embedding"] == [0.5]


def test_tokens_are_shared_out_and_the_rest_is_the_firsts():
    kept = EMBEDDINGS.answers(body(["a", "b", "c"]), response([0.5], [0.5], [0.5], tokens=11), JSON)
    assert [one.usage for one in kept] == [Usage(5, 0), Usage(3, 0), Usage(3, 0)]


@pytest.mark.parametrize(
    "usage", [None, {}, "x", {"prompt_tokens": None}, {"cost": 0.3, "prompt_tokens": 5, "ok": True}]
)
def test_whatever_the_usage_it_comes_back(usage):
    asked = body(["a", "b"])
    kept = EMBEDDINGS.answers(asked, response([0.5], [0.5], usage=usage), JSON)
    assert orjson.loads(EMBEDDINGS.combine(asked, kept)[0])["usage"] == usage


def test_an_answer_without_usage_gets_none():
    asked = body(["a", "b"])
    data = [{"embedding": [0.5]}, {"embedding": [0.25]}]
    kept = EMBEDDINGS.answers(asked, orjson.dumps({"data": data}), JSON)
    whole = orjson.loads(EMBEDDINGS.combine(asked, kept)[0])
    assert whole == {"data": [{**item, "index": n} for n, item in enumerate(data)]}


def item(embedding, **members):
    return {"object": "embedding", "embedding": embedding, **members}


@pytest.mark.parametrize(
    "data",
    [
        None,
        "x",
        {},
        [],
        [item([0.5], index=0)],
        [item([0.5], index=0), item([0.5], index=1), item([0.5], index=2)],
        [item([0.5], index=0), item([0.5], index=0)],
        [item([0.5], index=1), item([0.5], index=2)],
        [item([0.5], index=0), item([0.5])],
        [item([0.5], index=0), item([0.5], index=None)],
        [item([0.5], index=0), item([0.5], index=True)],
        [item([0.5], index=0), item([0.5], index="1")],
        [item([0.5], index=0), item([], index=1)],
        [item([0.5], index=0), item(None, index=1)],
        [item([0.5], index=0), {"index": 1}],
        [item([0.5], index=0), "x"],
    ],
)
def test_anything_but_one_embedding_each_is_malformed(data):
    with pytest.raises(Malformed):
        EMBEDDINGS.answers(body(["a", "b"]), orjson.dumps({"object": "list", "data": data}), JSON)


@pytest.mark.parametrize("payload", [b"", b"[]", b"<html>", b'{"error":{"message":"no"}}', b"{}"])
def test_what_is_no_answer_is_malformed(payload):
    with pytest.raises(Malformed):
        EMBEDDINGS.answers(body("a"), payload, JSON)


def test_embeddings_are_not_streamed():
    assert not EMBEDDINGS.streamed(body("a", stream=True))
    assert not EMBEDDINGS.complete(b"data: [DONE]\n\n")
    assert not EMBEDDINGS.only_usage(b'{"choices":[],"usage":{}}')
    asked = body("a")
    assert EMBEDDINGS.with_usage(asked) is asked
    with pytest.raises(Malformed):
        EMBEDDINGS.assemble(b"data: [DONE]\n\n", ROOM)
    [one] = EMBEDDINGS.answers(asked, response([0.5]), JSON)
    with pytest.raises(Malformed):
        EMBEDDINGS.frames(one, asked)


def test_openais_library_reads_what_is_combined():
    asked = body(["a", "b"])
    kept = EMBEDDINGS.answers(asked, response([0.5, 1.5], [0.25, 0.125]), JSON)
    read = CreateEmbeddingResponse.model_validate_json(EMBEDDINGS.combine(asked, kept)[0], strict=True)
    assert [(one.index, one.embedding) for one in read.data] == [(0, [0.5, 1.5]), (1, [0.25, 0.125])]
    assert (read.usage.prompt_tokens, read.usage.total_tokens) == (7, 7)
