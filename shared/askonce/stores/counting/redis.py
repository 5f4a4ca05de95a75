"""Counts of all frontends together, in Redis: one script, and one round trip at a time for whoever asks meanwhile.

Far from a limit a frontend is lent some requests beforehand, for a tenth of a second: what is lent counts as used until
it is given back, so that no limit is ever passed, and nobody is refused while somebody may still give something back.
While Redis is away each process counts for itself, and says what is under way there once Redis is back.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Final

from askonce.core.errors import StoreUnavailable
from askonce.stores.counting.carrier import Carrier
from askonce.stores.counting.groups import GRANTED, LEASE_SECONDS, Group, exceeded, tell
from askonce.stores.counting.local import WINDOW, LocalCounters
from askonce.stores.counting.protocol import Claim, Exceeded
from askonce.stores.counting.script import Terms, Told, Trip, Wanted
from askonce.stores.counting.unsaid import Said, Unsaid
from askonce.stores.redis.keys import Keys
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

SLOT_SECONDS: Final = 15.0  # for which a frontend's requests under way count after it was last heard of

_GROUPS: Final = 64  # of claims in one round trip: a script holds up the whole server


class RedisCounters:
    """`prefix` stands before every key, and has the hash tag that keeps them all on one node of a Cluster. A round trip
    has `deadline` seconds. `timer` is a clock in seconds that never jumps; of minutes the server's own decides.
    """

    def __init__(  # noqa: PLR0913 - three of them are for tests that cannot wait for minutes
        self,
        keys: Keys,
        prefix: str,
        *,
        deadline: float,
        metrics: Metrics,
        log: Log,
        timer: Callable[[], float],
        window: float = WINDOW,
        slot: float = SLOT_SECONDS,
        lease: float = LEASE_SECONDS,
    ) -> None:
        terms = Terms(round(window * 1000), round(lease * 1000), round(slot * 1000))
        self._timer = timer
        self._beat_seconds = slot / 3
        self._local = LocalCounters(timer, window=window)
        self._me = secrets.token_hex(8)
        self._numbers = count(1)
        self._groups: dict[tuple[Claim, ...], Group] = {}
        self._asking: dict[Group, None] = {}
        self._unsaid = Unsaid()
        self._settled: list[Group] = []  # whose leases have ended
        self._trip: asyncio.Task[None] | None = None
        self._called = self._closed = False
        self._beat: asyncio.TimerHandle | None = None
        self._carrier = Carrier(
            keys, prefix, self._me, terms, deadline, changed=self._changed, metrics=metrics, log=log, timer=timer
        )

    def _alone(self) -> bool:
        return self._closed or self._carrier.open

    async def take(self, claims: Sequence[Claim]) -> Exceeded | None:
        claims = tuple(claims)  # is the same object where it is one already
        group = self._groups.get(claims)
        if group is not None and group.left and self._timer() < group.until:
            group.left -= 1
            return None
        return await self._ask(claims, group)

    async def _ask(self, claims: tuple[Claim, ...], group: Group | None) -> Exceeded | None:
        if self._alone():
            return self._take_here(claims)
        if group is None:
            group = self._groups[claims] = Group(f"{self._me}:{next(self._numbers)}", claims)
            self._keep_beating()
        group.idle = 0
        if not group.claims:
            return None
        while True:
            told = await self._told(group)
            if told is None:  # Redis is away
                return self._take_here(claims)
            if told.kind is None:
                return None
            if not told.wait:
                return exceeded(group.claims[told.claim], told)
            await asyncio.sleep(told.wait)
            if self._alone():
                return self._take_here(claims)

    def _take_here(self, claims: Sequence[Claim]) -> Exceeded | None:
        """Others hear of what is under way here as soon as Redis answers."""
        met = self._local.take_now(claims)
        if met is None and self._unsaid.hold(claims):
            self._call()
        return met

    async def _told(self, group: Group) -> Told | None:
        """What came of this request; `kind` is None where it was let in."""
        answer: asyncio.Future[Told | None] = asyncio.get_running_loop().create_future()
        group.waiting.append(answer)
        self._asking[group] = None
        self._call()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and (told := answer.result()) and told.kind is None:
                self.release(group.claims)
            raise

    def spend(self, claims: Sequence[Claim], tokens: int) -> None:
        if self._alone():
            self._local.spend(claims, tokens)
        elif self._unsaid.spend(claims, tokens):
            group = self._groups.get(tuple(claims))
            if group is not None and group.leased:  # the next request asks, and finds them counted
                self._settle(group)
            self._call()

    def release(self, claims: Sequence[Claim]) -> None:
        if self._unsaid.hold(claims):
            self._local.release(claims)
            self._call()

    def _call(self) -> None:
        if not self._called and self._trip is None and not self._closed:
            self._called = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._called = False
        if self._closed or self._trip is not None:
            return
        if self._carrier.open:
            self._give_up(list(self._asking))
            return
        groups = list(self._asking)[:_GROUPS]
        for group in groups:
            del self._asking[group]
        self._trip = asyncio.create_task(self._travel(groups))
        self._trip.add_done_callback(self._returned)

    def _returned(self, trip: asyncio.Task[None]) -> None:
        self._trip = None
        if not trip.cancelled() and (error := trip.exception()) is not None:
            raise error
        if not self._carrier.open and (self._asking or self._unsaid or self._settled):
            self._call()

    async def _travel(self, groups: Sequence[Group]) -> None:
        """One round trip. Where it fails, all that wait are counted here: none waits for a second deadline."""
        started = self._timer()
        trip = Trip(self._me)
        said = self._pack(trip, groups)
        waiting = [(group, group.alive()) for group in groups]
        for group, askers in waiting:
            wish = 0 if group.parallel else group.used.number
            trip.wanted.append(Wanted(group.id, group.limits_in(trip, self._local.held), len(askers), wish))
        try:
            answers = await self._carrier.ask(trip, started)
        except StoreUnavailable:
            for group, askers in waiting:
                group.waiting[:0] = askers
            self._failed(said, groups)
            return
        except BaseException:
            for group, askers in waiting:
                group.waiting[:0] = askers
            self._give_up(groups)
            raise
        for (group, askers), answer in zip(waiting, answers, strict=True):
            self._hand_out(group, askers, Told.read(answer), started)

    def _failed(self, said: Said, groups: Sequence[Group]) -> None:
        """Whether the server has heard of it is unknown, and how many it has let in."""
        self._unsaid.again(said)
        for group in groups:
            self._unsaid.hold(group.claims)
        if self._carrier.open:
            for name, tokens in self._unsaid.take_spent().items():
                self._local.add_tokens(name, tokens)
        self._give_up([*groups, *self._asking])

    def _pack(self, trip: Trip, groups: Sequence[Group]) -> Said:
        """What there is to say beside what these groups want."""
        for group in groups:
            self._settle(group)
        now = self._timer()
        for group in self._settled:
            trip.give_back(group.id, group.windows, group.left)
            group.used.add(group.leased - group.left, now)
            group.left, group.leased = 0, 0
        self._settled = []
        return self._unsaid.pack(trip, self._local.held)

    def _hand_out(
        self, group: Group, askers: Sequence[asyncio.Future[Told | None]], told: Told, started: float
    ) -> None:
        group.used.add(told.granted, started)
        for number, asker in enumerate(askers):
            if number >= told.granted:
                tell(asker, told)
            elif asker.done():  # cancelled meanwhile
                self._unsaid.hold(group.claims)
            else:
                self._local.hold(group.claims)
                asker.set_result(GRANTED)
        if told.leased:
            self._lend(group, told, started)

    def _lend(self, group: Group, told: Told, started: float) -> None:
        group.left = group.leased = told.leased
        group.until = started + told.lasts  # the server began later: this ends no later than it has it
        group.windows = list(zip((claim.name for claim in group.claims), told.ends, strict=True))
        now = self._timer()
        group.expiry = asyncio.get_running_loop().call_later(max(0.0, group.until - now), self._expired, group)
        if now < group.until:
            waiting = group.alive()  # came while this was on its way
            for asker in waiting[: group.left]:
                asker.set_result(GRANTED)
            group.waiting = waiting[group.left :]
            group.left -= len(waiting) - len(group.waiting)
            if not group.waiting:
                self._asking.pop(group, None)

    def _settle(self, group: Group) -> None:
        """What is lent to it goes back with the next round trip, what is left of it at least."""
        if group.leased and group not in self._settled:
            if group.expiry is not None:
                group.expiry.cancel()
            group.until = 0.0
            self._settled.append(group)

    def _expired(self, group: Group) -> None:
        self._settle(group)
        self._call()

    def _give_up(self, groups: Sequence[Group]) -> None:
        for group in groups:
            self._asking.pop(group, None)
            for asker in group.alive():
                tell(asker, None)

    def _keep_beating(self) -> None:
        if self._beat is None and not self._closed:
            self._beat = asyncio.get_running_loop().call_later(self._beat_seconds, self._beaten)

    def _beaten(self) -> None:
        """Says again what is under way here, and forgets groups that nobody asked for since the beat before."""
        self._beat = None
        for claims, group in list(self._groups.items()):
            group.idle += 1
            if group.idle > 2 and not (group.waiting or group.leased):
                del self._groups[claims]
        self._say_held()

    def _say_held(self) -> None:
        self._unsaid.places(self._local.held)
        if self._unsaid:
            self._call()
        if self._groups or self._local.held:
            self._keep_beating()

    def _changed(self) -> None:
        """Redis is away, or back."""
        if not self._alone():
            self._say_held()

    async def close(self) -> None:
        """Gives back what is lent and what is under way, if Redis takes it."""
        if self._closed:
            return
        self._closed = True
        if self._beat is not None:
            self._beat.cancel()
        if self._trip is not None:
            await asyncio.wait({self._trip})
        self._give_up(list(self._asking))
        for group in self._groups.values():
            self._settle(group)
        self._unsaid.places(self._local.held)
        self._local.held.clear()
        with suppress(StoreUnavailable):
            while not self._carrier.open and (self._unsaid or self._settled):
                self._pack(trip := Trip(self._me), [])
                await self._carrier.ask(trip, self._timer())
        await self._carrier.close()
