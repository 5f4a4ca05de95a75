"""How nats-py's exceptions become ours. Knows nothing of what was being done, but its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nats.errors import Error, MaxPayloadError
from nats.js.errors import APIError

from askonce.core.errors import BusRefused, BusUnavailable

_MESSAGE_TOO_LARGE: Final = 10054  # JSStreamMessageExceedsMaximumErr of the server's errors.json


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises BusUnavailable, or BusRefused for what is too large, in place of the client's own exceptions."""
    try:
        yield
    except MaxPayloadError:
        raise BusRefused(f"{doing}: larger than the server's max_payload") from None
    except APIError as error:
        if error.err_code == _MESSAGE_TOO_LARGE:
            raise BusRefused(f"{doing}: larger than the stream takes") from None
        raise BusUnavailable(f"{doing}: {describe(error)}") from None
    except (Error, OSError) as error:  # TimeoutError is an OSError
        raise BusUnavailable(f"{doing}: {describe(error)}") from None


def describe(error: Exception) -> str:
    """The reason in words. The client's own texts name subjects and addresses, never credentials."""
    if isinstance(error, APIError) and error.description:
        return f"{error.description} ({error.err_code})"
    if isinstance(error, Error | OSError):
        return str(error).removeprefix("nats: ") or "the connection was lost"  # Link.asking cuts it short
    return type(error).__name__
