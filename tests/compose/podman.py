"""podman and podman-compose for tests: found, run, and asked what they have. Knows no service."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.servers import need

TOP: Final = Path(__file__).parents[2]
_SCRIPT: Final = TOP / ".venv" / "compose" / "podman"
_WITHIN: Final = 180.0  # seconds for one command


def ready() -> bool:
    """Whether `setup.sh` came to its end."""
    return _SCRIPT.exists()


def podman_binary() -> str:
    """The script that `setup.sh` has left: podman with storage of its own."""
    return need("podman with the images of tests/compose/setup.sh", str(_SCRIPT) if ready() else None)


def compose_binary() -> str:
    beside = Path(sys.executable).parent / "podman-compose"
    return need("podman-compose", str(beside) if beside.exists() else None)


def podman(*arguments: str, check: bool = True) -> str:
    """What a command prints. Raises RuntimeError with its errors where it fails and `check` is set."""
    return ran([podman_binary(), *arguments], check=check)


def inspect(name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(podman("inspect", "--type", "container", name))
    return found[0]


def ran(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None, check: bool = True) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=_WITHIN,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout
