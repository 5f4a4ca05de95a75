"""A Redis Cluster: which node has which keys now, and each command to the node that has its key. Knows redis-py and no
entry.

Of redis-py's own client of a cluster only the arguments are used: docs/decisions/0040 says why.
"""

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import exceptions as errors
from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from askonce.config.settings import Node
from askonce.core.errors import StoreError, StoreUnavailable
from askonce.stores.protocols import Partly
from askonce.stores.redis.client import failed, ours
from askonce.stores.redis.keys import Command, key_of, raise_first, scan, scanned, sent, value

_REDIRECTIONS: Final = 4  # of one command: more means that the nodes do not agree
_LOOK_EVERY: Final = 0.2  # seconds between looks at who has which keys, while something is wrong with that
_LEFT_ALONE: Final = 1.0  # seconds that a node which failed is not asked
_TRIES: Final = 1000  # to find a key of a node; one that has so few slots is asked for none

_Address = tuple[str, int]


@dataclass(slots=True)
class _Errand:
    """A command on its way. `to` is where a node has sent it, if one has; `asking` where that is for this once."""

    command: Command
    slot: int
    to: _Address | None = None
    asking: bool = False
    answer: Any = None


@dataclass(slots=True)
class _Away:
    """What a node failed with, and when it is tried again (seconds of the loop's clock)."""

    error: Exception
    until: float


