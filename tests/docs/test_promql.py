"""Every PromQL example of the pages is an expression, of metrics that there are: by Prometheus's own tool."""

import re
import subprocess
from pathlib import Path

import yaml

from tests.servers import debian_binary, need

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def examples() -> list[tuple[str, str]]:
    """Page and text of each."""
    blocks = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in blocks.findall(page.read_text())]


def test_the_examples_are_expressions(tmp_path: Path) -> None:
    promtool = need("promtool", debian_binary("promtool"))
    found = examples()
    assert len([name for name, _ in found if name == "metrics.md"]) > 5
    rules = [{"record": f"example:{number}", "expr": text} for number, (_, text) in enumerate(found)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", str(path)], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, f"{checked.stderr}\n{dict(enumerate(found))}"
    assert f"{len(found)} rules found" in checked.stdout
