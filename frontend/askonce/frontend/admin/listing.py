"""Which keys are listed, and in which order. Knows no bucket."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from askonce.core.errors import bad_request
from askonce.frontend.access.records import KeyRecord

_LARGEST: Final = 100  # keys of a page, as in LiteLLM
_FILTERS: Final = ("user_id", "team_id", "key_alias", "key_hash")
_ORDERS: Final = ("created_at", "updated_at", "expires", "key_alias", "key_name", "user_id", "team_id", "max_budget")
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
# A master key sees all keys anyway, and what is not filtered for is in the list.
_WIDENING: Final = frozenset({"include_team_keys", "include_created_by_keys"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """`like` is by the name of a filter, and exact."""

    like: Mapping[str, str]
    page: int
    size: int
    order: str
    descending: bool
    whole: bool


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """Raises RequestError (400), naming the parameter: one that would narrow the list and is not known, too."""
    known = {*_FILTERS, *_WIDENING, "page", "size", "sort_by", "sort_order", "return_full_object"}
    for name in query:
        if name not in known:
            raise bad_request(f"{name[:100]} is no parameter of this list.", name[:100])
    return Wanted(
        like={name: query[name] for name in _FILTERS if query.get(name)},
        page=_number(query, "page", 1, 10**9),
        size=_number(query, "size", 10, _LARGEST),
        order=_one_of(query, "sort_by", "created_at", _ORDERS),
        descending=_one_of(query, "sort_order", "desc", ("asc", "desc")) == "desc",
        whole=_truth(query, "return_full_object"),
    )


def chosen(keys: Sequence[KeyRecord], wanted: Wanted) -> list[KeyRecord]:
    """In order; what has no such member comes last, and equals are in the order of their hashes."""
    found = sorted((one for one in keys if _is_like(one, wanted.like)), key=lambda one: one.token)
    without = [one for one in found if getattr(one, wanted.order) is None]
    member: Callable[[KeyRecord], Any] = lambda one: getattr(one, wanted.order)  # noqa: E731
    having = [one for one in found if getattr(one, wanted.order) is not None]
    return sorted(having, key=member, reverse=wanted.descending) + without


def page(keys: Sequence[KeyRecord], wanted: Wanted) -> tuple[Sequence[KeyRecord], dict[str, int]]:
    """Those of the page, and what is told of all."""
    begin = (wanted.page - 1) * wanted.size
    told = {
        "total_count": len(keys),
        "current_page": wanted.page,
        "total_pages": -(-len(keys) // wanted.size),
    }
    return keys[begin : begin + wanted.size], told


def _is_like(key: KeyRecord, like: Mapping[str, str]) -> bool:
    return all(getattr(key, "token" if name == "key_hash" else name) == value for name, value in like.items())


def _number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    written = query.get(name)
    if written is None:
        return usual
    if not (written.isascii() and written.isdigit() and len(written) < 12 and 1 <= int(written) <= most):
        raise bad_request(f"{name} must be a whole number from 1 to {most}.", name)
    return int(written)


def _one_of(query: Mapping[str, str], name: str, usual: str, words: Sequence[str]) -> str:
    word = query.get(name) or usual
    if word not in words:
        raise bad_request(f"{name} must be one of {', '.join(words)}.", name)
    return word


def _truth(query: Mapping[str, str], name: str) -> bool:
    written = query.get(name, "").lower()
    if written not in _TRUTHS:
        raise bad_request(f"{name} must be true or false.", name)
    return _TRUTHS[written]
