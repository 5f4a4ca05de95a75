"""docs/configuration.md says what the code does."""

import re
from pathlib import Path

import yaml

from askonce.config.cache import DEFAULT_TTLS
from askonce.config.providers import SERVED
from askonce.config.redis import PLACE
from askonce.config.settings import ProxySettings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text()


def test_every_own_setting_stands_there_as_in_the_code():
    expected = [
        f"| `{name}` | {'' if field.default is None else f'`{field.default}`'} | {field.description} |"
        for name, field in ProxySettings.model_fields.items()
    ]
    part = PAGE.partition("## Our own settings")[2].partition("\n## ")[0]
    assert [line for line in part.splitlines() if line.startswith("| `")][1:] == expected


def test_lives_servers_and_prefixes():
    assert f"local {DEFAULT_TTLS['local']:g}, redis {DEFAULT_TTLS['redis']:g}, disk without an end" in PAGE
    assert DEFAULT_TTLS["disk"] is None
    assert all(f"`{name}`" in PAGE for name in PLACE)
    assert all(f"`{name}/`" in PAGE for name in SERVED)


def test_the_example_loads(read):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert set(yaml.safe_load(example)) == {"model_list", "litellm_settings", "askonce"}
    settings = read(example, OPENAI_API_KEY="sk-1")
    assert (settings.ignored, settings.cache.ttl, settings.deployments[0].unsupported) == ((), 3600, None)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (DOCS / target).is_file(), target
