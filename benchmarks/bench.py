"""Measures askonce beside its peers and a floor, in one interleaved run. `python -m benchmarks.bench --help`.

Every round goes through all cases and, within a case, through all servers in turn, so that a drift of the machine hits
all alike; the tables give medians over the rounds. Servers have one core, the load and the mock provider the other.
"""

import argparse
import itertools
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import bodies, report
from benchmarks.harness import ROOT, Program, StartError, ask, load, machine_seconds
from benchmarks.report import Case, Sample
from benchmarks.servers import CHAT, FLOOR, PARTS, SERVERS, Running, Server, run, run_mock, run_redis

CASES = (
    Case("hit", 1),
    Case("hit", 32),
    Case("hit", 256),
    Case("stream", 1),
    Case("stream", 32),
    Case("miss", 1),
    Case("miss", 32),
    Case("miss", 256),
)
QUIET = 0.25  # of a core: a run that other programs disturbed more than this is measured again


def _never(_: object) -> NoReturn:
    raise StartError("it is started with the mock")


_CROWD = 256
_DIRECT = Server("direct", "no proxy: the mock provider itself", _never, ("miss",))


@dataclass(frozen=True)
class Effort:
    rounds: int
    seconds: int
    retries: int


QUICK, FULL = Effort(rounds=1, seconds=2, retries=0), Effort(rounds=3, seconds=6, retries=2)


class Bench:
    """The running servers, what they are asked, and what else is counted while they are."""

    def __init__(self, files: dict[bool, Path], mock: tuple[Program, int], redis: Program | None) -> None:
        self._files = files
        self._mock, self._mock_port = mock
        self._redis = redis
        self._fresh: Iterator[int] = itertools.count(10**7, 10**7)  # first number of each run's unseen bodies

    def measure(self, running: Running, case: Case, effort: Effort) -> Sample:
        """One sample; where other programs disturbed it, the quietest of a few."""
        best = self._once(running, case, effort.seconds)
        for _ in range(effort.retries):
            if best.foreign < QUIET:
                break
            time.sleep(1)
            best = min(best, self._once(running, case, effort.seconds), key=lambda sample: sample.foreign)
        return best

    def _once(self, running: Running, case: Case, seconds: int) -> Sample:
        mode = "miss" if case.mode == "miss" else "hit"
        if case.connections >= _CROWD:  # a slow server needs longer to answer each of them a few times
            seconds *= 2
        body = self._files[case.mode == "stream"]
        if mode == "hit":
            self._prime(running, body)
        load(running.port, mode, body, case.connections, 1, running.headers, next(self._fresh))
        _settle(running.program)
        calls, machine, spent = self._calls(), machine_seconds(), self._spent(running)
        began = time.monotonic()
        seen = load(running.port, mode, body, case.connections, seconds, running.headers, next(self._fresh))
        wall = time.monotonic() - began
        now = self._spent(running)
        cost = {name: now[name] - spent.get(name, 0.0) for name in now}
        per_thousand = 1000 / max(1, seen.requests)
        return Sample(
            server=running.server.name,
            case=case,
            rps=seen.requests / seen.seconds,
            p50_ms=seen.p50_ms,
            p99_ms=seen.p99_ms,
            errors=seen.errors,
            hits=max(0.0, 1 - (self._calls() - calls) / max(1, seen.requests)),
            cpu={name: cost[name] * per_thousand for name in cost if name not in {"mock", "redis"}},
            redis_cpu=cost.get("redis", 0.0) * per_thousand if running.server.redis else 0.0,
            foreign=max(0.0, machine_seconds() - machine - sum(cost.values()) - seen.cpu) / wall,
        )

    def _prime(self, running: Running, body: Path) -> None:
        """The answer is in the cache, and had the time to reach the store, before hits are measured."""
        wanted = body.read_bytes().replace(bodies.NUMBER.encode(), b"%012d" % 7)
        for pause in (1.0, 0.0):
            status, _ = ask(running.port, CHAT, wanted, running.headers)
            if status != 200:
                raise RuntimeError(f"{running.server.name} answered {status}")
            time.sleep(pause)

    def _calls(self) -> int:
        return int(json.loads(ask(self._mock_port, "/calls")[1])["calls"])

    def _spent(self, running: Running) -> dict[str, float]:
        spent = running.program.cpu(PARTS if running.server.name.startswith("askonce") else ())
        if running.program is not self._mock:
            spent["mock"] = sum(self._mock.cpu().values())
        if self._redis is not None:
            spent["redis"] = sum(self._redis.cpu().values())
        return spent


def _settle(program: Program, limit: float = 15.0) -> None:
    """Waits until the server has worked off what the load left behind when it hung up."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = sum(program.cpu().values())
        time.sleep(0.25)
        if sum(program.cpu().values()) - before < 0.1 * 0.25:
            return


def _chosen(names: str) -> list[Server]:
    known = {server.name: server for server in SERVERS}
    wanted = names.split(",") if names else list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys([*wanted, FLOOR])]


def _start_all(wanted: Sequence[Server], folder: Path, stack: ExitStack) -> tuple[Bench, list[Running], dict[str, str]]:
    mock = run_mock(folder)
    stack.callback(mock[0].stop)
    redis = run_redis(folder)
    if redis is not None:
        stack.callback(redis[0].stop)
    up, absent = [Running(_DIRECT, mock[0], mock[1], {})], {}
    for server in wanted:
        try:
            running = run(server, folder / server.name, f"http://127.0.0.1:{mock[1]}", redis[1] if redis else None)
        except StartError as why:
            absent[server.title] = str(why)
            print(f"not measured: {server.title}: {why}", file=sys.stderr)
        else:
            stack.callback(running.program.stop)
            up.append(running)
            print(f"started: {server.title}", file=sys.stderr)
    return Bench(bodies.write(folder), mock, redis[0] if redis else None), up, absent


def _samples(bench: Bench, up: Sequence[Running], effort: Effort) -> Iterator[Sample]:
    for number in range(effort.rounds):
        for case in CASES:
            for running in up:
                if case.mode in running.server.modes:
                    sample = bench.measure(running, case, effort)
                    print(f"round {number + 1}  {report.line(sample)}", file=sys.stderr)
                    yield sample


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a result")
    parser.add_argument("--servers", default="", help=f"some of {','.join(server.name for server in SERVERS)}")
    parser.add_argument("--rounds", type=int, help="in place of the mode's own number")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed; benchmarks/setup.sh does it", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    effort = QUICK if options.quick else FULL
    if options.rounds is not None:
        effort = replace(effort, rounds=options.rounds)
    (ROOT / ".bench").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=ROOT / ".bench") as folder, ExitStack() as stack:
        bench, up, absent = _start_all(_chosen(options.servers), Path(folder), stack)
        samples = list(_samples(bench, up, effort))
    titles = {running.server.name: running.server.title for running in up}
    tables = report.tables(samples, CASES, titles)
    print(tables)
    if options.write:
        command = "python -m benchmarks.bench " + " ".join(sys.argv[1:])
        report.write_page(report.page(tables, absent, command, effort.rounds, effort.seconds))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