class Cluster:
    """`reach` makes the client of a node; `prefix` stands before the keys that pings read, as before all others.

    A node that fails, fails its own keys only, and all of them at once until it answers again: it is tried each second
    apart from any command. Whenever something fails, other nodes are asked who has which keys now.
    """

    def __init__(self, seeds: Sequence[Node], reach: Callable[[Node], Redis], prefix: str) -> None:
        self._seeds = [(node.host, node.port) for node in seeds]
        self._reach, self._prefix = reach, prefix
        self._clients: dict[_Address, Redis] = {}
        self._slots: list[_Address | None] = []  # by number; empty until a node has told
        self._nodes: frozenset[_Address] = frozenset()  # replicas too
        self._masters: frozenset[_Address] = frozenset()
        self._away: dict[_Address, _Away] = {}
        self._look: asyncio.Task[None] | None = None
        self._looked = -math.inf
        self._trouble: Exception = errors.ConnectionError()  # of the last look
        self._tasks: set[asyncio.Task[Any]] = set()  # looks and probes outlive whoever wanted them

    async def values(self, keys: Sequence[str]) -> list[bytes | StoreError | None]:
        # each key by itself: several of one slot are refused while that is being moved
        answers = await self.run([("MGET", key) for key in keys])
        others = bool(self._masters - self._away.keys())
        return [_lost(one, others=others) if isinstance(one, StoreError) else value(one[0]) for one in answers]

    async def unlink(self, keys: Sequence[str]) -> None:
        raise_first(await self.run([("UNLINK", key) for key in keys]))

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        await self._known()
        errands = [_Errand(command, _slot(key_of(command))) for command in commands]
        waiting = errands
        for _ in range(_REDIRECTIONS):
            await self._send(waiting)
            waiting = [one for one in waiting if self._redirected(one)]
            if not waiting:
                break
        return [_said(one.answer) for one in errands]

    async def beginning_with(self, start: str) -> AsyncIterator[list[str]]:
        """Asks one master after another."""
        await self._known()
        if not self._slots or None in self._slots:
            raise ours(_uncovered() if self._slots else self._trouble)
        for node in sorted(self._masters):
            cursor = -1
            while cursor:
                (answer,) = await self._ask(node, [scan(start, max(0, cursor))])
                cursor, names = scanned(_said(answer))
                yield names

    async def ping(self, *, whole: bool) -> None:
        """Reads a key from every node that has any."""
        await self._known()
        masters = {node for node in self._slots if node is not None}
        if not masters:
            raise ours(self._trouble)
        waiting = {self._spawn(self._probe(node)) for node in masters}
        failures: list[Exception] = [_uncovered()] if None in self._slots else []
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            told = [probe.result() for probe in done]
            if not whole and None in told:
                return
            failures += [error for error in told if error is not None]
        if failures:
            raise ours(failures[0])

    async def answers(self, key: str) -> bool:
        node = self._slots[_slot(key)] if self._slots else None
        return node is not None and await self._probe(node) is None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def _known(self) -> None:
        """Returns once a node has told who has which keys, or no node could."""
        if not self._slots:
            self._doubt()
            if self._look is not None:
                await asyncio.wait({self._look})

    def _doubt(self) -> None:
        """Something is wrong with what is known: has a look, unless one was had just now."""
        if self._look is None and asyncio.get_running_loop().time() >= self._looked + _LOOK_EVERY:
            self._look = self._spawn(self._look_around())

    async def _look_around(self) -> None:
        try:
            for node in self._witnesses():
                (answer,) = await self._ask(node, [("CLUSTER", "SLOTS")])
                if not isinstance(answer, Exception) and self._learn(answer, node):
                    break
                self._trouble = answer if isinstance(answer, Exception) else _uncovered()
        finally:
            self._looked = asyncio.get_running_loop().time()
            self._look = None

    def _witnesses(self) -> list[_Address]:
        """Whom to ask who has which keys: first those that the cluster named and that answered when last asked."""
        known = dict.fromkeys((*random.sample(sorted(self._nodes), len(self._nodes)), *self._seeds))
        return sorted(known, key=lambda node: node in self._away)

    def _learn(self, ranges: Any, witness: _Address) -> bool:
        """Takes the answer of CLUSTER SLOTS; says whether there was anything in it."""
        slots: list[_Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes, masters = set[_Address](), set[_Address]()
        for first, last, *places in ranges:
            having = [_address(place, witness) for place in places]
            slots[first : last + 1] = having[:1] * (last + 1 - first)
            nodes.update(having)
            masters.update(having[:1])
        if not nodes:
            return False
        self._slots, self._nodes, self._masters = slots, frozenset(nodes), frozenset(masters)
        for gone in self._clients.keys() - nodes - set(self._seeds):
            self._spawn(self._clients.pop(gone).aclose())
            self._away.pop(gone, None)
        return True

    async def _send(self, errands: Sequence[_Errand]) -> None:
        by_node: dict[_Address, list[_Errand]] = defaultdict(list)
        for one in errands:
            node = one.to or (self._slots[one.slot] if self._slots else None)
            one.answer = self._hindrance(node)
            if node is not None and one.answer is None:
                by_node[node].append(one)
        await asyncio.gather(*(self._carry(node, some) for node, some in by_node.items()))

    def _hindrance(self, node: _Address | None) -> Exception | None:
        """Why nothing can be asked of this node now."""
        if node is None:
            self._doubt()
            return _uncovered() if self._slots else self._trouble
        away = self._away.get(node)
        if away is None:
            return None
        self._doubt()
        if asyncio.get_running_loop().time() >= away.until:
            away.until = math.inf
            self._spawn(self._probe(node))
        return away.error

    async def _carry(self, node: _Address, errands: Sequence[_Errand]) -> None:
        commands: list[Command] = []
        for one in errands:
            commands += [("ASKING",), one.command] if one.asking else [one.command]
        answers = iter(await self._ask(node, commands))
        for one in errands:
            if one.asking:
                next(answers)
            one.answer = next(answers)

    async def _ask(self, node: _Address, commands: Sequence[Command]) -> list[Any]:
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = self._reach(Node(host=node[0], port=node[1]))
        answers = await sent(client, commands)
        if failed(answers[0]):
            self._away[node] = _Away(answers[0], asyncio.get_running_loop().time() + _LEFT_ALONE)
            self._doubt()
        else:
            self._away.pop(node, None)
        return answers

    def _redirected(self, errand: _Errand) -> bool:
        """Whether it has to go elsewhere; if so, the errand and the map are told where."""
        error = errand.answer
        if isinstance(error, errors.ClusterDownError):
            self._doubt()
        if not isinstance(error, errors.AskError):
            return False
        from_there = errand.to or self._slots[errand.slot]
        errand.to = (error.host or from_there[0], error.port) if from_there else (error.host, error.port)
        errand.asking = not isinstance(error, errors.MovedError)
        if not errand.asking:
            self._slots[error.slot_id] = errand.to
            self._doubt()
        return True

    async def _probe(self, node: _Address) -> Exception | None:
        """What a read from this node meets. A user who may not read such keys has been answered too."""
        names = (f"{self._prefix}ping:{number}" for number in range(_TRIES))
        name = next((name for name in names if self._slots[_slot(name)] == node), None)
        (answer,) = await self._ask(node, [("PING",) if name is None else ("MGET", name)])
        if isinstance(answer, errors.MovedError | errors.ClusterDownError):
            self._doubt()
        fine = not isinstance(answer, Exception) or isinstance(answer, errors.AskError | errors.NoPermissionError)
        return None if fine else answer

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _lost(error: StoreError, *, others: bool) -> StoreError:
    """`others`: there are masters that were not found away."""
    return Partly(str(error)) if others and isinstance(error, StoreUnavailable) else error


def _slot(key: str) -> int:
    return key_slot(key.encode())


def _address(place: Any, witness: _Address) -> _Address:
    """Of a node in CLUSTER SLOTS, which has no host where that is the same as of the node asked."""
    host, port = place[0], place[1]
    text = host.decode() if isinstance(host, bytes) else host
    return (text or witness[0], int(port))


def _uncovered() -> Exception:
    return errors.ClusterDownError("")


def _said(answer: Any) -> Any:
    if isinstance(answer, errors.AskError):
        return StoreUnavailable("redis: its cluster is moving these keys")
    return ours(answer) if isinstance(answer, Exception) else answer
