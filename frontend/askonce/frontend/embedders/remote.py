"""Vectors from a provider of `model_list`, through the same way upstream as every request. Knows OpenAI's embeddings
API (API reference, "Embeddings"), and no model.
"""

import asyncio
import math
import re
import struct
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from askonce.calls.embeddings import EMBEDDINGS
from askonce.calls.endpoint import Malformed
from askonce.calls.parsing import read_object
from askonce.core.control import NOTHING
from askonce.core.errors import EmbedderUnavailable, UpstreamError
from askonce.frontend.ask import Ask
from askonce.frontend.deployments import Route, Target
from askonce.frontend.upstream import Upstream

# Text Embeddings Inference takes 32 unless told otherwise, OpenAI 2,048: https://huggingface.co/docs/text-embeddings-inference
_TEXTS: Final = 32
_CALLS: Final = 2  # one on its way while the next begins; more would only make smaller batches
_SECONDS: Final = 10.0
_LONGEST_VECTOR: Final = 32_768  # bytes: 8,192 numbers, twice the longest that models give
_LARGEST: Final = 16 << 20  # bytes of an answer: 32 vectors of 4,096 numbers are 3 MB
_REFUSED: Final = frozenset({400, 413, 422})  # how servers say that a text, or a batch, is too long
_LONGEST_NAME: Final = 64


class Mixed(ValueError):
    """One name in `model_list` that stands for several models. Its text names them."""


class Remote:
    """The model that `route` leads to. Only keys of `model_list` go upstream: no client's credential has a part in a
    batch of many clients' texts. Raises Mixed.
    """

    texts: Final = _TEXTS
    calls: Final = _CALLS

    def __init__(self, route: Route, upstream: Upstream) -> None:
        self.space: Final = _space(route)
        self._route = route
        self._upstream = upstream

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        try:
            async with asyncio.timeout(_SECONDS):
                for start in range(0, len(texts), _TEXTS):
                    found += await self._ask(texts[start : start + _TEXTS])
        except TimeoutError:
            raise EmbedderUnavailable(f"the provider gave no vectors within {_SECONDS:g} s") from None
        return found

    async def _ask(self, texts: Sequence[str]) -> list[bytes | None]:
        """A batch that is refused is asked for in halves: one text that is too long must not cost the others."""
        status, payload = await self._post(texts)
        if status in _REFUSED:
            if len(texts) == 1:
                return [None]
            half = len(texts) // 2
            return [*await self._ask(texts[:half]), *await self._ask(texts[half:])]
        if status != 200:
            hint = ": its entry of model_list needs a valid api_key" if status == 401 else ""
            raise EmbedderUnavailable(f"the provider answered with status {status}{hint}")
        vectors = _vectors(payload, len(texts))
        # Of two batches they may: what vectors are kept under has their length in its name.
        lengths = {len(values) for values in vectors if values is not None}
        if len(lengths) > 1:
            raise EmbedderUnavailable("the provider's vectors differ in length")
        if lengths and max(lengths) > _LONGEST_VECTOR:
            raise EmbedderUnavailable(f"the provider's vectors are longer than {_LONGEST_VECTOR} bytes")
        return vectors

    async def _post(self, texts: Sequence[str]) -> tuple[int, bytes]:
        target = self._route.next()
        body = {"model": target.model, "input": [*texts], "encoding_format": "float"}
        ask = Ask(EMBEDDINGS, body, target.model, False, NOTHING, {}, None)
        payload = bytearray()
        try:
            async with self._upstream.asking(ask, target, body, None) as answer:
                if answer.status == 200:
                    async for chunk in answer.chunks():
                        payload += chunk
                        if len(payload) > _LARGEST:
                            raise EmbedderUnavailable(f"the provider's answer is larger than {_LARGEST} bytes")
                return answer.status, bytes(payload)
        except UpstreamError as error:
            raise EmbedderUnavailable(str(error)) from None

    async def close(self) -> None:
        """The connections are the upstream's."""


def _space(route: Route) -> str:
    """Everything in an entry that makes other vectors: the provider, the model's name there, and what is sent along
    with every request, such as `dimensions` or `input_type`.
    """
    models = {_model(target): target for target in route.targets}
    if len(models) > 1:
        names = sorted({f"{one.deployment.provider}/{one.model}" for one in models.values()})
        raise Mixed(", ".join(names) if len(names) > 1 else f"{names[0]} with different parameters")
    (exactly, target), *_ = models.items()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{target.deployment.provider}-{target.model}")
    if len(name) <= _LONGEST_NAME and not _sent_along(target):
        return name
    return f"{name[:_LONGEST_NAME]}-{sha256(exactly).hexdigest()[:8]}"


def _model(target: Target) -> bytes:
    described = [target.deployment.provider, target.model, _sent_along(target)]
    return orjson.dumps(described, option=orjson.OPT_SORT_KEYS)


def _sent_along(target: Target) -> dict[str, Any]:
    return {name: value for name, value in target.deployment.defaults.items() if name != "encoding_format"}


def _vectors(payload: bytes, number: int) -> list[bytes | None]:
    """The vectors of an answer, in the order of their texts. Raises EmbedderUnavailable; its words quote nothing."""
    try:
        data = read_object(payload).get("data")
    except Malformed as error:
        raise EmbedderUnavailable(f"the provider's answer is {error}") from None
    if not isinstance(data, list) or len(data) != number or not all(isinstance(item, dict) for item in data):
        raise EmbedderUnavailable("the provider did not give one vector for each text")
    places = [item.get("index", at) for at, item in enumerate(data)]
    if not all(type(place) is int for place in places) or sorted(places) != list(range(number)):
        raise EmbedderUnavailable("the provider's indices are not one for each text")
    ordered: list[bytes | None] = [None] * number
    for place, item in zip(places, data, strict=True):
        ordered[place] = _packed(item.get("embedding"))
    return ordered


def _packed(embedding: Any) -> bytes | None:
    """A vector as numbers or, from servers that know nothing else, as base64 of little-endian float32; None where all
    of it is zero.
    """
    try:
        if isinstance(embedding, str):
            packed = b64decode(embedding, validate=True)
            numbers: Sequence[float] = struct.unpack(f"<{len(packed) // 4}f", packed)
        else:
            numbers = embedding
            packed = struct.pack(f"<{len(numbers)}f", *numbers)
            numbers = struct.unpack(f"<{len(numbers)}f", packed)  # as they are kept: what is tiny has become zero
    except (NotBase64, struct.error, TypeError, OverflowError, ValueError):
        raise EmbedderUnavailable("the provider gave something that is no vector") from None
    if not numbers or not math.isfinite(sum(numbers)):
        raise EmbedderUnavailable("the provider gave something that is no vector")
    return packed if any(numbers) else None
