"""Whether two texts with the same words have them in places that matter. Knows rows of words, and no meaning."""

from itertools import pairwise

from askonce.semantic.reading import Reading
from askonce.semantic.rules import Rules


def has_other_order(one: Reading, two: Reading, rules: Rules) -> bool:
    """As "from A to B" and "from B to A"; "dog bites man" and "man bites dog". Not "at the inn, is there food"."""
    return (
        _points_elsewhere(one, two, rules)
        or _points_elsewhere(two, one, rules)
        or _has_swapped(one.terms, two.terms, rules)
        or _has_turned(one, two, rules)
    )


def has_other_persons(one: Reading, two: Reading, *, same_sentence: bool) -> bool:
    """As "can I call you" and "can you call me"; "my name" and "your name"; in the same sentence any of them."""
    both = len(one.persons) > 1 and len(two.persons) > 1
    if both and one.persons[:2] == two.persons[1::-1]:
        return True
    if same_sentence and one.persons and two.persons and set(one.persons).isdisjoint(two.persons):
        return True
    return any(two.owned.get(thing, owner) != owner for thing, owner in one.owned.items())


def _points_elsewhere(one: Reading, two: Reading, rules: Rules) -> bool:
    """Whether a direction has an object here that the other text has behind another direction."""
    places = rules.places
    for word, things in one.objects.items():
        others = two.objects.get(word, set())
        swapped = _has_one_of(two, things - others) and _has_one_of(one, others - things)
        if swapped and word in places.directions:
            return True
        for turned, elsewhere in two.objects.items():
            both_ways = others | one.objects.get(turned, set())
            if frozenset((word, turned)) in places.opposite and not things & elsewhere <= both_ways:
                return True
    return False


def _has_one_of(reading: Reading, terms: set[str]) -> bool:
    return any(term in reading.terms for term in terms)


def _has_swapped(here: list[str], there: list[str], rules: Rules) -> bool:
    """Whether, in rows of the same words, only words of meaning stand in other places, or just two words do."""
    if len(here) != len(there) or sorted(here) != sorted(there):
        return False
    moved = [at for at, (left, right) in enumerate(zip(here, there, strict=True)) if left != right]
    light = [here[at] in rules.words.functions for at in moved]
    if len(moved) == 2:
        joined = moved[1] - moved[0] == 2 and here[moved[0] + 1] in rules.places.joiners
        return not joined and not all(light)
    return bool(moved) and not any(light)


def _has_turned(one: Reading, two: Reading, rules: Rules) -> bool:
    """Whether two neighbours stand the other way round, and no preposition has moved one of them: "what eats it" and
    "what it eats". Or whether they do not, and only one text is passive: "has it eaten", "was it eaten by".
    """
    if not one.content <= set(two.terms) or not two.content <= set(one.terms):
        return False
    row = [term for term in dict.fromkeys(one.terms) if term in one.content and term in two.content]
    other = [term for term in dict.fromkeys(two.terms) if term in one.content and term in two.content]
    if row == other:
        return any((word in one.objects) != (word in two.objects) for word in rules.places.agents)
    return _is_turned(row, other, one, two) or _is_turned(other, row, two, one)


def _is_turned(row: list[str], other: list[str], one: Reading, two: Reading) -> bool:
    place = {term: at for at, term in enumerate(other)}
    return any(
        place[right] < place[left] and right not in one.led and left not in two.led for left, right in pairwise(row)
    )
