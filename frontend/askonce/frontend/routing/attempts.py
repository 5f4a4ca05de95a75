"""Asks a question of one deployment after the other, until one answers or nobody is left.

The head of an answer is held back until its first byte has come: until then another deployment may answer instead, and
the client never knows (docs/decisions/0067).
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from askonce.calls.endpoint import Body
from askonce.core.errors import UpstreamError, UpstreamTimeout
from askonce.frontend.ask import Ask
from askonce.frontend.auth import Credential
from askonce.frontend.routing.cooldowns import reason, retry_after
from askonce.frontend.routing.router import Course
from askonce.frontend.upstream import Upstream, UpstreamAnswer
from askonce.runtime.clock import timer, wall


@asynccontextmanager
async def asking(
    upstream: Upstream, course: Course, ask: Ask, body: Body, credential: Credential | None
) -> AsyncIterator[UpstreamAnswer]:
    """The answer of `course.target`, as `Upstream.asking` gives it. Where all have failed it is the last one's, as it
    came. Raises UpstreamUnavailable or UpstreamTimeout where that was none.
    """
    while True:
        opened = AsyncExitStack()
        try:
            outcome = await _attempt(opened, upstream, course, ask, body, credential)
            if not _failed(outcome, course) or not course.follow():
                if isinstance(outcome, UpstreamError):
                    raise outcome
                yield outcome
                return
        finally:
            await opened.aclose()
        await course.move()


async def _attempt(
    opened: AsyncExitStack, upstream: Upstream, course: Course, ask: Ask, body: Body, credential: Credential | None
) -> UpstreamAnswer | UpstreamError:
    started = timer()
    try:
        asked = upstream.asking(ask, course.target, body, credential, within=course.left)
        answer = await opened.enter_async_context(asked)
        await answer.begun()
    except UpstreamError as error:
        return error
    if answer.status < 300:
        course.took(timer() - started)
    return answer


def _failed(outcome: UpstreamAnswer | UpstreamError, course: Course) -> bool:
    """Whether it is a failure, which is counted then. That the client gave too little time is none."""
    if isinstance(outcome, UpstreamTimeout) and course.over:
        return False
    if isinstance(outcome, UpstreamError):
        said, headers = reason(outcome), []
    else:
        said, headers = reason(outcome.status), outcome.headers
    if said is not None:
        course.failed(said, retry_after(headers, wall()))
    return said is not None
