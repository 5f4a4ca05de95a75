"""Runs the cases of one client, in the client's own environment: `python runner.py openai-3/cases.py`.

It says one line per case, and ends with 1 where one failed. It imports the standard library only, and the client only
after it has begun to watch.
"""

import asyncio
import inspect
import os
import runpy
import sys
import traceback
from typing import Any

from trial import calls

HERE = ("127.0.0.1", "localhost", "::1")
elsewhere: set[str] = set()


def watch() -> None:
    """From here on nothing but this machine is asked, by name or by address: clients must not tell others of us."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event in {"socket.connect", "socket.sendto"}:
            host = arguments[1][0] if isinstance(arguments[1], tuple) else HERE[0]  # a local socket has a path
        else:
            return
        name = host.decode() if isinstance(host, bytes) else host
        if name not in {*HERE, None, ""}:
            elsewhere.add(str(name))
            raise ConnectionRefusedError(f"a client asked {name}")

    sys.addaudithook(audit)


def page() -> None:
    """What the page for users says of this client, as it stands there."""
    before = calls()
    runpy.run_path(os.environ["PAGE"])
    assert calls() > before


def failed(name: str, case: Any) -> bool:
    try:
        asyncio.run(case()) if inspect.iscoroutinefunction(case) else case()
    except Exception:
        print(f"FAILED  {name}\n{traceback.format_exc()}")
        return True
    print(f"passed  {name}")
    return False


def nobody_else_was_asked() -> None:
    assert not elsewhere, sorted(elsewhere)


watch()
found = runpy.run_path(sys.argv[1])
cases = {name: case for name, case in found.items() if name.startswith("test_")}
assert cases, "no function is named test_…"
last = {"the page": page, "nobody else was asked": nobody_else_was_asked}
failures = [name for name, case in (cases | last).items() if failed(name, case)]
sys.exit(bool(failures))
