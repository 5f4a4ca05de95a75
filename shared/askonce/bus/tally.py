"""Sums in counters of NATS (ADR-49 of nats-architecture-and-design). Knows how amounts are added, not what of."""

from typing import Final

import orjson
from nats.js.api import Header, RawStreamMsg

from askonce.bus import names
from askonce.bus.kept import Kept
from askonce.bus.link import Link
from askonce.bus.streams import ensure_spent
from askonce.config.settings import ProxySettings
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log

_SINCE: Final = (2, 12)  # of nats-server
_CANNOT: Final = "sums are not kept: the NATS server must be 2.12 or later, and its stream {} one of counters"


class NatsTally:
    """`bus.protocols.Tally`. A server that cannot count refuses here, and nowhere else."""

    def __init__(self, link: Link, settings: ProxySettings, log: Log) -> None:
        self._link, self._settings, self._log = link, settings, log
        self._kept = Kept(link, names.SPENT_STREAM, self._look)
        self._session = 0  # of the connection, in which the stream was found to count

    async def start(self) -> None:
        """Says once if there will be no sums; that is no reason not to start."""
        try:
            await self._stand()
        except BusUnavailable as error:
            self._log.warning("spend_not_kept", why=str(error))

    async def add(self, name: str, amount: int, *, once: str) -> int:
        total = await self._add(name, amount, f"add:{once}")
        return await self.total(name) if total is None else total

    async def total(self, name: str) -> int:
        subject = names.spent(name)
        await self._stand()
        return _total(await self._kept.last(subject))

    async def reset(self, name: str, *, once: str = "") -> None:
        subject = names.spent(name)
        await self._stand()
        last = await self._kept.last(subject)
        total = _total(last)
        if last is not None and total:
            await self._add(name, -total, f"reset:{once or last.seq}")

    async def _add(self, name: str, amount: int, once: str) -> int | None:
        """The new sum; None for a repeat, of which the server gives none."""
        subject = names.spent(name)
        await self._stand()
        # the server drops repeats by their id alone, whatever the subject
        headers: dict[str, str] = {Header.MSG_ID: f"{name}:{once}", Header.INCR: f"{amount:+d}"}
        ack = await self._kept.write(subject, b"", headers)
        return None if ack.val is None else int(ack.val)

    async def _stand(self) -> None:
        if self._session != self._link.session:
            await self._look()

    async def _look(self) -> None:
        session, version = self._link.session, self._link.client.connected_server_version
        stream = names.SPENT_STREAM
        if (version.major, version.minor) < _SINCE:  # it would make a stream that takes amounts for texts
            raise BusUnavailable(_CANNOT.format(stream))
        async with self._link.asking("preparing sums") as js:
            config = await ensure_spent(js, self._settings)
        if not config.allow_msg_counter:
            raise BusUnavailable(_CANNOT.format(stream))
        self._session = session


def _total(last: RawStreamMsg | None) -> int:
    return 0 if last is None else int(orjson.loads(last.data or b"")["val"])
