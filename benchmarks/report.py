"""Turns samples into tables, and the tables into docs/benchmarks.md."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.harness import ROOT
from benchmarks.servers import FLOOR

PAGE = ROOT / "docs/benchmarks.md"
_OURS = "## Results"


@dataclass(frozen=True)
class Case:
    """`mode` is hit, stream (a hit that is asked as a stream) or miss."""

    mode: str
    connections: int

    def __str__(self) -> str:
        kind = {"hit": "Hits", "stream": "Hits, streamed", "miss": "Misses"}[self.mode]
        return f"{kind}, {self.connections} connection{'s' if self.connections > 1 else ''}"


@dataclass(frozen=True)
class Sample:
    """`cpu` is in seconds per 1,000 requests, by part of the server; `hits` and `foreign` are shares.

    `foreign` is what programs that have no part in the run took, in cores.
    """

    server: str
    case: Case
    rps: float
    p50_ms: float
    p99_ms: float
    errors: int
    hits: float
    cpu: dict[str, float]
    redis_cpu: float
    foreign: float


def line(sample: Sample) -> str:
    return (
        f"{sample.case!s:32} {sample.server:14} {sample.rps:9,.0f}/s  "
        f"p50 {sample.p50_ms:8.2f}  p99 {sample.p99_ms:8.2f} ms  cpu {sum(sample.cpu.values()):.4f}  "
        f"hits {sample.hits:.0%}  errors {sample.errors}  others {sample.foreign:.2f}"
    )


def tables(samples: Sequence[Sample], cases: Sequence[Case], titles: dict[str, str]) -> str:
    parts = []
    for case in cases:
        of_case = [sample for sample in samples if sample.case == case]
        rows = {name: [one for one in of_case if one.server == name] for name in titles}
        floor = rows.get(FLOOR)
        base = median(one.rps for one in floor) if floor else None
        parts += [f"### {case}\n", _HEAD]
        parts += [_row(titles[name], measured, base) for name, measured in rows.items() if measured]
        parts.append("")
    return "\n".join(parts)


_HEAD = (
    "| | requests/s | of the floor | CPU s per 1,000 | of which | p50 ms | p99 ms "
    "| from cache | errors | others' CPU |\n"
    "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|"
)


def _row(title: str, measured: Sequence[Sample], base: float | None) -> str:
    rps = median(one.rps for one in measured)
    cells = [
        title,
        f"{rps:,.0f}",
        "" if base is None else f"{rps / base:.3f}",
        f"{median(sum(one.cpu.values()) for one in measured):.4f}",
        _shares(measured),
        f"{median(one.p50_ms for one in measured):.2f}",
        f"{median(one.p99_ms for one in measured):.2f}",
        f"{median(one.hits for one in measured):.0%}",
        str(sum(one.errors for one in measured)),
        f"{median(one.foreign for one in measured):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _shares(measured: Sequence[Sample]) -> str:
    names = [name for name in measured[0].cpu if name]
    shares = [f"{name} {median(one.cpu.get(name, 0.0) for one in measured):.4f}" for name in sorted(names)]
    redis = median(one.redis_cpu for one in measured)
    if redis > 0:
        shares.append(f"and redis-server {redis:.4f}")
    return ", ".join(shares)


def page(shown: str, absent: dict[str, str], command: str, rounds: int, seconds: int) -> str:
    missing = "".join(f"- Not measured: {title}: {' '.join(why.split())}\n" for title, why in absent.items())
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"""# Benchmarks

Written by `{command.strip()}` on {datetime.now(UTC):%Y-%m-%d}; set up by `sh benchmarks/setup.sh`.

{machine}. The server under test has one core; wrk, the mock provider and
redis-server have the other. Every number is {number_of(rounds)} of {seconds} s, twice that from
256 connections on.

{_versions()}
{missing}
How to read it:

- Compare ratios inside one table only. "Of the floor" is requests per second against the least that a Python cache on
  aiohttp can do: `benchmarks/floors/aiohttp_server.py`, a dict without expiry, tenants, metrics or a store.
- CPU is user and system time of the server's whole process tree, children included: for askonce that is the frontend,
  the writer, NATS and the process that supervises them, all on the one core. redis-server has its own word.
- A request is a chat of 1.2 KB, its answer 1.6 KB. A hit repeats one body; a miss sends a body never sent before to a
  mock provider that answers at once, so that the time seen is the proxy's own. "From cache" is what the provider was
  not asked, by its own count.
- wrk is a closed loop: p99 leaves out what an open one would have waited. "Others' CPU", in cores, is what programs
  took that had no part in the run.
- nginx keys on the raw bytes of the body: two spellings of one request are two entries. LiteLLM is 1 worker with its
  container's optional packages; its local cache keeps 200 entries.

{_OURS}

{shown}"""


def write_page(text: str) -> None:
    """The page, with the sections that other benchmarks have written there."""
    old = PAGE.read_text() if PAGE.exists() else ""
    others = [part for part in _sections(old)[1:] if not part.startswith(_OURS)]
    PAGE.write_text("\n".join([text.rstrip() + "\n", *others]))


def write_section(title: str, section: str) -> None:
    """In the place of the section with this title, or at the page's end."""
    parts = _sections(PAGE.read_text())
    at = next((number for number, part in enumerate(parts) if part.startswith(f"{title}\n")), len(parts))
    parts[at : at + 1] = [section.rstrip() + "\n"]
    PAGE.write_text("\n".join(parts))


def _sections(page: str) -> list[str]:
    """What stands before the first heading of the second level, then each such section, less the line between them."""
    return [part.rstrip() + "\n" for part in re.split(r"^(?=## )", page, flags=re.MULTILINE)]


def number_of(rounds: int) -> str:
    return "from one round" if rounds == 1 else f"the median of {rounds} interleaved rounds"


def _versions() -> str:
    litellm = sorted((ROOT / ".bench/litellm").glob("lib/*/site-packages/litellm-*.dist-info"))
    found = {
        "askonce": _package("askonce"),
        "aiohttp": _package("aiohttp"),
        "LiteLLM": litellm[-1].name.split("-")[1].removesuffix(".dist") if litellm else "",
        "nginx": _says("nginx", "-v"),
        "redis-server": _says("redis-server", "--version"),
        "wrk": _says("wrk", "-v"),
    }
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in found.items() if number) + ".\n"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _says(program: str, flag: str) -> str:
    """The first word with a number in it of what a program says about its version."""
    found = shutil.which(program) or shutil.which(Path("/usr/sbin") / program)
    if found is None:
        return ""
    said = subprocess.run([found, flag], capture_output=True, text=True, timeout=5, check=False)
    words = (said.stdout + said.stderr).split()
    return next((word.rpartition("/")[2].removeprefix("v=") for word in words if any(c.isdigit() for c in word)), "")
