"""Every query of every dashboard, and every rule, on the Prometheus of a stack that had a busy minute and a half."""

from pathlib import Path

import pytest

from tests.compose.scene import CONFIG
from tests.compose.show import played
from tests.compose.stack import up

_SECONDS = 75.0


@pytest.mark.timeout(400)
async def test_every_panel_and_every_rule_has_data(tmp_path: Path) -> None:
    with up(tmp_path / "stack", "panels", CONFIG, ("toy",)) as stack:
        assert await played(stack, _SECONDS) == []
