"""The whole stack under the traffic of a busy day, for a picture of it.

`python -m tests.compose.show --minutes 6 -- COMMAND` brings the stack up, plays the scene, sees that every panel and
every rule has data, runs COMMAND with PROMETHEUS_URL in its environment, and takes everything down. Ends with the
command's exit code, or 1 where something had no data.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import aiohttp

from tests.compose import panels
from tests.compose.podman import TOP, ready
from tests.compose.scene import CONFIG, Scene
from tests.compose.stack import Stack, up

_MORE: Final = 20.0  # seconds of traffic after which it is looked again
_TURNS: Final = 4


async def played(stack: Stack, seconds: float) -> list[str]:
    """What has no data or no peace after this much traffic, and then some more where there is any."""
    scene = Scene(stack)
    await scene.play(seconds)
    missing: list[str] = []
    async with aiohttp.ClientSession() as session:
        for turn in range(_TURNS):
            missing = [
                *await panels.empty(session, stack.prometheus),
                *await panels.troubled(session, stack.prometheus),
            ]
            if not missing or turn == _TURNS - 1:
                break
            await asyncio.sleep(_MORE / 2)
    print(f"{scene.asked} requests in {seconds:g} s; without data: {len(missing)}", flush=True)
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of traffic (2)")
    parser.add_argument("command", nargs="*", help="run with PROMETHEUS_URL set, while the stack is up")
    given = parser.parse_args()
    subprocess.run(["sh", str(TOP / "tests" / "compose" / "setup.sh"), str(TOP / ".venv")], check=True)
    if not ready():
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="askonce-show-") as folder,
        up(Path(folder) / "stack", "show", CONFIG, ("toy",), frontends=3, writers=2) as stack,
    ):
        print(f"the stack is up: {stack.url}, Prometheus {stack.prometheus}", flush=True)
        missing = asyncio.run(played(stack, given.minutes * 60))
        print("\n".join(missing), flush=True)
        if not given.command:
            return min(1, len(missing))
        told = {"PROMETHEUS_URL": stack.prometheus}
        done = subprocess.run(given.command, env={**os.environ, **told}, check=False)
        return done.returncode or min(1, len(missing))


if __name__ == "__main__":
    sys.exit(main())
