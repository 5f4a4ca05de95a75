"""Every error that crosses a module border here. Foreign exceptions are mapped onto these by the adapter that
meets them; nothing above an adapter names a client library.

    AskonceError
    ├── ConfigError            a setting has a wrong value: the start ends with exit code 2
    ├── RequestError           the client's fault or the proxy's verdict; becomes an OpenAI-shaped answer
    ├── StoreError
    │   ├── StoreUnavailable   it may work later: timeouts, refused connections, an open breaker
    │   └── StoreRefused       it will never take this entry: too large, malformed
    ├── BusError
    │   ├── BusUnavailable     it may work later, a full stream included
    │   ├── BusRefused         it will never take this message: larger than the server's payload limit
    │   └── BusConflict        somebody else has written there meanwhile
    ├── WireError              bytes that are not one of our frames
    ├── EmbedderUnavailable    no vector for a text now
    └── UpstreamError
        ├── UpstreamUnavailable  502
        └── UpstreamTimeout      504
"""

from dataclasses import dataclass, field


class AskonceError(Exception):
    """The root. Its text never holds a prompt, a key or a secret."""


class ConfigError(AskonceError):
    """A setting that cannot be used: names the file or variable, the key, and what was expected."""

    def __init__(self, source: str, key: str, expected: str) -> None:
        super().__init__(f"{source}: {key}: {expected}")
        self.source, self.key, self.expected = source, key, expected


@dataclass(eq=False)
class RequestError(AskonceError):
    """An answer that the proxy gives by itself, in the shape of OpenAI's API errors.

    `param` names the field at fault, as in https://platform.openai.com/docs/guides/error-codes. `headers` go with it.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


class StoreError(AskonceError):
    pass


class StoreUnavailable(StoreError):
    pass


class StoreRefused(StoreError):
    pass


class BusError(AskonceError):
    pass


class BusUnavailable(BusError):
    pass


class BusRefused(BusError):
    pass


class BusConflict(BusError):
    pass


class WireError(AskonceError):
    pass


class EmbedderUnavailable(AskonceError):
    pass


class UpstreamError(AskonceError):
    status = 502


class UpstreamUnavailable(UpstreamError):
    pass


class UpstreamTimeout(UpstreamError):
    status = 504


def bad_request(message: str, param: str | None = None, code: str | None = None) -> RequestError:
    return RequestError(400, message, param=param, code=code)
