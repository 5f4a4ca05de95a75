"""`askonce up` and `askonce demo` as their users meet them: what they say, what is in their way, and how they end."""

import asyncio
import re
import signal
import socket
from pathlib import Path

import aiohttp
import orjson

from tests.e2e import commands
from tests.e2e.commands import SECRETS, clean, run
from tests.e2e.stack import chat, config, post, up
from tests.servers import NatsServer, free_port

CACHE_REDIS = "  cache: true\n  cache_params: {type: redis, host: 127.0.0.1, port: %d, password: redis-SECRET}\n"

base = commands.base


async def test_up_says_what_it_does_and_ends_on_ctrl_c(tmp_path: Path, base: str) -> None:
    """Redis is away, which costs hits from the store and nothing else."""
    text = config(base, CACHE_REDIS % free_port() + "  nonsense: 1\n", SECRETS)
    (tmp_path / ".env").write_text("ASKONCE_FRONTENDS=2\nASKONCE_MASTER_KEY=sk-env-SECRET\n")
    async with up(tmp_path, text, "--host", "127.0.0.1") as (url, process):
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer sk-env-SECRET"}
            assert (await post(session, url, chat("SECRET")))[0] == 401, "the children read .env too"
            status, first, _ = await post(session, url, chat("SECRET"), **headers)
            assert (status, "fwd=miss" in first) == (200, True)
            status, second, _ = await post(session, url, chat("SECRET"), **headers)
            assert (status, "askonce; hit" in second) == (200, True), "the memory tier works without a store"
        process.signal(signal.SIGINT)
        assert await process.wait() == 0
    clean(process.output)
    lines = process.lines
    assert lines[0].startswith("askonce 0.")
    assert [line.strip() for line in lines if "nonsense" in line] == ["- litellm_settings.nonsense: not known"]
    assert sum("settings without effect here" in line for line in lines) == 1
    assert any(re.match(r"  store      redis, entries live 86400 s", line) for line in lines)
    assert any(re.match(r"  frontends  2 ready", line) for line in lines)
    assert lines[-1] == "stopped"
    told = [orjson.loads(line) for line in lines if line.startswith("{")]
    assert any(line["event"] == "store_unavailable" for line in told)


async def test_what_is_in_the_way_of_up_is_exit_2_and_named(tmp_path: Path, base: str) -> None:
    text = config(base, "  cache: true\n  cache_params: {type: local}\n")
    async with up(tmp_path, text, "--frontends", "1") as (url, _):
        port = url.rpartition(":")[2]
        (tmp_path / "a_file").touch()
        common = ("up", "--config", "config.yaml")
        second, taken, no_folder, no_host = await asyncio.gather(
            run(*common, "--port", "0", cwd=tmp_path),
            run(*common, "--port", port, "--data-dir", "elsewhere", cwd=tmp_path),
            run(*common, "--port", "0", "--data-dir", "a_file/below", cwd=tmp_path),
            run(*common, "--port", "0", "--data-dir", "elsewhere-2", "--host", "203.0.113.7", cwd=tmp_path),
        )
        async with aiohttp.ClientSession() as session:
            assert (await post(session, url, chat("still there")))[0] == 200
    assert second[0] == 2
    assert f"another `askonce up` holds {tmp_path / '.askonce' / 'lock'}" in second[1]
    assert taken[0] == 2
    assert f"--port {port}" in taken[1]
    assert "Address already in use" in taken[1]
    assert no_folder[0] == 2
    assert "a_file/below" in no_folder[1]
    assert no_host[0] == 2
    assert "203.0.113.7" in no_host[1]


async def test_up_on_ipv6_names_an_address_that_can_be_used(tmp_path: Path, base: str) -> None:
    text = config(base, "  cache: true\n  cache_params: {type: local}\n")
    async with up(tmp_path, text, "--frontends", "1", "--host", "::1") as (url, _), aiohttp.ClientSession() as session:
        assert url.startswith("http://[::1]:")
        assert (await post(session, f"{url}/v1/chat/completions", chat("by six")))[0] == 200


async def test_a_frontend_by_hand_whose_port_is_taken_is_exit_2(tmp_path: Path, base: str) -> None:
    nats = NatsServer(tmp_path / "nats")
    nats.start()
    (tmp_path / "config.yaml").write_text(config(base))
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            code, output = await run(
                "frontend", "--config", "config.yaml", "--port", port, "--nats", nats.url, cwd=tmp_path
            )
    finally:
        nats.stop()
    assert code == 2, output
    assert f"--port {port}" in output
    assert "in use" in output


async def test_demo_shows_a_miss_a_hit_and_a_streamed_hit(tmp_path: Path) -> None:
    code, output = await run("demo", cwd=tmp_path)
    assert code == 0, output
    told = re.findall(r"^ +(asked|asked again|as a stream) +[\d.]+ ms +askonce; (hit|fwd=miss)", output, re.MULTILINE)
    assert told == [("asked", "fwd=miss"), ("asked again", "hit"), ("as a stream", "hit")]
    assert "the provider was asked 1 time." in output
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
