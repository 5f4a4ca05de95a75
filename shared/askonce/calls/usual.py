"""What most routes have in common. Knows no API."""

from collections.abc import Sequence
from typing import Any

from askonce.calls.endpoint import Answer, Body, Compared, Malformed
from askonce.core.sse import DONE


def marked(body: Body, mark: Any) -> Body:
    """The body with something beside it that its key must hold, None for nothing. Whatever a client says under the same
    name, two are alike only where marks are.
    """
    return {**body, "streamed": [mark, body.get("streamed")]} if mark is not None or "streamed" in body else body


class UsualEndpoint:
    """The members of an Endpoint as most routes have them: a request is JSON and one part, its answer is not streamed,
    and the provider keeps nothing of it. A route says only in what it differs.
    """

    __slots__ = ()

    multipart: bool = False
    varying: str | None = None
    comparable: bool = False
    whole_in_stream: bool = False
    terminal: bytes = DONE
    headers: tuple[str, ...] = ("OpenAI-Beta",)

    def repeatable(self, body: Body) -> bool:
        return True

    def kept_upstream(self, body: Body) -> bool:
        return False

    def streamed(self, body: Body) -> bool:
        return False

    def parts(self, body: Body) -> list[Body]:
        return [body]

    def compared(self, body: Body) -> Compared | None:
        return None

    def narrow(self, body: Body, missing: Sequence[int]) -> Body:
        return body

    def combine(self, body: Body, kept: Sequence[Answer]) -> tuple[bytes, str]:
        return kept[0].payload, kept[0].media_type

    def assemble(self, stream: bytes, room: int) -> Answer | None:
        raise Malformed("this route is not streamed")

    def complete(self, stream: bytes) -> bool:
        return False

    def with_usage(self, body: Body) -> Body:
        return body

    def only_usage(self, data: bytes) -> bool:
        return False

    def frames(self, kept: Answer, body: Body) -> bytes:
        raise Malformed("this route is not streamed")

    def refusal(self, error: Body, status: int) -> Body:
        return {"error": error}
