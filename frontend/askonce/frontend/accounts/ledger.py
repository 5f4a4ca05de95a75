"""What keys and teams have spent: added up here, handed to the sums that all frontends share, and held against budgets.

An amount waits while the queue is away. One that was handed on and not confirmed is tried again under the same name, so
that it is added once, for as long as the queue knows that name; after that the sum tells whether it is in there, or it
is given up. A budget may be overrun by the answers that are under way, and by what every other frontend has spent
since it last handed its amounts on, or since this one last looked. A sum that the queue never told counts as nothing.
"""

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from askonce.bus.protocols import Tally
from askonce.core.errors import BusUnavailable, RequestError
from askonce.core.money import PICO, dollars
from askonce.telemetry.logs import Log

FLUSH_EVERY: Final = 1.0  # seconds that a sum may be behind
_LOOK_EVERY: Final = 3.0  # seconds that the spending of other frontends may be unknown here
_IN_USE: Final = 60.0  # seconds that a sum is looked at after a request last needed it
_PATIENCE: Final = 1.0  # seconds that the first request of a key waits for its sum
_MOST: Final = 100_000  # names: more keys than that spend nothing in the same second
_AT_ONCE: Final = 32
_REPEATED: Final = 100.0  # seconds: the queue knows a name for 120, and a try may take some of them
_LAST: Final = 2.0  # seconds for handing on the rest at shutdown
_AGAIN: Final = 0.1  # seconds between two tries of that
_NEVER: Final = -math.inf


@dataclass(slots=True)
class _Handed:
    """An amount on its way, and the name under which it is added once. `tried` is when it was first handed on, and
    `before` the sum as it was last told by then; None where nobody told.
    """

    amount: int
    once: str
    tried: float | None = None
    before: int | None = None


@dataclass(slots=True)
class _Known:
    """A sum as it was last told, and when that, and a request for it, was: `_NEVER` where nobody told."""

    total: int
    looked: float
    used: float


