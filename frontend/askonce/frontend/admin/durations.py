"""How long a key shall live, as LiteLLM writes it: "30s", "30m", "30h", "30d", "2w", "1mo", and "-1" for ever."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

FOR_EVER: Final = "-1"
EXPECTED: Final = 'such as "30s", "30m", "30h", "30d", "2w" or "1mo", and "-1" or null for ever'
_WRITTEN: Final = re.compile(r"([0-9]{1,9})(s|mo|m|h|d|w)", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def expiry(duration: str, now: float) -> float | None:
    """Seconds since the epoch, None for never. A month is one of the calendar, in UTC: the last day of a month is
    followed by the last day of a shorter one. Raises ValueError for what is no duration, or ends after the year 9999.
    """
    if duration == FOR_EVER:
        return None
    written = _WRITTEN.fullmatch(duration)
    if written is None or not int(written[1]):
        raise ValueError(EXPECTED)
    count, unit = int(written[1]), written[2]
    begin = datetime.fromtimestamp(now, UTC)
    try:
        end = _months_later(begin, count) if unit == "mo" else begin + timedelta(seconds=count * _SECONDS[unit])
    except (OverflowError, ValueError):
        raise ValueError(EXPECTED) from None
    return end.timestamp()


def _months_later(begin: datetime, count: int) -> datetime:
    years, month = divmod(begin.month - 1 + count, 12)
    year = begin.year + years
    if year > 9999:
        raise ValueError(EXPECTED)
    return begin.replace(year=year, month=month + 1, day=min(begin.day, monthrange(year, month + 1)[1]))
