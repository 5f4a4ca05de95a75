"""How long a hit by meaning takes, beside an exact one: `python -m benchmarks.semantic_hits --help`.

One client asks one frontend, one question after another: 300 questions are asked and kept, then each is asked in
other words, once, so that every hit by meaning has a text of its own to embed; and as it was, once, in turn with it.
"""

import argparse
import http.client
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from redis import Redis

from benchmarks.harness import Program, free_port, wait_until_answers
from benchmarks.servers import run_mock
from tests.redis_servers import valkey_with_search
from tests.servers import Valkey

ALL_CORES = f"0-{(os.cpu_count() or 1) - 1}"
VERBS = ("reset", "change", "find", "delete", "share", "export", "print", "rename", "archive", "verify")
NOUNS = (
    *("password", "address", "invoice", "profile", "calendar", "photo album", "playlist", "shopping list", "receipt"),
    *("subscription", "bookmark", "signature", "contract", "passport", "username", "wallpaper", "voicemail"),
    *("timetable", "recipe", "spreadsheet", "newsletter", "certificate", "prescription", "playlist cover", "backup"),
    *("ticket", "parking permit", "library card", "phone number", "gift card"),
)
CONFIG = """
model_list:
  - {{model_name: "*", litellm_params: {{model: openai/*, api_base: "{base}", api_key: sk-bench}}}}
litellm_settings:
  cache: true
  cache_params:
    type: redis-semantic
    host: 127.0.0.1
    port: {redis}
    similarity_threshold: 0.8
    redis_semantic_cache_embedding_model: {model}
"""


def question(verb: str, noun: str) -> str:
    return f"How do I {verb} my {noun}?"


def in_other_words(verb: str, noun: str) -> str:
    return f"How can I {verb} my {noun}?"


class Asker:
    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, text: str) -> tuple[float, str]:
        """Seconds, and what Cache-Status says."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})
        begun = time.perf_counter()
        self._link.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = self._link.getresponse()
        answer.read()
        seconds = time.perf_counter() - begun
        if answer.status != 200:
            raise SystemExit(f"HTTP {answer.status}")
        return seconds, answer.headers["Cache-Status"]


def measure(port: int, redis: Redis, pairs: Sequence[tuple[str, str]]) -> dict[str, list[float]]:
    asker = Asker(port)
    for verb, noun in pairs:
        asker.ask(question(verb, noun))
    until = time.monotonic() + 60
    while sum(1 for _ in redis.scan_iter(_type="hash")) < len(pairs):
        if time.monotonic() > until:
            raise SystemExit("the writer has not kept the questions within a minute")
        time.sleep(0.1)
    times: dict[str, list[float]] = {"by meaning": [], "exact": [], "missed": []}
    for verb, noun in pairs:
        seconds, said = asker.ask(in_other_words(verb, noun))
        times["by meaning" if "detail=semantic" in said else "missed"].append(seconds)
        seconds, said = asker.ask(question(verb, noun))
        times["exact" if "hit" in said else "missed"].append(seconds)
    return times


def run(model: str, count: int) -> dict[str, list[float]]:
    pairs = list(itertools.product(VERBS, NOUNS))[:count]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Valkey(folder / "valkey", options=valkey_with_search())
        server.start()
        stack.callback(server.kill)
        mock, mock_port = run_mock(folder)
        stack.callback(mock.stop)
        base = f"http://127.0.0.1:{mock_port}/v1"
        (folder / "config.yaml").write_text(CONFIG.format(base=base, redis=server.port, model=model))
        port = free_port()
        command: list[str | Path] = [Path(sys.executable).parent / "askonce", "up", "--config", folder / "config.yaml"]
        command += ["--port", str(port), "--frontends", "1", "--data-dir", folder / "data"]
        proxy = Program("askonce", command, folder, ALL_CORES, {"ASKONCE_LOG_LEVEL": "warning"})
        stack.callback(proxy.stop)
        wait_until_answers(proxy, port, "/health/readiness", None, {})
        with Redis.from_url(server.url) as redis:
            return measure(port, redis, pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="local/minilm", help="as redis_semantic_cache_embedding_model takes it")
    parser.add_argument("--questions", type=int, default=300)
    chosen = parser.parse_args()
    for name, seconds in run(chosen.model, chosen.questions).items():
        if seconds:
            cuts = statistics.quantiles(seconds, n=20)
            print(f"{name:<12} {len(seconds):>4}   p50 {1000 * cuts[9]:.2f} ms   p95 {1000 * cuts[18]:.2f} ms")


if __name__ == "__main__":
    main()
