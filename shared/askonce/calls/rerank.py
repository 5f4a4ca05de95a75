"""Reranking: documents in the order of how well they answer a query.

Sources: Cohere's API reference, "Rerank" (v1 and v2), Jina's "Reranker API", and the servers of vLLM and Infinity. What
they answer holds a list of `results`.
"""

from dataclasses import dataclass
from typing import Final

from askonce.calls.checks import check_model
from askonce.calls.endpoint import Answer, Body, Malformed
from askonce.calls.parsing import read_object, tokens
from askonce.calls.usual import UsualEndpoint
from askonce.core.entry import JSON, Usage
from askonce.core.errors import bad_request

# What the servers call the tokens of a request and of its answer. Jina tells the sum alone, and answers with no text.
_COUNTS: Final = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"), ("total_tokens", ""))


@dataclass(frozen=True, slots=True)
class Rerank(UsualEndpoint):
    name: str = "rerank"
    path: str = "/rerank"
    paths: tuple[str, ...] = ("/v1/rerank", "/rerank", "/v2/rerank")

    def check(self, body: Body) -> None:
        check_model(body)
        if not isinstance(body.get("query"), str | dict):
            raise bad_request("query must be a text or an object", "query")
        documents = body.get("documents")
        if not isinstance(documents, list) or not documents:
            raise bad_request("documents must be a list, with one document at least", "documents")

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        answer = read_object(payload)
        results = answer.get("results")
        if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
            raise Malformed("results is not a list of objects")
        return [Answer(payload, JSON, _tokens(answer))] if results else []


def _tokens(answer: Body) -> Usage:
    """From `usage`, as most servers tell it, or from Cohere's `meta`, whose billed units may be other than tokens."""
    meta = answer.get("meta")
    told = [answer.get("usage"), *((meta.get("tokens"), meta.get("billed_units")) if isinstance(meta, dict) else ())]
    counted = (tokens(one, *names) for one in told for names in _COUNTS)
    return next((usage for usage in counted if usage != Usage()), Usage())


RERANK: Final = Rerank()
