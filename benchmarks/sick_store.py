"""What a miss costs while Redis is well, slow, silent or gone: `python -m benchmarks.sick_store --help`.

One client asks one frontend one new question after another; the frontend reaches Redis through a proxy in this process
that is told to misbehave. Each round goes through all states, so that a drift of the machine hits all alike,
and each growth is against the well store of the same run. The first five misses of a sick state meet the store; then
the breaker opens.
"""

import argparse
import asyncio
import http.client
import itertools
import json
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import SERVER_CORE, Program, free_port, wait_until_answers
from benchmarks.servers import run_mock
from tests.servers import NatsServer, Valkey
from tests.slow_proxy import SlowProxy

STATES: Final = ("well", "slow", "silent", "refusing")
BEFORE: Final = 5  # misses that meet a sick store, before the breaker opens
DEADLINE_MS: Final = 50
CONFIG = """
model_list:
  - {{model_name: "*", litellm_params: {{model: openai/*, api_base: "{base}", api_key: sk-bench}}}}
litellm_settings:
  cache: true
  cache_params: {{type: redis, host: 127.0.0.1, port: os.environ/REDIS_AT}}
"""


class Line:
    """The way to Redis, on a thread of its own."""

    def __init__(self, behind: int, slow: float) -> None:
        self._proxy = SlowProxy(behind)
        self._slow = slow
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._proxy.open())

    @property
    def port(self) -> int:
        return self._proxy.port

    @contextmanager
    def being(self, state: str) -> Iterator[None]:
        self._do(self._become(state))
        try:
            yield
        finally:
            self._do(self._mend(state))

    def close(self) -> None:
        self._do(self._proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _become(self, state: str) -> None:
        if state == "slow":
            self._proxy.latency = self._slow
        elif state == "silent":
            self._proxy.fall_silent()
        elif state == "refusing":
            await self._proxy.refuse()

    async def _mend(self, state: str) -> None:
        self._proxy.latency = 0.0
        self._proxy.speak()
        if state == "refusing":
            await self._proxy.open()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Asker:
    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port)
        self._numbers = itertools.count()

    def miss(self) -> float:
        """Milliseconds of a question that nobody has asked."""
        text = f"question {next(self._numbers)}"
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})
        begun = time.perf_counter()
        self._link.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = self._link.getresponse()
        answer.read()
        spent = 1000 * (time.perf_counter() - begun)
        if answer.status != 200 or "fwd=miss" not in answer.headers["Cache-Status"]:
            raise SystemExit(f"HTTP {answer.status} {answer.headers['Cache-Status']}")
        return spent

    def outcomes(self) -> dict[str, int]:
        """How many reads of the store have ended how, by the frontend's count."""
        return {outcome: int(count) for outcome, count in self._reads("count").items()}

    def spent(self) -> dict[str, float]:
        """Milliseconds of a read, on average, by how it ended."""
        counts, sums = self._reads("count"), self._reads("sum")
        return {outcome: 1000 * sums[outcome] / count for outcome, count in counts.items() if count}

    def _reads(self, what: str) -> dict[str, float]:
        line = rf'^askonce_store_read_seconds_{what}\{{.*outcome="(\w+)".*\}} (\S+)$'
        return {outcome: float(value) for outcome, value in re.findall(line, self._metrics(), re.MULTILINE)}

    def wait_until_well(self) -> None:
        until = time.monotonic() + 60
        while re.search(r"^askonce_store_breaker_open\{.*\} 1", self._metrics(), re.MULTILINE):
            if time.monotonic() > until:
                raise SystemExit("the breaker has not closed within a minute")
            time.sleep(0.1)

    def _metrics(self) -> str:
        self._link.request("GET", "/metrics")
        return self._link.getresponse().read().decode()


@contextmanager
def proxy(slow: float) -> Iterator[tuple[Asker, Line]]:
    """A frontend, whose line to Redis it is; the writer has its own, and is well."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis, nats = Valkey(folder / "valkey"), NatsServer(folder / "nats")
        for server in (redis, nats):
            server.start()
            stack.callback(server.kill)
        mock, mock_port = run_mock(folder)
        stack.callback(mock.stop)
        line = Line(redis.port, slow)
        stack.callback(line.close)
        (folder / "config.yaml").write_text(CONFIG.format(base=f"http://127.0.0.1:{mock_port}/v1"))
        port = free_port()
        stack.callback(_start("writer", folder, nats.url, redis.port).stop)
        frontend = _start("frontend", folder, nats.url, line.port, "--port", str(port))
        stack.callback(frontend.stop)
        wait_until_answers(frontend, port, "/health/readiness", None, {})
        yield Asker(port), line


def _start(role: str, folder: Path, nats: str, redis: int, *more: str) -> Program:
    command: list[str | Path] = [Path(sys.executable).parent / "askonce", role, "--nats", nats, *more]
    command += ["--config", folder / "config.yaml"]
    env = {"ASKONCE_LOG_LEVEL": "error", "ASKONCE_DATA_DIR": str(folder / "data"), "REDIS_AT": str(redis)}
    return Program(role, command, folder, SERVER_CORE, env)


def measure(asker: Asker, line: Line, rounds: int, misses: int) -> dict[tuple[str, str], list[float]]:
    for _ in range(misses):
        asker.miss()
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for state in STATES:
            with line.being(state):
                before = asker.outcomes()
                first = [asker.miss() for _ in range(BEFORE)]
                then = [asker.miss() for _ in range(misses)]
                after = asker.outcomes()
            if state == "well":
                spent.setdefault((state, "all"), []).extend(first + then)
            else:
                spent.setdefault((state, "before"), []).extend(first)
                spent.setdefault((state, "after"), []).extend(then)
                spent.setdefault((state, "all"), []).extend(first + then)
                if after["open"] - before["open"] != misses:
                    raise SystemExit(f"{state}: {after['open'] - before['open']} of {misses} reads were skipped")
            asker.wait_until_well()
    return spent


def show(spent: dict[tuple[str, str], list[float]]) -> None:
    well = statistics.median(spent["well", "all"])
    words = {"before": "the first 5, before the breaker opens", "after": "the others, which skip it", "all": "all"}
    print(f"a read's deadline is {DEADLINE_MS} ms\n")
    print("| Redis is | misses | number | p50 ms | growth ms | p95 ms |\n|---|---|---|---|---|---|")
    for (state, which), times in spent.items():
        cuts = statistics.quantiles(times, n=20)
        growth = "" if state == "well" else f"{cuts[9] - well:+.2f}"
        print(f"| {state} | {words[which]} | {len(times)} | {cuts[9]:.2f} | {growth} | {cuts[18]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slow", type=float, default=0.2, help="seconds by which a slow store's answers are late")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--misses", type=int, default=100, help="of each state and round, after the first five")
    chosen = parser.parse_args()
    with proxy(chosen.slow) as (asker, line):
        show(measure(asker, line, chosen.rounds, chosen.misses))
        reads = ", ".join(f"{outcome} {spent:.2f} ms" for outcome, spent in asker.spent().items())
        print(f"\nThe reads themselves, as the frontend measured them, on average: {reads}")


if __name__ == "__main__":
    main()
