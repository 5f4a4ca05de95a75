import orjson
import pytest

from askonce.calls.endpoint import Answer, Malformed
from askonce.calls.rerank import RERANK
from askonce.core.entry import JSON, Usage
from askonce.core.errors import RequestError
from askonce.core.key import canonical

BODY = {"model": "rerank-v3.5", "query": "Who keeps it?", "documents": ["a cache", "nobody"]}


def asked(**members):
    return {**BODY, **members}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"query": ""},
        {"query": {"image": "https://host/cat.png"}},
        {"documents": ["one"]},
        {"documents": [{"text": "a"}, {"title": "b", "body": "c"}]},
        {"top_n": 0, "unheard_of": []},
    ],
)
def test_what_is_asked_is_the_providers_to_judge(members):
    RERANK.check(asked(**members))


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"query": None}, "query"),
        ({"query": ["a"]}, "query"),
        ({"query": 1}, "query"),
        ({"documents": None}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": "a"}, "documents"),
        ({"documents": {"0": "a"}}, "documents"),
    ],
)
def test_what_could_not_be_asked_is_refused_by_the_field(members, param):
    with pytest.raises(RequestError) as caught:
        RERANK.check(asked(**members))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_every_member_and_the_order_of_documents_are_in_the_key():
    bodies = [
        asked(),
        asked(query="Who?"),
        asked(query={"text": "Who keeps it?"}),
        asked(documents=["nobody", "a cache"]),
        asked(documents=["a cache"]),
        asked(top_n=1),
        asked(top_n=2),
        asked(return_documents=True),
        asked(return_documents=False),
        asked(rank_fields=["text"]),
        asked(max_chunks_per_doc=10),
        asked(max_tokens_per_doc=10),
        asked(unheard_of=1),
    ]
    keys = [tuple(map(canonical, RERANK.parts(body))) for body in bodies]
    assert len(set(keys)) == len(bodies)
    assert all(len(key) == 1 for key in keys)


def test_it_is_never_a_stream():
    assert not RERANK.streamed(asked(stream=True))
    assert not RERANK.complete(b'data: {"results":[]}\n\ndata: [DONE]\n\n')
    with pytest.raises(Malformed):
        RERANK.assemble(b"data: [DONE]\n\n", 100)


RESULT = {"index": 1, "relevance_score": 0.98}


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        # Cohere
        (
            {
                "id": "07734bd2",
                "results": [RESULT],
                "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
            },
            Usage(),
        ),
        ({"results": [RESULT], "meta": {"tokens": {"input_tokens": 9, "output_tokens": 2}}}, Usage(9, 2)),
        ({"results": [RESULT], "meta": {"billed_units": {"search_units": 1, "total_tokens": 7}}}, Usage(7)),
        ({"results": [RESULT], "meta": {"tokens": {}, "billed_units": {"input_tokens": 3}}}, Usage(3)),
        # Jina
        ({"model": "jina", "object": "list", "usage": {"total_tokens": 15}, "results": [RESULT]}, Usage(15)),
        # vLLM and Infinity
        ({"id": "r-1", "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}, "results": [RESULT]}, Usage(5)),
        ({"object": "rerank", "results": [RESULT], "usage": {"prompt_tokens": 0, "total_tokens": 4}}, Usage(4)),
        # what is no count is none
        ({"results": [RESULT]}, Usage()),
        ({"results": [RESULT], "usage": {"total_tokens": -1}, "meta": {"tokens": {"input_tokens": "9"}}}, Usage()),
        ({"results": [RESULT], "usage": {"total_tokens": True}, "meta": {"tokens": [1]}}, Usage()),
        ({"results": [RESULT], "usage": None, "meta": "none"}, Usage()),
        ({"results": [{**RESULT, "document": {"text": "a cache"}}], "error": None}, Usage()),
    ],
)
def test_an_answer_is_kept_to_the_byte_with_its_tokens(told, usage):
    payload = orjson.dumps(told, option=orjson.OPT_INDENT_2)
    kept = RERANK.answers(asked(), payload, JSON)
    assert kept == [Answer(payload, JSON, usage)]
    assert RERANK.combine(asked(), kept) == (payload, JSON)


def test_an_empty_answer_is_nothing_to_keep():
    assert RERANK.answers(asked(), b'{"results":[]}', JSON) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"<html>",
        b'{"results":[{"index":0}',
        b'[{"index":0,"score":0.9}]',
        b"{}",
        b'{"results":null}',
        b'{"results":{"0":{}}}',
        b'{"results":[0.5]}',
        b'{"error":{"message":"no"}}',
        b'{"error":"no","results":[{"index":0,"relevance_score":0.1}]}',
        b'{"message":"invalid api token"}',
    ],
)
def test_what_is_no_ranking_is_malformed(payload):
    with pytest.raises(Malformed):
        RERANK.answers(asked(), payload, JSON)
