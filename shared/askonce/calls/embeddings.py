"""Embeddings: every input item is kept by itself, and an answer is put together from whatever was found.

What is kept of an item is the answer that it would have got alone, with its share of the tokens, as JSON; or, where a
vector loses nothing by it, that answer with null in the vector's place, a newline, and the vector as little-endian
float32 (media type FLOATS). Source: OpenAI's API reference, "Embeddings".
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from askonce.calls.checks import check_model
from askonce.calls.endpoint import Answer, Body, Malformed, usual
from askonce.calls.parsing import read_object, tokens
from askonce.calls.usual import UsualEndpoint
from askonce.core.entry import FLOATS, JSON
from askonce.core.errors import bad_request
from askonce.core.wire import floats, unpack_floats

_MOST_ITEMS: Final = 2048  # OpenAI's own limit


@dataclass(frozen=True, slots=True)
class Embeddings(UsualEndpoint):
    name: str = "embedding"
    path: str = "/embeddings"
    paths: tuple[str, ...] = usual("/embeddings")
    varying: str | None = "input"

    def check(self, body: Body) -> None:
        check_model(body)
        given = body.get("input")
        if isinstance(given, str):
            return
        if isinstance(given, list) and given and all(_is_item(item) for item in _items(given)):
            if len(_items(given)) > _MOST_ITEMS:
                raise bad_request(f"input may hold {_MOST_ITEMS} items at the most", "input")
            return
        raise bad_request("input must be a text, a list of texts, a list of tokens, or a list of such lists", "input")

    def parts(self, body: Body) -> list[Body]:
        return [{**body, "input": item} for item in _items(body["input"])]

    def narrow(self, body: Body, missing: Sequence[int]) -> Body:
        items = _items(body["input"])
        return body if len(missing) == len(items) else {**body, "input": [items[position] for position in missing]}

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        answer = read_object(payload)
        items = _in_order(answer.get("data"), len(_items(body["input"])))
        packed = _asks_base64(body)
        return [
            _kept({**answer, "data": [item], **_shared(answer, len(items), position)}, packed=packed)
            for position, item in enumerate(items)
        ]

    def combine(self, body: Body, kept: Sequence[Answer]) -> tuple[bytes, str]:
        """Members beside `data` and `usage` are those of the first item's answer."""
        alone = [_alone(one, packed=_asks_base64(body)) for one in kept]
        whole = {**alone[0], "data": [{**one["data"][0], "index": n} for n, one in enumerate(alone)]}
        counted = [one["usage"] for one in alone if isinstance(one.get("usage"), dict)]
        if counted:
            whole["usage"] = _sum(counted)
        return orjson.dumps(whole), JSON


def _items(given: Any) -> list[Any]:
    """The input as items, each of which gets one vector: a list of integers is the tokens of a single one."""
    if isinstance(given, list) and not (given and all(type(token) is int for token in given)):
        return given
    return [given]


def _is_item(item: Any) -> bool:
    """A text, tokens, or a text or an image as an object, which is how Jina and others take them."""
    return isinstance(item, str | dict) or (isinstance(item, list) and all(type(token) is int for token in item))


def _asks_base64(body: Body) -> bool:
    return body.get("encoding_format") == "base64"


def _in_order(data: Any, number: int) -> list[Body]:
    """The items by their index, or as they come where none has one. Raises Malformed unless they are `number`."""
    if not isinstance(data, list) or len(data) != number or not all(isinstance(item, dict) for item in data):
        raise Malformed("not one embedding for each input")
    if not all(isinstance(item.get("embedding"), str | list | dict) and item["embedding"] for item in data):
        raise Malformed("an item without an embedding")
    if not any("index" in item for item in data):
        return data
    places = [item.get("index") for item in data]
    if not all(type(place) is int for place in places) or sorted(places) != list(range(number)):
        raise Malformed("the indices are not one for each input")
    return sorted(data, key=lambda item: int(item["index"]))


def _kept(alone: Body, *, packed: bool) -> Answer:
    """Packed only in the form that was asked for, so that a provider that gave the other one is repeated as it is."""
    item = alone["data"][0]
    usage = tokens(alone.get("usage"))
    vector = _from_base64(item["embedding"]) if packed else _from_list(item["embedding"])
    if vector is None:
        return Answer(orjson.dumps({**alone, "data": [{**item, "index": 0}]}), JSON, usage)
    head = orjson.dumps({**alone, "data": [{**item, "index": 0, "embedding": None}]})
    return Answer(head + b"\n" + vector, FLOATS, usage)


def _alone(kept: Answer, *, packed: bool) -> Body:
    if kept.media_type != FLOATS:
        answer: Body = orjson.loads(kept.payload)
        return answer
    head, _, vector = kept.payload.partition(b"\n")
    answer = orjson.loads(head)
    answer["data"][0]["embedding"] = b64encode(vector).decode() if packed else unpack_floats(vector)
    return answer


def _from_base64(embedding: Any) -> bytes | None:
    try:
        vector = b64decode(embedding, validate=True) if isinstance(embedding, str) else b""
    except ValueError:
        return None
    return vector if vector and b64encode(vector).decode() == embedding else None


def _from_list(embedding: Any) -> bytes | None:
    return floats(embedding) if isinstance(embedding, list) else None


def _shared(answer: Body, number: int, position: int) -> Body:
    return {"usage": _share(answer["usage"], number, position)} if "usage" in answer else {}


def _share(counted: Any, number: int, position: int) -> Any:
    """One of `number` shares of what was counted for all: they add up to it again (see `_sum`)."""
    if isinstance(counted, dict):
        return {name: _share(value, number, position) for name, value in counted.items()}
    if type(counted) is int:
        each, rest = divmod(counted, number)
        return each + rest if position == 0 else each
    if type(counted) is float:
        return counted if position == 0 else 0.0
    return counted


def _sum(shares: list[Any]) -> Any:
    """Counts add up, objects member by member; of anything else the first is taken."""
    said = [share for share in shares if share is not None]
    if said and all(isinstance(share, dict) for share in said):
        names = dict.fromkeys(name for share in said for name in share)
        return {name: _sum([share[name] for share in said if name in share]) for name in names}
    if said and all(type(share) in (int, float) for share in said):
        return sum(said)
    return said[0] if said else None


EMBEDDINGS: Final = Embeddings()