class Ledger:
    """`timer` is in seconds and only goes forward. Accounts are such as "key:<hash>"."""

    def __init__(self, tally: Tally, log: Log, timer: Callable[[], float]) -> None:
        self._tally = tally
        self._log = log
        self._timer = timer
        self._spent: dict[str, int] = {}
        self._handed: dict[str, _Handed] = {}
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._wanted: set[str] = set()  # sums that are to be known at the next look
        self._telling: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._telling = asyncio.create_task(self._tell_for_ever(), name="ledger")

    def spend(self, accounts: Sequence[str], amount: int) -> None:
        """Puts an answer's cost, in pico-dollars, down to the accounts."""
        for account in accounts if amount else ():
            if account in self._spent or len(self._spent) < _MOST:
                self._spent[account] = self._spent.get(account, 0) + amount
            else:
                self._log.warning("spend_not_counted")

    def spent(self, account: str) -> int | None:
        """Pico-dollars, as far as they are known now. None where nobody has told: a moment later they are known."""
        known = self._known.get(account)
        if known is None:
            if len(self._wanted) < _MOST:
                self._wanted.add(account)
            return None
        known.used = self._timer()
        return None if known.looked == _NEVER else known.total + self._waiting(account)

    async def require(
        self, budgets: Sequence[tuple[str, float]], shown: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`budgets` are accounts and how many US dollars they have, `shown` is how a refusal calls them. Raises
        RequestError once one has spent as many.

        What the queue cannot tell now does not stop anybody: what was spent here counts nevertheless.
        """
        for account, most in budgets:
            known = self._known.get(account) or await self._first(account)
            known.used = self._timer()
            total = known.total + self._waiting(account)
            if total >= most * PICO:
                raise _refusal(shown.get(account, account.partition(":")[0]), dollars(total), most)

    async def flush(self) -> None:
        """Hands on what was spent, then looks at the sums that are in use. Gives up until the next time where the queue
        does not answer.
        """
        if (self._spent or self._handed) and await self._answers():
            for account in [one for one in self._spent if one not in self._handed]:
                self._handed[account] = _Handed(self._spent.pop(account), secrets.token_hex(16))
            await self._each(list(self._handed), self._hand_on)
        now = self._timer()
        for account in [name for name, one in self._known.items() if now - one.used > _IN_USE]:
            del self._known[account]
        late = [name for name, one in self._known.items() if now - one.looked >= _LOOK_EVERY]
        await self._each([*late, *self._wanted], self._look)

    async def close(self) -> None:
        """Hands on the rest, which takes the longer the later the queue is back. What it does not take by then is lost,
        and told.
        """
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST):
                await self.flush()
                while self._handed or self._spent:
                    await asyncio.sleep(_AGAIN)
                    await self.flush()
        except TimeoutError:
            pass
        if self._handed or self._spent:
            lost = sum(self._spent.values()) + sum(one.amount for one in self._handed.values())
            self._log.error("spend_lost", dollars=dollars(lost))

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            try:
                await self.flush()
            except Exception as bug:  # noqa: BLE001 - the outermost guard of this task: money goes on being counted
                self._log.exception("ledger_failed", error=type(bug).__name__)

    async def _each(self, accounts: Sequence[str], act: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        for at in range(0, len(accounts), _AT_ONCE):
            done = await asyncio.gather(*map(act, accounts[at : at + _AT_ONCE]), return_exceptions=True)
            for failure in done:
                if isinstance(failure, BusUnavailable):
                    return
                if isinstance(failure, BaseException):
                    raise failure

    async def _hand_on(self, account: str) -> None:
        handed, now = self._handed[account], self._timer()
        if handed.tried is None:
            known = self._known.get(account)
            handed.tried, handed.before = now, None if known is None or known.looked == _NEVER else known.total
        elif now - handed.tried > _REPEATED:
            await self._settle(account, handed)
            return
        total = await self._tally.add(name_of(account), handed.amount, once=handed.once)
        del self._handed[account]
        self._learn(account, total)

    async def _answers(self) -> bool:
        """Whether the queue does: what was never handed to it may wait for ever, and what may have been may not."""
        try:
            await self._look(next(iter(self._handed or self._spent)))
        except BusUnavailable:
            return False
        return True

    async def _settle(self, account: str, handed: _Handed) -> None:
        """Of an amount whose name the queue has forgotten: a sum that has not grown by as much does not hold it."""
        total = await self._tally.total(name_of(account))
        del self._handed[account]
        grown = None if handed.before is None else total - handed.before
        if grown is not None and grown < handed.amount:
            self._spent[account] = self._spent.get(account, 0) + handed.amount
        elif grown != handed.amount:
            self._log.error("spend_lost", dollars=dollars(handed.amount), why="nobody can tell whether it was added")
        self._learn(account, total)

    async def _look(self, account: str) -> None:
        self._learn(account, await self._tally.total(name_of(account)))

    def _learn(self, account: str, total: int) -> None:
        now = self._timer()
        if (known := self._known.get(account)) is not None:
            known.total, known.looked = total, now
        elif account in self._wanted:
            self._know(account, _Known(total, now, now))
        self._wanted.discard(account)

    async def _first(self, account: str) -> _Known:
        now = self._timer()
        try:
            async with asyncio.timeout(_PATIENCE):
                known = _Known(await self._tally.total(name_of(account)), now, now)
        except (BusUnavailable, TimeoutError):
            known = _Known(0, _NEVER, now)
        return self._know(account, known)

    def _know(self, account: str, known: _Known) -> _Known:
        if len(self._known) >= _MOST:
            self._known.popitem(last=False)
        return self._known.setdefault(account, known)

    def _waiting(self, account: str) -> int:
        handed = self._handed.get(account)
        return self._spent.get(account, 0) + (0 if handed is None else handed.amount)


def name_of(account: str) -> str:
    """The account's sum in the tally, such as "key.<hash>". Amounts there are pico-dollars."""
    return account.replace(":", ".")


def _refusal(whose: str, spent: float, most: float) -> RequestError:
    """Status, words and type are those of LiteLLM 1.109's BudgetExceededError."""
    words = f"Budget has been exceeded! {whose} Current cost: {spent}, Max budget: {most}"
    return RequestError(422, words, "budget_exceeded", code="422")
