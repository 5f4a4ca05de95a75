"""`python -m compose.nats_users` writes `nats-users.conf` beside it: who may do what, as `askonce up` has it.

Knows no password: those are variables of nats-server, which `start/nats.sh` fills from files.
"""

from pathlib import Path
from typing import Final

from askonce.bus.server import users_by_variable

FILE: Final = Path(__file__).with_name("nats-users.conf")
_HEAD: Final = "# Generated: python -m compose.nats_users\n"


def text() -> str:
    """What the file is to hold."""
    return _HEAD + users_by_variable()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
