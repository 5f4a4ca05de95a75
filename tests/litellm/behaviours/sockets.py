"""What /proc says of processes: whose children they are, and which connections they hold."""

from contextlib import suppress
from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"


def children(parent: int, word: str) -> list[int]:
    """Pids of a process's children that were started with this word on their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and word in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
    return sorted(found)


def connections(pid: int, port: int) -> set[int]:
    """The ports from which a process is connected to this one."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            held.add(str(descriptor.readlink()))
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {
        int(line[1].rpartition(":")[2], 16)
        for line in lines
        if line[2].endswith(f":{port:04X}") and line[3] == _ESTABLISHED and f"socket:[{line[9]}]" in held
    }
