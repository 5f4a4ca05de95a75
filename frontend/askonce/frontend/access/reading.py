"""A key's record and its team's, read from the bucket as they are at one time."""

from dataclasses import dataclass, replace
from typing import Final

from askonce.bus.protocols import Bucket, Record
from askonce.core.errors import WireError
from askonce.frontend.access.records import KeyRecord, TeamRecord, key_record, team_record

_TRIES: Final = 4  # of a read that changes keep overtaking


@dataclass(frozen=True, slots=True)
class Known:
    """What the bucket has of a key. `team_name` is its team's record, where it has a team."""

    key: KeyRecord
    revision: int
    team: TeamRecord | None = None
    team_name: str | None = None
    team_revision: int = 0

    def with_key(self, record: Record | None) -> "Known | None":
        """After a change of the key's record: this very one where it is older news, None where all has to be read."""
        if record is None:
            return None
        if record.revision <= self.revision:
            return self
        try:
            key = KeyRecord.decode(record.value)
        except WireError:
            return None
        if key.token != self.key.token or key.team_id != self.key.team_id:
            return None
        return replace(self, key=key, revision=record.revision)

    def with_team(self, record: Record | None) -> "Known | None":
        """The same for a change of its team's."""
        if record is None:
            return None
        if record.revision <= self.team_revision:
            return self
        try:
            team = TeamRecord.decode(record.value)
        except WireError:
            return None
        return replace(self, team=team, team_revision=record.revision) if team.team_id == self.key.team_id else None


class Reading:
    """A read that is under way. `settled` tells whether nothing it reads has changed since it began."""

    __slots__ = ("names", "settled")

    def __init__(self, token: str) -> None:
        self.names = [key_record(token)]
        self.settled = True

    def heard(self, name: str) -> None:
        if name in self.names:
            self.settled = False

    def missed(self) -> None:
        self.settled = False


async def read(bucket: Bucket, reading: Reading) -> Known | None:
    """None for a key that is not there, or whose team is not. Raises BusUnavailable, and WireError for a record that is
    none of ours.
    """
    known = None
    for _ in range(_TRIES):
        reading.settled = True
        del reading.names[1:]
        known = await _once(bucket, reading)
        if reading.settled:
            break
    return known


async def _once(bucket: Bucket, reading: Reading) -> Known | None:
    name = reading.names[0]
    found = await bucket.get(name)
    if found is None:
        return None
    key = KeyRecord.decode(found.value)
    if key_record(key.token) != name:
        raise WireError("KeyRecord: token: another key's")
    if key.team_id is None:
        return Known(key, found.revision)
    reading.names.append(team_record(key.team_id))
    team = await bucket.get(reading.names[1])
    if team is None:
        return None
    decoded = TeamRecord.decode(team.value)
    if decoded.team_id != key.team_id:
        raise WireError("TeamRecord: team_id: another team's")
    return Known(key, found.revision, decoded, reading.names[1], team.revision)
