"""A bucket: every verb blocks, and is for threads. Knows names, bytes and headers, and no entry."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from botocore import exceptions as errors

from askonce.config.settings import S3Settings
from askonce.core.errors import StoreRefused, StoreUnavailable
from askonce.stores.s3.client import S3Client
from askonce.stores.s3.errors import code_of, ours, status_of, translated

DELETED_AT_ONCE: Final = 1000  # S3's own limit
_LISTED_AT_ONCE: Final = 1000  # as well

_CHUNK: Final = 64 << 10  # bytes; between two of them a read looks whether anybody still waits for it
_ABSENT: Final = frozenset({"NoSuchKey", "404"})
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})

# What concerns one object must not keep others from the store: a client may choose its namespace. AccessDenied is also
# how an absent object is told to those who may not list.
_UNREADABLE: Final = frozenset({"NoSuchKey", "AccessDenied", "InvalidObjectState"})


class Changed(Exception):
    """The object is not what it was: another writer came in between."""


@dataclass(frozen=True, slots=True)
class Held:
    """An object that is there: its ETag and its own metadata, with their names in lower case."""

    etag: str
    metadata: Mapping[str, str]


class Bucket:
    """Every verb raises StoreUnavailable."""

    def __init__(self, settings: S3Settings, client: S3Client) -> None:
        self._client = client
        self._name = settings.bucket
        self._probe = f"{settings.path}/askonce-ping" if settings.path else "askonce-ping"
        self._without: set[str] = set()  # the verbs of which the server knows no conditions

    def get(self, name: str, given_up: threading.Event) -> bytes | None:
        """The object's bytes; None where there is none, or none that can be had. Also raises when it was given up."""
        with translated():
            try:
                return _whole(self._call("get_object", Key=name)["Body"], given_up)
            except errors.ClientError as error:
                if code_of(error) in _UNREADABLE or isinstance(ours(error), StoreRefused):
                    return None
                raise

    def look(self, name: str) -> Held | None:
        """What is there, without its bytes. Raises StoreRefused for a name that no object can have."""
        with translated():
            try:
                answer = self._call("head_object", Key=name)
            except errors.ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                if status_of(error) in {400, 403}:
                    self.ping()  # which has words for why, where an answer to HEAD has none
                if status_of(error) == 400:
                    raise StoreRefused("s3: it does not take an object of this name") from None
                raise
        return Held(answer["ETag"], {key.lower(): value for key, value in answer.get("Metadata", {}).items()})

    def put(self, name: str, body: bytes, headers: Mapping[str, Any], *, over: Held | None) -> None:
        """Puts an object in the place of what `look` gave. Raises Changed when that is no longer there, from a server
        that knows conditions; StoreRefused for what can never be kept.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        with translated():
            self._conditionally("put_object", condition, Key=name, Body=body, **headers)

    def overwrite(self, name: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """Puts an object, whatever is there. Raises StoreRefused as `put` does."""
        with translated():
            self._call("put_object", Key=name, Body=body, **headers)

    def delete_held(self, name: str, held: Held) -> None:
        """Deletes what `look` gave. Raises Changed as `put` does."""
        with translated():
            self._conditionally("delete_object", {"IfMatch": held.etag}, Key=name)

    def names(self, start: str, token: str | None) -> tuple[list[str], str | None]:
        """Up to 1000 names that begin so, and the token for those after them; None where these were the last."""
        after = {} if token is None else {"ContinuationToken": token}
        with translated():
            answer = self._call("list_objects_v2", Prefix=start, MaxKeys=_LISTED_AT_ONCE, **after)
        token = answer.get("NextContinuationToken")
        if answer.get("IsTruncated") and token is None:  # the first page would come again and again
            raise StoreUnavailable("s3: it lists objects in a way that is not known here (ListObjectsV2)")
        return [one["Key"] for one in answer.get("Contents", ())], token if answer.get("IsTruncated") else None

    def delete(self, names: Sequence[str]) -> None:
        """Deletes up to 1000. Names that are not there, or can never be, are no error."""
        listed = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        with translated():
            try:
                answer = self._call("delete_objects", Delete=listed)
                left = [failure["Key"] for failure in answer.get("Errors", ())]
            except errors.ClientError as error:
                # one by one with a server that has no such call, or wants another checksum for it than boto3 makes
                if status_of(error) not in {400, 405, 501}:
                    raise
                left = list(names)
            for name in left:
                self._delete_one(name)

    def ping(self) -> None:
        """Reads an object that is not there. A refusal of that says what is wrong, which one of HEAD does not; and it
        takes the permission to read, as well as the one to list.
        """
        with translated():
            try:
                self._client.ready(look_again=True)
                self._call("get_object", Key=self._probe)["Body"].close()
            except errors.ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return
                if isinstance(ours(error), StoreRefused):
                    raise StoreUnavailable(str(ours(error))) from None
                raise

    def close(self) -> None:
        self._client.close()

    def _call(self, verb: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client.ready(), verb)(Bucket=self._name, **arguments)
        except errors.NoCredentialsError:
            self._client.bare()
            raise

    def _conditionally(self, verb: str, condition: Mapping[str, str], **arguments: Any) -> None:
        if verb not in self._without:
            try:
                self._call(verb, **arguments, **condition)
            except errors.ClientError as error:
                if code_of(error) in _CHANGED:
                    raise Changed from None
                if not _unknown(error):
                    raise
            else:
                return
        self._call(verb, **arguments)
        self._without.add(verb)  # it takes without a condition what it did not take with one

    def _delete_one(self, name: str) -> None:
        try:
            self._call("delete_object", Key=name)
        except errors.ClientError as error:
            if code_of(error) not in _ABSENT and not isinstance(ours(error), StoreRefused):
                raise


def _unknown(error: errors.ClientError) -> bool:
    """Whether the server may not know a header of this call."""
    return status_of(error) in {405, 501} or isinstance(ours(error), StoreRefused)


def _whole(body: Any, given_up: threading.Event) -> bytes:
    parts = []
    with closing(body):
        for part in body.iter_chunks(_CHUNK):
            if given_up.is_set():
                raise StoreUnavailable("s3: nobody waits for the answer")
            parts.append(part)
    return b"".join(parts)
