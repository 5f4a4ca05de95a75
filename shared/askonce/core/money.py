"""Money as it is added up: whole pico-dollars (1e-12 US dollars), so that sums are exact in whatever order and wherever
they are made. A token costs some 1e-8 dollars at the least. See docs/decisions/0070.
"""

from typing import Final

PICO: Final = 10**12
MOST: Final = 2**63  # what is dearer fits no frame of ours, and no tally of the queue's


def dollars(amount: int) -> float:
    """An amount as people read it, to the nearest float."""
    return amount / PICO


def shares(amount: int, weights: list[int]) -> list[int]:
    """The amount cut by weight, one share for each: they add up to it again. Without any weight the first has all."""
    whole = sum(weights)
    if not whole:
        return [amount, *(0 for _ in weights[1:])]
    cut = [amount * weight // whole for weight in weights]
    cut[0] += amount - sum(cut)
    return cut
