"""Starts and stops the programs that are measured, and reads what they cost from /proc.

It ends only what it started, by process id, and waits for nothing without a limit.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = 0
LOAD_CORE = 1 if (os.cpu_count() or 1) > 1 else 0


class StartError(Exception):
    """A server that could not be started here, and why, in words for the table."""


class Program:
    """One program and its children, pinned to a core or several ("0-1"), with its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        core: int | str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=ROOT,
                start_new_session=True,  # so that Ctrl-C reaches this harness, which then stops its children in order
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def tail(self) -> str:
        return self._log.read_bytes()[-600:].decode("utf-8", "replace")

    def cpu(self, words: Sequence[str] = ()) -> dict[str, float]:
        """User and system seconds of the whole tree, by which of `words` is a process's program or an argument."""
        spent: dict[str, float] = {}
        for pid in _tree(self._process.pid):
            said = _command(pid) if words else set()
            name = next((word for word in words if word in said), "")
            spent[name] = spent.get(name, 0.0) + _seconds(pid)
        return spent

    def stop(self, limit: float = 20.0) -> None:
        pids = list(_tree(self._process.pid))
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(limit)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(5)


def _tree(root: int) -> Iterator[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())


def _command(pid: int) -> set[str]:
    """The arguments of a process, those that are paths by their last part."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return set()
    return {argument.rpartition("/")[2] for argument in arguments}


def _seconds(pid: int) -> float:
    """CPU seconds of one process, from the scheduler's nanoseconds: clock ticks are too coarse for a short run."""
    spent = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def machine_seconds() -> float:
    """Busy seconds of all cores since the machine started."""
    ticks = [int(part) for part in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    idle, waiting = ticks[3], ticks[4]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """One request: status and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body=body, headers={"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_until_answers(
    program: Program, port: int, path: str, body: bytes | None, headers: Mapping[str, str], limit: float = 90.0
) -> None:
    """Returns at the first 200. A program that ends or takes too long is stopped, and a StartError says so."""
    try:
        _poll(program, port, path, body, headers, limit)
    except BaseException:
        program.stop()
        raise


def _poll(program: Program, port: int, path: str, body: bytes | None, headers: Mapping[str, str], limit: float) -> None:
    end = time.monotonic() + limit
    last = "no answer"
    while time.monotonic() < end:
        if not program.running:
            raise StartError(f"{program.name} ended at its start: {program.tail()}")
        try:
            status, answer = ask(port, path, body, headers)
        except (OSError, HTTPException) as error:
            last = type(error).__name__
        else:
            if status == 200:
                return
            last = f"status {status} {answer[:200]!r}"
        time.sleep(0.2)
    raise StartError(f"{program.name} was not ready after {limit:.0f} s: {last}")


@dataclass(frozen=True)
class Load:
    """What wrk saw: times in milliseconds. A closed loop, so p99 leaves out what an open one would have waited."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float
    cpu: float


def load(
    port: int, mode: str, body: Path, connections: int, seconds: int, headers: Mapping[str, str], seed: int
) -> Load:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s"]
    command += ["-s", str(ROOT / "benchmarks/load.lua"), f"http://127.0.0.1:{port}", "--", mode, str(body), str(seed)]
    command += [f"{name}: {value}" for name, value in headers.items()]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    after = os.times()
    for line in done.stdout.splitlines():
        if line.startswith("JSON "):
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            return Load(**json.loads(line[5:]), cpu=cpu)
    raise RuntimeError(f"wrk: {done.stdout[-300:]} {done.stderr[-300:]}")
