"""Questions by the very bytes they came in: what is asked often is parsed and keyed once.

A question follows from the route, the body and the headers that are heard, and from nothing else; so it may be
remembered under exactly these. The credential is one of them: nobody meets another's question.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from askonce.frontend.question import Question

_LARGEST: Final = 32 * 1024  # bytes of a body; larger ones are rarely the same twice
_MOST_BYTES: Final = 8 << 20
_OVERHEAD: Final = 2048  # bytes charged for the objects around a body, which is charged four times over


class Remembered:
    def __init__(self) -> None:
        self._questions: OrderedDict[Hashable, tuple[Question, int]] = OrderedDict()
        self._bytes = 0

    def get(self, mark: Hashable) -> Question | None:
        known = self._questions.get(mark)
        if known is None:
            return None
        self._questions.move_to_end(mark)
        return known[0]

    def put(self, mark: Hashable, size: int, question: Question) -> None:
        """`size` is that of the body, in bytes."""
        if size > _LARGEST or mark in self._questions:
            return
        charge = 4 * size + _OVERHEAD
        self._questions[mark] = (question, charge)
        self._bytes += charge
        while self._bytes > _MOST_BYTES:
            self._bytes -= self._questions.popitem(last=False)[1][1]
