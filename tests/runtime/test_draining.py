"""A stop with everything stuck: it ends within what the supervisor grants, and what had an end is kept."""

import asyncio
from pathlib import Path

import aiohttp

from askonce.config.load import load
from askonce.frontend.service import Address, Frontend
from askonce.runtime.drain import Drain
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.e2e.gated import gated_provider
from tests.e2e.stack import chat, config
from tests.servers import NatsServer, free_port


async def test_requests_answers_and_outbox_have_one_deadline_together(tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats")
    nats.start()
    try:
        async with gated_provider() as (gated, base), aiohttp.ClientSession() as session:
            (tmp_path / "config.yaml").write_text(config(base))
            settings = load(tmp_path / "config.yaml", {"ASKONCE_DRAIN_SECONDS": "0.8"}, cwd=tmp_path)
            frontend = Frontend(settings, name="stuck", version="test", metrics=Metrics(), log=Log("stuck"))
            await frontend.open(nats.url)
            port = free_port()
            await frontend.listen(Address("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            gated.open()
            nats.pause()
            async with session.post(url, json=chat("kept in the outbox")) as answer:
                assert answer.status == 200
                await answer.read()
            gated.shut()
            stuck = asyncio.create_task(session.post(url, json=chat("never answered")))
            while not gated.calls:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(Drain(0.8).longest):
                await frontend.close()
            outcome = (await asyncio.gather(stuck, return_exceptions=True))[0]
            assert isinstance(outcome, aiohttp.ClientError) or outcome.status == 502
    finally:
        nats.stop()


def test_the_supervisor_waits_longer_than_all_steps_together() -> None:
    for seconds in (0.1, 1.0, 30.0, 600.0):
        drain = Drain(seconds)
        assert 2 * drain.handlers < drain.seconds, "answers go on for a while after their requests"
        assert drain.seconds + drain.outbox < drain.longest
