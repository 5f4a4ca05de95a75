"""What `askonce up` says before it is ready: whose keys go upstream."""

from pathlib import Path

import pytest

from askonce.commands.up import introduction
from askonce.config.load import load

KEYED = "  - {model_name: keyed, litellm_params: {model: openai/a, api_key: sk-SECRET}}\n"
KEYLESS = "  - {model_name: keyless, litellm_params: {model: openai/b, api_base: 'http://b.example/v1'}}\n"


@pytest.mark.parametrize(
    ("models", "gated", "told"),
    [
        (KEYED, False, "with configured keys"),
        (KEYED, True, "with configured keys"),
        (KEYLESS, False, "with each client's own key"),
        (KEYLESS, True, "with no key"),
        (KEYED + KEYLESS, False, "with configured keys; each client's own key for keyless"),
        (KEYED + KEYLESS, True, "with configured keys; no key for keyless"),
    ],
)
def test_whose_key_goes_upstream(tmp_path: Path, models: str, gated: bool, told: str) -> None:
    (tmp_path / "config.yaml").write_text(f"model_list:\n{models}")
    environ = {"ASKONCE_MASTER_KEY": "sk-master-SECRET"} if gated else {}
    said = introduction(load(tmp_path / "config.yaml", environ, cwd=tmp_path))
    assert said[1].startswith("  provider   ")
    assert said[1].endswith(told)
    assert "SECRET" not in "\n".join(said)


def test_a_master_key_that_everybody_knows_is_warned_of(tmp_path: Path) -> None:
    said = introduction(load(None, {"LITELLM_MASTER_KEY": "sk-1234"}, cwd=tmp_path))
    (line,) = (line for line in said if line.startswith("  warning    "))
    assert "stands in public documentation" in line
    assert "sk-1234" not in line
