"""The s3 store in both roles, with whatever settings a test says."""

from collections.abc import Callable
from typing import Any

import pytest

from askonce.config.settings import S3Settings
from askonce.stores.s3.objects import S3Reader, S3Writer
from tests.stores.contract import Clock, Pair

OpenPair = Callable[[S3Settings], Pair]


@pytest.fixture
def open_pair(clock: Clock, opened: list[Any]) -> OpenPair:
    def open_(settings: S3Settings) -> Pair:
        opened.append(Pair(S3Reader(settings, clock), S3Writer(settings, clock), clock, sweeps=False))
        return opened[-1]

    return open_
