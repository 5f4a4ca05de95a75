"""What is measured: one function each that writes the server's configuration and gives its command line."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import bodies
from benchmarks.harness import LOAD_CORE, ROOT, SERVER_CORE, Program, StartError, free_port, wait_until_answers

CHAT = "/v1/chat/completions"
PARTS = ("nats-server", "frontend", "writer")  # words in the command lines of askonce's processes


@dataclass(frozen=True)
class Place:
    """Where a server runs and what it needs: its own folder, the mock provider's URL and the redis-server's port."""

    folder: Path
    port: int
    upstream: str
    redis_port: int | None

    def redis(self) -> int:
        if self.redis_port is None:
            raise StartError("redis-server is not installed")
        return self.redis_port


@dataclass(frozen=True)
class Start:
    command: list[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    """`title` is the name in the tables; `start` raises StartError with the reason where it cannot be had."""

    name: str
    title: str
    start: Callable[[Place], Start]
    modes: tuple[str, ...] = ("hit", "stream", "miss")
    redis: bool = False


@dataclass(frozen=True)
class Running:
    server: Server
    program: Program
    port: int
    headers: Mapping[str, str]


def _model_list(place: Place) -> str:
    return f"""model_list:
  - model_name: fake
    litellm_params:
      model: openai/fake
      api_base: {place.upstream}/v1
      api_key: sk-fake
"""


def _cache(kind: str, place: Place) -> str:
    where = f"    host: 127.0.0.1\n    port: {place.redis()}\n" if kind == "redis" else ""
    return f"  cache: true\n  cache_params:\n    type: {kind}\n    ttl: 3600\n{where}"


def _askonce(kind: str, *, memory: bool) -> Callable[[Place], Start]:
    def start(place: Place) -> Start:
        program = Path(sys.executable).parent / "askonce"
        if not program.exists():
            raise StartError("the askonce command is not installed beside this Python")
        config = place.folder / "config.yaml"
        config.write_text(_model_list(place) + "litellm_settings:\n" + _cache(kind, place))
        command: list[str | Path] = [program, "up", "--config", config, "--host", "127.0.0.1"]
        command += [
            "--port",
            str(place.port),
            "--frontends",
            "1",
            "--writers",
            "1",
            "--data-dir",
            place.folder / "data",
        ]
        env = {"ASKONCE_LOG_LEVEL": "warning"}
        return Start(command, env if memory else {**env, "ASKONCE_MEMORY_BYTES": "0"})

    return start


_LITELLM_ENV = {
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
    "DISABLE_ADMIN_UI": "True",
    "HF_HUB_OFFLINE": "1",
}


def _litellm(kind: str) -> Callable[[Place], Start]:
    def start(place: Place) -> Start:
        program = ROOT / ".bench/litellm/bin/litellm"
        if not program.exists():
            raise StartError("LiteLLM is not installed; benchmarks/setup.sh does it")
        config = place.folder / "config.yaml"
        config.write_text(
            _model_list(place)
            + "litellm_settings:\n  telemetry: false\n  num_retries: 0\n"
            + _cache(kind, place)
            + "general_settings:\n  disable_spend_logs: true\n"
        )
        key = "sk-" + secrets.token_hex(16)  # it refuses to start without a master key
        command: list[str | Path] = [program, "--config", config, "--host", "127.0.0.1", "--port", str(place.port)]
        command += ["--num_workers", "1", "--telemetry", "False"]
        return Start(command, {**_LITELLM_ENV, "LITELLM_MASTER_KEY": key}, {"Authorization": f"Bearer {key}"})

    return start


def _nginx(place: Place) -> Start:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise StartError("nginx is not installed; benchmarks/setup.sh does it")
    config = place.folder / "nginx.conf"
    temporary = " ".join(
        f"{kind}_temp_path {place.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(f"""{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1; daemon off; pid {place.folder}/pid; error_log {place.folder}/error.log error;
events {{ worker_connections 4096; use epoll; }}
http {{
  access_log off; tcp_nodelay on; {temporary}
  open_file_cache max=20000 inactive=10m; open_file_cache_valid 60s;
  keepalive_timeout 600s; keepalive_requests 100000000;
  client_body_buffer_size 256k; client_body_in_single_buffer on;
  proxy_cache_path {place.folder}/cache levels=1:2 keys_zone=c:64m max_size=2g inactive=1h use_temp_path=off;
  upstream u {{ server {place.upstream.removeprefix("http://")}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{place.port} backlog=2048;
    location / {{
      proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_methods POST; proxy_cache_key $uri$request_body; proxy_cache_valid 200 1h;
    }}
  }}
}}
""")
    return Start([program, "-c", config, "-p", place.folder, "-e", place.folder / "error.log"])


def _floor(place: Place) -> Start:
    return Start([sys.executable, "-m", "benchmarks.floors.aiohttp_server", str(place.port), place.upstream])


FLOOR = "floor"
SERVERS = (
    Server("askonce", "askonce, memory tier before disk", _askonce("disk", memory=True)),
    Server("askonce-disk", "askonce, disk only", _askonce("disk", memory=False), ("hit",)),
    Server("askonce-redis", "askonce, redis only", _askonce("redis", memory=False), ("hit", "miss"), redis=True),
    Server("litellm-local", "LiteLLM, local cache", _litellm("local")),
    Server("litellm-redis", "LiteLLM, redis cache", _litellm("redis"), ("hit", "miss"), redis=True),
    Server("nginx", "nginx proxy_cache", _nginx),
    Server(FLOOR, "floor: aiohttp, orjson key, dict", _floor),
)


def run(server: Server, folder: Path, upstream: str, redis_port: int | None) -> Running:
    """The server, started and answering. Raises StartError."""
    place = Place(folder, free_port(), upstream, redis_port)
    folder.mkdir(parents=True)
    start = server.start(place)
    program = Program(server.name, start.command, folder, SERVER_CORE, start.env)
    probe = bodies.chat(stream=False).replace(bodies.NUMBER.encode(), b"%012d" % 1)
    wait_until_answers(program, place.port, CHAT, probe, start.headers)
    return Running(server, program, place.port, start.headers)


def run_mock(folder: Path) -> tuple[Program, int]:
    port = free_port()
    program = Program("mock", [sys.executable, "-m", "benchmarks.mock", str(port)], folder, LOAD_CORE)
    wait_until_answers(program, port, "/calls", None, {})
    return program, port


def run_redis(folder: Path) -> tuple[Program, int] | None:
    """A redis-server that keeps nothing on disk, on the load's core; None where it is not installed."""
    found = shutil.which("redis-server")
    if found is None:
        return None
    port = free_port()
    command = [found, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return Program("redis", [*command, "--dir", str(folder)], folder, LOAD_CORE), port
