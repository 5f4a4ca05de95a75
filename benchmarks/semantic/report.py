"""What was served of what should be and of what must not be, as tables."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from askonce.semantic.doubts import Doubt
from benchmarks.semantic.pairs import Half, Pair

THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
REFERENCE = 0.80  # the threshold for which reasons are told
TRAPS = {"negation": "negation", "entity_swap": "entity", "number_date": "number, date", "scope": "scope"}

Guard = Callable[[str, str, float], Doubt | None]


@dataclass(frozen=True)
class Judged:
    """One pair: how alike its texts are, and why the guard refuses it."""

    pair: Pair
    similarity: float
    why: Doubt | None

    def served(self, threshold: float, *, guarded: bool) -> bool:
        return self.similarity >= threshold and not (guarded and self.why)


def judged(pairs: Sequence[Pair], alike: dict[str, float], guard: Guard) -> list[Judged]:
    found = ((pair, alike[pair.name]) for pair in pairs)
    return [Judged(pair, similarity, guard(pair.asked, pair.kept, similarity)) for pair, similarity in found]


def report(model: str, halves: dict[Half, list[Judged]]) -> str:
    """The tables of one model, each half by itself."""
    parts = [f"### {model}\n"]
    for half, found in halves.items():
        same = sum(one.pair.same for one in found)
        parts.append(f"The {half} half: {same} pairs that should hit, {len(found) - same} traps.\n")
        parts.append("\n".join(chain(_HEAD, (_row(threshold, found) for threshold in THRESHOLDS))) + "\n")
        parts.append(_reasons(found) + "\n")
    return "\n".join(parts)


_HEAD = (
    f"| threshold | served of what should hit | of the traps | {' | '.join(TRAPS.values())} |",
    "|--:|--:|--:|" + "--:|" * len(TRAPS),
)


def _row(threshold: float, found: Sequence[Judged]) -> str:
    groups = [
        [one for one in found if one.pair.same],
        [one for one in found if not one.pair.same],
        *([one for one in found if one.pair.kind == kind] for kind in TRAPS),
    ]
    cells = (
        f"{_share(group, threshold, guarded=True)} ({_share(group, threshold, guarded=False)})" for group in groups
    )
    return f"| {threshold:.2f} | {' | '.join(cells)} |"


def _share(group: Sequence[Judged], threshold: float, *, guarded: bool) -> str:
    served = sum(one.served(threshold, guarded=guarded) for one in group)
    return f"{100 * served / max(1, len(group)):.1f}"


def _reasons(found: Sequence[Judged]) -> str:
    """Why the guard refused what the vectors alone would have served."""
    refused = [one for one in found if one.served(REFERENCE, guarded=False) and one.why]
    told = []
    for same, what in ((False, "traps"), (True, "pairs that should hit")):
        reasons = Counter(one.why for one in refused if one.pair.same is same and one.why)
        listed = ", ".join(
            f"{why} {count}" for why, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
        )
        told.append(f"{sum(reasons.values())} {what} ({listed or 'none'})")
    return f"Refused by the guard at {REFERENCE:.2f}: {'; '.join(told)}."
