"""Questions by the very bytes they came in: what is asked often is parsed and keyed once.

A question follows from the route, the body and the headers that are heard, and from nothing else; so it may be
remembered under exactly these. The credential is one of them: nobody meets another's question.
"""

from collections import OrderedDict
from typing import Final

from askonce.frontend.question import Question

_LARGEST: Final = 32 * 1024  # bytes of a body and its headers; larger ones are rarely the same twice
_MOST_BYTES: Final = 8 << 20
_OVERHEAD: Final = 2048  # bytes charged for the objects around a body, which is charged four times over
_LOOKUP: Final = 448  # bytes charged for a lookup and what it was read from

Mark = tuple[bytes, tuple[str | None, ...]]
"""The body; the model that the address names, who asks, and the headers that are heard."""


class Remembered:
    def __init__(self) -> None:
        self._questions: OrderedDict[Mark, tuple[Question, int]] = OrderedDict()
        self._bytes = 0

    def get(self, mark: Mark) -> Question | None:
        known = self._questions.get(mark)
        if known is None:
            return None
        self._questions.move_to_end(mark)
        return known[0]

    def put(self, mark: Mark, size: int, question: Question) -> None:
        """`size` is that of the body, in bytes."""
        size += sum(len(header) for header in mark[1] if header is not None)
        if size > _LARGEST or mark in self._questions:
            return
        charge = 4 * size + _LOOKUP * len(question.lookups) + _OVERHEAD
        self._questions[mark] = (question, charge)
        self._bytes += charge
        while self._bytes > _MOST_BYTES:
            self._bytes -= self._questions.popitem(last=False)[1][1]
