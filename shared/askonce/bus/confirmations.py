"""Who waits for what to be confirmed by whom. Sequences and tokens only; no transport.

A token is a key whose deletion a store has carried out, or a frontend that has heard of a flush.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Expected:
    """One asker. Confirmations may come before it knows its own sequences, so they are noted from the start: those of
    its tokens, or all of them where it does not know these either.
    """

    tokens: frozenset[str] | None
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
    def expect(self, tokens: Sequence[str] | None = None) -> Iterator[Expected]:
        """None stands for every token there is."""
        expected = Expected(None if tokens is None else frozenset(tokens))
        self._waiting.add(expected)
        try:
            yield expected
        finally:
            self._waiting.discard(expected)

    def confirm(self, token: str, sequence: int) -> None:
        for expected in self._waiting:
            if expected.tokens is None or token in expected.tokens:
                expected.confirmed[token] = max(sequence, expected.confirmed.get(token, 0))
                expected.news.set()
