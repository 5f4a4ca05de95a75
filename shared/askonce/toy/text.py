"""Answers of `/v1/completions` and `/v1/embeddings` in the shapes of OpenAI's API reference. Pure."""

import base64
from array import array
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

from askonce.core.errors import bad_request
from askonce.toy.chat import Choice, Stamp, check_common, limited
from askonce.toy.words import pieces, tokens, vector, vector_by_words

BY_WORDS: Final = "toy-embedding-words"
_DIMENSIONS: Final = 16
_DIMENSIONS_BY_WORDS: Final = 256  # with few, words that have nothing in common are near each other too
_MOST_DIMENSIONS: Final = 3072
_MOST_INPUTS: Final = 2048  # OpenAI's own limit


def check_completion(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400), naming the field."""
    if not isinstance(body.get("prompt"), str | list):
        raise bad_request("you must provide a prompt", "prompt")
    check_common(body)


def completions(body: Mapping[str, Any]) -> list[Choice]:
    """The choices of all prompts, prompt by prompt."""
    most, seed = body.get("max_tokens"), body.get("seed")
    asked = _items(body["prompt"])
    return [limited(pieces(prompt, seed, at), most) for prompt in asked for at in range(body.get("n") or 1)]


def completion_usage(body: Mapping[str, Any], said: list[Choice]) -> dict[str, Any]:
    prompt = sum(tokens(item) for item in _items(body["prompt"]))
    completion = sum(len(choice.pieces) for choice in said)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def completion(body: Mapping[str, Any], said: list[Choice], stamp: Stamp) -> dict[str, Any]:
    written = [_choice(body, at, choice.pieces, choice.finish) for at, choice in enumerate(said)]
    return {**_same(stamp), "choices": written, "usage": completion_usage(body, said)}


def completion_chunks(body: Mapping[str, Any], said: list[Choice], stamp: Stamp) -> Iterator[dict[str, Any]]:
    for turn in zip_longest(*(choice.pieces for choice in said)):
        for at, piece in enumerate(turn):
            if piece is not None:
                yield {**_same(stamp), "choices": [_choice(body, at, [piece], None)]}
    for at, choice in enumerate(said):
        yield {**_same(stamp), "choices": [_choice(body, at, [], choice.finish)]}


def _same(stamp: Stamp) -> dict[str, Any]:
    return {"id": stamp.id, "object": "text_completion", "created": stamp.created, "model": stamp.model}


def _choice(body: Mapping[str, Any], at: int, said: list[str], finish: str | None) -> dict[str, Any]:
    logprobs = None
    if said and body.get("logprobs") is not None:
        odds = [-len(piece) / 16 for piece in said]
        tops = [{piece: chance} for piece, chance in zip(said, odds, strict=True)]
        offsets = [sum(len(piece) for piece in said[:number]) for number in range(len(said))]
        logprobs = {"tokens": said, "token_logprobs": odds, "top_logprobs": tops, "text_offset": offsets}
    return {"text": "".join(said), "index": at, "logprobs": logprobs, "finish_reason": finish}


def check_embeddings(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400), naming the field."""
    given, dimensions = body.get("input"), body.get("dimensions")
    items = _items(given) if isinstance(given, str | list) else []
    if not items or "" in items:
        raise bad_request("'$.input' is invalid: expected text or tokens, and none of them empty.", "input")
    if len(items) > _MOST_INPUTS:
        raise bad_request(f"'$.input' is invalid: at most {_MOST_INPUTS} items.", "input")
    if body.get("encoding_format") not in {None, "float", "base64"}:
        raise bad_request("Invalid 'encoding_format': expected 'float' or 'base64'.", "encoding_format")
    if dimensions is not None and not (isinstance(dimensions, int) and 0 < dimensions <= _MOST_DIMENSIONS):
        raise bad_request("Invalid 'dimensions'.", "dimensions")


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    items = _items(body["input"])
    by_words = body["model"] == BY_WORDS
    dimensions = body.get("dimensions") or (_DIMENSIONS_BY_WORDS if by_words else _DIMENSIONS)
    packed = body.get("encoding_format") == "base64"
    data = []
    for at, item in enumerate(items):
        numbers = vector_by_words(item, dimensions) if by_words else vector(item, dimensions)
        written = base64.b64encode(array("f", numbers).tobytes()).decode() if packed else numbers
        data.append({"object": "embedding", "index": at, "embedding": written})
    count = sum(tokens(item) for item in items)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _items(given: str | list[Any]) -> list[str]:
    """Each item as text: a string, a list of them, one list of token numbers, or a list of such lists."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(item, int) for item in given):
        return [_spoken(given)]
    return [item if isinstance(item, str) else _spoken(item) for item in given]


def _spoken(numbers: list[int]) -> str:
    return " ".join(str(number) for number in numbers)
