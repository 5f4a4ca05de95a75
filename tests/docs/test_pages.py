"""The pages for users say what the code does: its tables and enums are read, and the pages held against them."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from askonce.calls.table import ENDPOINTS
from askonce.config.cache import DEFAULT_TTLS
from askonce.config.redis import PLACE
from askonce.config.settings import ProxySettings
from askonce.core.control import NOTHING, read_controls
from askonce.core.errors import RequestError
from askonce.core.policy import SkipReason, Why
from askonce.frontend.admin.table import Admin
from askonce.frontend.meaning import SOURCE as MEANING
from askonce.stores.memory import SOURCE
from askonce.stores.registry import STORES
from tests.docs.reading import SPAN, page, part, rows, words
from tests.e2e.solo import solo
from tests.e2e.stack import config
from tests.servers import NatsServer

SETTINGS = ProxySettings()


# -- http.md ---------------------------------------------------------------------------------------------------------

HTTP = page("http.md")


def routes() -> list[tuple[str, str, str]]:
    """Method, path, and which key is needed, as the page has them."""
    table = rows(part(HTTP, "## Routes"))
    return [(method, path, key) for method, paths, key, _ in table for path in SPAN.findall(paths)]


def test_every_route_stands_there_and_no_other() -> None:
    admin: Any = Admin(**dict.fromkeys((field.name for field in fields(Admin)), None))  # type: ignore[arg-type]
    cached = {("POST", path) for endpoint in ENDPOINTS for path in endpoint.paths}
    told = [(method, path) for method, path, _ in routes()]
    assert sorted(told) == sorted(cached | admin.routes().keys())
    mentioned = set(re.findall(r"\*\*(?:GET|POST) `(/[a-z0-9/_]+)", HTTP))
    assert mentioned <= {path for _, path in told}


async def test_the_routes_are_there_and_need_a_key_where_the_page_says_so(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    try:
        text = config("http://127.0.0.1:9", "  cache: true\n  cache_params: {type: local}\n")
        async with solo(tmp_path, text, server, ASKONCE_MASTER_KEY="sk-master") as client:
            master, made = {"Authorization": "Bearer sk-master"}, "/key/generate"
            virtual = {"Authorization": f"Bearer {(await client.send('POST', made, headers=master)).json['key']}"}
            for method, path, key in routes():
                answer = await client.send(method, path)
                assert answer.status == (200 if key == "no" else 401), path
                let_in = (await client.send(method, path, headers=virtual)).status != 401
                assert let_in == (key != "master"), path
    finally:
        server.stop()


def test_every_word_of_a_reason_stands_there() -> None:
    sources = {SOURCE, MEANING, *(row.name for row in STORES.values() if row.shared)}
    told = words(part(HTTP, "### Words of `detail`"))
    assert sorted(told) == sorted({*Why, *SkipReason, *sources, "refused", "fallback"})


def test_every_control_is_one_that_is_read() -> None:
    told = words(part(HTTP, "## The `cache` object"))
    assert len(told) == 8
    for name in told:
        with pytest.raises(RequestError) as refusal:
            read_controls({name: []}, None)
        assert refusal.value.param == f"cache.{name}"
    directives = words(part(HTTP, "### Cache-Control"))
    assert len(directives) == 10
    for directive in directives:
        assert read_controls(None, directive.replace("N", "5")) != NOTHING


# -- stores.md --------------------------------------------------------------------------------------------------------


def test_the_stores_and_their_defaults() -> None:
    text = page("stores.md")
    assert [heading for heading in re.findall(r"^## (\S+)$", text, re.MULTILINE) if heading in STORES] == list(STORES)
    table = {row[0]: row[1:] for row in rows(text)}
    lives = [DEFAULT_TTLS[name] for name in STORES]
    assert table["entries live, where nobody says"] == ["without an end" if s is None else f"{s:g} s" for s in lives]
    reads = [row.deadline for row in STORES.values()]
    assert table["a read may take"] == ["no time limit" if s is None else f"{s * 1000:g} ms" for s in reads]
    assert table["writers"] == ["yes" if row.shared else "none" for row in STORES.values()]
    assert all(f"`{name}`" in text for name in PLACE)
    for name, size in re.findall(r"`(?:askonce: )?(\w+_bytes)` \((\d+ \w+)\)", text):
        number, unit = size.split()
        assert getattr(SETTINGS, name) == int(number) << {"KiB": 10, "MiB": 20, "GiB": 30}[unit], name
