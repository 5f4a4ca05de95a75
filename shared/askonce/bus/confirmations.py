"""Who waits for which deletion to be confirmed. Sequences and tokens only; no transport."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Expected:
    """One asker. Confirmations may come before it knows its own sequences, so they are noted from the start."""

    tokens: frozenset[str]
    confirmed: dict[str, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, sequences: Mapping[str, int]) -> None:
        """Returns once each token has been confirmed at its sequence or a later one, which has replaced it.

        It waits without end: the caller sets the deadline.
        """
        while any(self.confirmed.get(token, 0) < sequence for token, sequence in sequences.items()):
            self.news.clear()
            await self.news.wait()


class Confirmations:
    def __init__(self) -> None:
        self._waiting: set[Expected] = set()

    @contextmanager
    def expect(self, tokens: Sequence[str]) -> Iterator[Expected]:
        expected = Expected(frozenset(tokens))
        self._waiting.add(expected)
        try:
            yield expected
        finally:
            self._waiting.discard(expected)

    def confirm(self, token: str, sequence: int) -> None:
        for expected in self._waiting:
            if token in expected.tokens:
                expected.confirmed[token] = max(sequence, expected.confirmed.get(token, 0))
                expected.news.set()
