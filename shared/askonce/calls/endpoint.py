"""What a route must know to be cached: one Endpoint each, pure functions over a request body and an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from askonce.core.entry import Usage

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One part of an upstream answer, as it will be kept: see `core.entry.Entry` for `payload` and `media_type`."""

    payload: bytes
    media_type: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Compared:
    """A body taken apart for matching by meaning: the text that is compared, and the rest, which must be equal."""

    text: str
    rest: Body


class Malformed(ValueError):
    """An upstream answer that is not what the route's API says. It is served as it came, and not kept."""


class Unfinished(Malformed):
    """An answer that says of itself that it is not whole."""


class Uncertain(ValueError):
    """A stream that cannot be turned into one answer without a guess. It is served as it came, and not kept."""


class Endpoint(Protocol):
    """One cached route. `name` is the call type: metric label, part of every key, a name in CALL_TYPES.

    A request is looked up in `parts` (one for most routes, one per item for embeddings). What is missing is asked
    upstream with the body that `narrow` gives; `answers` cuts the upstream's answer into one per missing part; and
    `combine` makes the client's answer out of all parts' payloads.
    """

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str:
        """Below the provider's API base, such as "/chat/completions"."""
        ...

    @property
    def paths(self) -> tuple[str, ...]:
        """Where clients find it, such as "/v1/chat/completions" and "/chat/completions"."""
        ...

    @property
    def headers(self) -> tuple[str, ...]:
        """The client's headers that go upstream and are part of the key, as the API writes them; all others stay."""
        ...

    @property
    def multipart(self) -> bool:
        """The request is a form with a file, not JSON."""
        ...

    @property
    def varying(self) -> str | None:
        """The one member in which the parts of a body differ; None where a body is one part."""
        ...

    @property
    def comparable(self) -> bool:
        """Whether there are bodies of this route that are matched by meaning."""
        ...

    @property
    def whole_in_stream(self) -> bool:
        """Whether an entry that was kept as a stream tells the plain answer too: `combine` takes it out."""
        ...

    @property
    def terminal(self) -> bytes:
        """Bytes that stand in the last event of a whole stream, such as b"[DONE]"."""
        ...

    def check(self, body: Body) -> None:
        """Raises RequestError (400), naming the field, for what would make the functions below fail."""
        ...

    def streamed(self, body: Body) -> bool: ...

    def repeatable(self, body: Body) -> bool:
        """Whether the same body asks the same question another time. False where its answer hangs on what others have
        done meanwhile, or where asking does something; such a request passes the cache by.
        """
        ...

    def kept_upstream(self, body: Body) -> bool:
        """Whether the provider keeps what it answers, for later requests to go on from: then all of them must go to the
        same account.
        """
        ...

    def parts(self, body: Body) -> list[Body]:
        """The body as one body per lookup: what each part's key is made from."""
        ...

    def compared(self, body: Body) -> Compared | None:
        """What of the body is compared by meaning; None where only the exact key may answer."""
        ...

    def narrow(self, body: Body, missing: Sequence[int]) -> Body:
        """The body that asks upstream for the parts at these positions only."""
        ...

    def answers(self, body: Body, payload: bytes, media_type: str) -> list[Answer]:
        """An unstreamed upstream answer (status 200) to `body`, cut into one answer per part of it.

        An answer with nothing in it (no choices, no text) gives an empty list. Raises Malformed.
        """
        ...

    def combine(self, body: Body, kept: Sequence[Answer]) -> tuple[bytes, str]:
        """The answer to the whole `body` from one kept answer per part: bytes and content type."""
        ...

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        """A complete SSE stream (terminal event seen) as the answer that the same request without streaming gets.

        Where the stream lacks what that answer must have (usage), or where streams are replayed as they came, the
        answer is the stream itself, with media type text/event-stream; the latter only while it is no longer than
        `room` bytes. None: nothing in it. Raises Uncertain, Malformed.
        """
        ...

    def complete(self, stream: bytes) -> bool:
        """Whether the stream ended as the API says that a whole one ends."""
        ...

    def with_usage(self, body: Body) -> Body:
        """A streamed body that also asks for the usage event, or `body` itself where it does, or where the API has
        no such option.
        """
        ...

    def only_usage(self, data: bytes) -> bool:
        """Whether an SSE event's data is that usage event and nothing else: withheld from who did not ask for it."""
        ...

    def frames(self, kept: Answer, body: Body) -> bytes:
        """A kept answer as an SSE stream for a client that sent `body`; `assemble` of it gives the answer back."""
        ...

    def refusal(self, error: Body, status: int) -> Body:
        """An error of the proxy's own (`message`, `type`, `param`, `code`) as the body that this API's clients read."""
        ...


def usual(path: str) -> tuple[str, str]:
    """A route's two addresses: OpenAI's, and LiteLLM's for clients whose base URL has no /v1."""
    return f"/v1{path}", path
