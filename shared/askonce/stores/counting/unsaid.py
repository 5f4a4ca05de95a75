"""What Redis is still to be told of tokens and of requests under way. What may not have arrived is said again."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from askonce.stores.counting.protocol import Claim
from askonce.stores.counting.script import Trip

_NAMES: Final = 512  # of each kind in one round trip: one that is too large is late however often it is made


class Said(NamedTuple):
    """What one round trip told: tokens by claim, and the claims whose requests under way were told."""

    spent: Mapping[str, int]
    places: Sequence[str]


class Unsaid:
    """Requests under way are told by their number, so that to say them twice is nothing; tokens that a late round trip
    told after all are counted twice then, which lets too few in for the rest of a minute, and never too many.
    """

    __slots__ = ("_places", "_spent")

    def __init__(self) -> None:
        self._spent: dict[str, int] = {}
        self._places: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._spent or self._places)

    def spend(self, claims: Sequence[Claim], tokens: int) -> bool:
        """Whether any of the claims limits tokens."""
        told = False
        for claim in claims:
            if claim.tokens is not None:
                self._spent[claim.name] = self._spent.get(claim.name, 0) + tokens
                told = True
        return told

    def hold(self, claims: Iterable[Claim]) -> bool:
        """The number of requests under way has changed. Whether any of the claims limits it."""
        told = False
        for claim in claims:
            if claim.parallel is not None:
                self._places[claim.name] = None
                told = True
        return told

    def places(self, names: Iterable[str]) -> None:
        self._places.update(dict.fromkeys(names))

    def pack(self, trip: Trip, held: Mapping[str, int]) -> Said:
        said = Said(
            {name: self._spent.pop(name) for name in list(islice(self._spent, _NAMES))},
            list(islice(self._places, _NAMES)),
        )
        for name, tokens in said.spent.items():
            trip.spent.append((trip.number(name), tokens))
        for name in said.places:
            del self._places[name]
            trip.number(name, held.get(name, 0))
        return said

    def again(self, said: Said) -> None:
        for name, tokens in said.spent.items():
            self._spent[name] = self._spent.get(name, 0) + tokens
        self.places(said.places)

    def take_spent(self) -> dict[str, int]:
        """Tokens that are to be counted elsewhere: they are not told any more."""
        spent, self._spent = self._spent, {}
        return spent
