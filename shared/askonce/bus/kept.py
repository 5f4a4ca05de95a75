"""The last message of a subject, read and written: what records and sums have in common. Knows neither."""

from collections.abc import Awaitable, Callable
from typing import Final

from nats.js.api import Header, PubAck, RawStreamMsg
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from askonce.bus.link import Link
from askonce.core.errors import BusConflict

# Of the server's errors.json.
_NO_MESSAGE: Final = 10037  # JSNoMessageFoundErr; another 404 says that there is no such stream
_OTHER_REVISION: Final = {10071, 10164}  # JSStreamWrongLastSequenceErrF, JSStreamWrongLastSequenceConstantErr

Ensure = Callable[[], Awaitable[None]]


class Kept:
    """One stream, which is made anew by `ensure` where a server has lost it."""

    def __init__(self, link: Link, stream: str, ensure: Ensure) -> None:
        self._link, self._stream, self._ensure = link, stream, ensure

    async def last(self, subject: str) -> RawStreamMsg | None:
        """Of the stream's leader, which has all that was acknowledged: any replica answers a direct get, and may be
        behind. Raises BusUnavailable.
        """
        async with self._link.asking(f"reading {self._stream}") as js:
            try:
                return await js.get_last_msg(self._stream, subject)
            except NotFoundError as error:
                if error.err_code != _NO_MESSAGE:
                    await self._ensure()
                return None

    async def write(self, subject: str, data: bytes, headers: dict[str, str], revision: int | None = None) -> PubAck:
        """With a revision, only if it is that of the subject's last message: BusConflict otherwise. Raises
        BusUnavailable and BusRefused too.
        """
        if revision is not None:
            headers = headers | {Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(revision)}
        async with self._link.asking(f"writing to {self._stream}") as js:
            try:
                try:
                    return await js.publish(subject, data, headers=headers)
                except NoStreamResponseError:
                    await self._ensure()
                    return await js.publish(subject, data, headers=headers)
            except APIError as error:
                if error.err_code in _OTHER_REVISION:
                    raise BusConflict("somebody else has written there meanwhile") from None
                raise
