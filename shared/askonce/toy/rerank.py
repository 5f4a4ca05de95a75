"""Answers of `/v1/rerank` in the shape that Cohere, Jina, vLLM and Infinity have in common. Pure.

A document is as good as the share of the query's words that it holds.
"""

from typing import Any, Final

import orjson

from askonce.core.errors import bad_request
from askonce.toy import scripts
from askonce.toy.chat import Stamp
from askonce.toy.kinds import Kind, Said
from askonce.toy.words import tokens

_JSON: Final = "application/json"
_HUGE: Final = "all work and no play " * 100_000  # 2.1 MB


def _check(body: Said) -> None:
    if not isinstance(body.get("query"), str | dict):
        raise bad_request("Invalid 'query': expected a text or an object.", "query")
    documents = body.get("documents")
    if not isinstance(documents, list) or not documents:
        raise bad_request("Invalid 'documents': expected a non-empty array.", "documents")
    for at, document in enumerate(documents):
        if not isinstance(document, str | dict):
            raise bad_request(f"Invalid 'documents[{at}]': expected a text or an object.", f"documents[{at}]")
    most = body.get("top_n")
    if most is not None and (type(most) is not int or most < 1):
        raise bad_request("Invalid 'top_n': expected a positive integer.", "top_n")


def _answer(body: Said, stamp: Stamp) -> tuple[bytes, str]:
    documents = body["documents"]
    texts = [_text(document, body.get("rank_fields")) for document in documents]
    query = _text(body["query"])
    ranked = sorted(((_relevance(query, text), -at) for at, text in enumerate(texts)), reverse=True)
    results = [_result(body, -at, score) for score, at in ranked[: body.get("top_n")]]
    if stamp.model == scripts.EMPTY:
        results = []
    if stamp.model == scripts.HUGE:
        results[0]["document"] = {"text": _HUGE}
    counted = tokens(query) + sum(map(tokens, texts))
    usage = {"prompt_tokens": counted, "total_tokens": counted}
    return orjson.dumps({"id": stamp.id, "model": stamp.model, "results": results, "usage": usage}), _JSON


def _result(body: Said, at: int, score: float) -> dict[str, Any]:
    told: dict[str, Any] = {"index": at, "relevance_score": score}
    if body.get("return_documents") is True:
        document = body["documents"][at]
        told["document"] = {"text": document} if isinstance(document, str) else document
    return told


def _relevance(query: str, text: str) -> float:
    asked, said = set(query.lower().split()), set(text.lower().split())
    return round(len(asked & said) / max(1, len(asked)), 6)


def _text(given: str | dict[str, Any], fields: list[str] | None = None) -> str:
    if isinstance(given, str):
        return given
    return " ".join(str(value) for name, value in given.items() if fields is None or name in fields)


KIND: Final = Kind("/v1/rerank", "rerank", _check, _answer)
