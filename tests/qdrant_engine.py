"""From the JSON of Qdrant's REST interface to the values of its engine, `qdrant_edge`. What is not known here raises
Unsupported, and is never left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import qdrant_edge as edge

Json = dict[str, Any]

_DISTANCES: Final = {"Cosine": edge.Distance.Cosine, "Dot": edge.Distance.Dot, "Euclid": edge.Distance.Euclid}
SCHEMAS: Final = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "float": edge.PayloadSchemaType.Float,
    "integer": edge.PayloadSchemaType.Integer,
}


class Unsupported(Exception):
    """What this shim does not know: 501."""


class Refused(Exception):
    """What Qdrant refuses too, with its status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def only(given: Mapping[str, Any], *known: str) -> None:
    """Raises Unsupported for a member beyond the known ones."""
    if unknown := {name for name, value in given.items() if value is not None} - set(known):
        raise Unsupported(f"members {sorted(unknown)}")


def choose(table: Mapping[str, Any], name: Any) -> Any:
    if name not in table:
        raise Unsupported(f"{name!r} instead of one of {sorted(table)}")
    return table[name]


def binary(given: Json) -> Any:
    only(given, "always_ram")
    return edge.BinaryQuantizationConfig(always_ram=given.get("always_ram"))


def scalar(given: Json) -> Any:
    only(given, "type", "quantile", "always_ram")
    kind = choose({"int8": edge.ScalarType.Int8}, given.get("type"))
    return edge.ScalarQuantizationConfig(type=kind, quantile=given.get("quantile"), always_ram=given.get("always_ram"))


def product(given: Json) -> Any:
    only(given, "compression", "always_ram")
    ratio = choose({"x16": edge.CompressionRatio.X16, "x4": edge.CompressionRatio.X4}, given.get("compression"))
    return edge.ProductQuantizationConfig(compression=ratio, always_ram=given.get("always_ram"))


_QUANTIZATIONS: Final[dict[str, Callable[[Json], Any]]] = {"binary": binary, "scalar": scalar, "product": product}


def quantization(given: Json | None) -> Any:
    if given is None:
        return None
    only(given, *_QUANTIZATIONS)
    ((kind, values),) = given.items()
    return _QUANTIZATIONS[kind](values)


def graph(given: Json | None) -> Any:
    if given is None:
        return None
    only(given, "m")
    return edge.HnswIndexConfig(m=given["m"], ef_construct=100, full_scan_threshold=10_000)


def engine_config(note: Json) -> Any:
    only(note, "vectors", "quantization_config", "hnsw_config")
    vectors = note["vectors"]
    only(vectors, "size", "distance")
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(size=vectors["size"], distance=choose(_DISTANCES, vectors["distance"])),
        quantization_config=quantization(note.get("quantization_config")),
        hnsw_config=graph(note.get("hnsw_config")),
    )


def condition(given: Json) -> Any:
    if "has_id" in given:
        only(given, "has_id")
        return edge.HasIdCondition(set(given["has_id"]))
    only(given, "key", "match", "range")
    matched, within = given.get("match"), given.get("range")
    if matched is not None:
        only(matched, "value")
        matched = edge.MatchValue(matched["value"])
    if within is not None:
        only(within, "gt", "gte", "lt", "lte")
        within = edge.RangeFloat(**{name: float(value) for name, value in within.items() if value is not None})
    return edge.FieldCondition(given["key"], match=matched, range=within)


def filtered(given: Json | None) -> Any:
    if given is None:
        return None
    only(given, "must", "must_not")
    return edge.Filter(**{name: [condition(one) for one in given[name]] for name in given if given[name] is not None})


def searching(given: Json | None) -> Any:
    if given is None:
        return None
    only(given, "quantization", "exact")
    chosen = given.get("quantization")
    if chosen is not None:
        only(chosen, "ignore", "rescore", "oversampling")
        chosen = edge.QuantizationSearchParams(**{"ignore": False, **chosen})
    return edge.SearchParams(exact=given.get("exact") or False, quantization=chosen)


def vector_of(given: Any) -> list[float]:
    if not isinstance(given, list):
        raise Unsupported("a vector that is no list")
    if not all(isinstance(one, int | float) for one in given):
        raise Refused(400, "Format error in JSON body: a vector of other things than numbers")
    return [float(one) for one in given]


def selected(given: Any, otherwise: bool) -> Any:
    """What `with_payload` asks for."""
    if given is None:
        return otherwise
    if not isinstance(given, bool | list):
        raise Unsupported("with_payload other than a boolean or names")
    return given
