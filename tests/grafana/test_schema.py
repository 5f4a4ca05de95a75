"""The dashboards against Grafana's own TypeScript schema: no field that it does not know, no value that it refuses."""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers import need

_ROOT: Final = Path(__file__).parents[2]
_DASHBOARDS: Final = sorted((_ROOT / "grafana" / "dashboards").glob("*.json"))
_TYPES: Final = Path(__file__).parent / "schema" / "checked.ts"
_MODULES: Final = _ROOT / ".venv" / "schema" / "node_modules"
_OPTIONS: Final = {
    "compilerOptions": {"strict": True, "noEmit": True, "types": [], "module": "preserve", "skipLibCheck": True},
    "include": ["*.ts"],
}
_WITHIN: Final = 120.0  # seconds

# A dashboard file in Python's terms. Its shape is what is under test.
Dashboard = dict[str, Any]
Damage = Callable[[Dashboard], None]


def _read(path: Path) -> Dashboard:
    dashboard: Dashboard = json.loads(path.read_text())
    return dashboard


def _complaints(folder: Path, dashboards: dict[str, Dashboard]) -> dict[str, list[str]]:
    """What the compiler says of each, by its name: one run for all, since a compiler's start is what takes long."""
    node = need("node", shutil.which("node"))
    compiler = _MODULES / "typescript" / "bin" / "tsc"
    need("npm, for Grafana's schema (make setup)", str(compiler) if compiler.exists() else None)
    (folder / "node_modules").symlink_to(_MODULES)
    (folder / "tsconfig.json").write_text(json.dumps(_OPTIONS))
    shutil.copy(_TYPES, folder)
    for name, dashboard in dashboards.items():
        # JSON is TypeScript as it stands; a literal, unlike an imported file, keeps its values' exact types
        text = json.dumps(dashboard, indent=1)
        (folder / f"{name}.ts").write_text(
            f"import type {{ Checked }} from './checked';\n({text}) satisfies Checked;\n"
        )
    ran = subprocess.run(
        [node, str(compiler), "--project", "tsconfig.json", "--pretty", "false"],
        cwd=folder, capture_output=True, text=True, timeout=_WITHIN, check=False,
    )  # fmt: skip
    found: dict[str, list[str]] = {name: [] for name in dashboards}
    for line in (ran.stdout + ran.stderr).splitlines():
        file, colon, _ = line.partition(".ts(")
        if colon and file in found:
            found[file].append(line)
        elif not line.startswith(" "):
            pytest.fail(f"the compiler itself failed: {line}")
    assert (ran.returncode != 0) == any(found.values())
    return found


def _panel(dashboard: Dashboard, kind: str) -> Dashboard:
    """The first panel of this kind."""
    panel: Dashboard = next(panel for panel in dashboard["panels"] if panel["type"] == kind)
    return panel


def _custom(panel: Dashboard) -> Dashboard:
    custom: Dashboard = panel["fieldConfig"]["defaults"].setdefault("custom", {})
    return custom


_DAMAGES: Final[dict[str, Damage]] = {
    "an-unknown-field-of-the-dashboard": lambda it: it.update(autoRefresh="10s"),
    "a-number-as-its-title": lambda it: it.update(title=5),
    "no-schema-version": lambda it: it.pop("schemaVersion"),
    "a-wrong-crosshair": lambda it: it.update(graphTooltip=3),
    "an-unknown-type-of-variable": lambda it: it["templating"]["list"][0].update(type="list"),
    "an-unknown-field-of-a-variable": lambda it: it["templating"]["list"][0].update(auto=False),
    "an-unknown-type-of-panel": lambda it: _panel(it, "stat").update(type="singlestat"),
    "an-unknown-field-of-a-panel": lambda it: _panel(it, "stat").update(help="what it is"),
    "a-panel-that-does-not-explain-itself": lambda it: _panel(it, "stat").pop("description"),
    "options-that-are-null": lambda it: _panel(it, "stat").update(options=None),
    "another-panel's-option": lambda it: _panel(it, "timeseries")["options"].update(graphMode="area"),
    "a-wrong-word-for-an-option": lambda it: _panel(it, "stat")["options"].update(colorMode="text"),
    "a-wrong-word-deep-in-an-option": lambda it: _panel(it, "timeseries")["options"]["legend"].update(
        displayMode="rows"
    ),
    "an-unknown-way-to-draw": lambda it: _custom(_panel(it, "timeseries")).update(lineStyles="dash"),
    "a-wrong-way-to-draw": lambda it: _custom(_panel(it, "timeseries")).update(drawStyle="area"),
    "a-threshold-without-a-colour": lambda it: _panel(it, "stat")["fieldConfig"]["defaults"].update(
        thresholds={"mode": "absolute", "steps": [{"value": None}]}
    ),
    "a-place-without-a-width": lambda it: _panel(it, "stat")["gridPos"].pop("w"),
    "a-query-without-its-text": lambda it: _panel(it, "stat")["targets"][0].pop("expr"),
    "a-query-without-its-letter": lambda it: _panel(it, "stat")["targets"][0].pop("refId"),
    "an-unknown-field-of-a-query": lambda it: _panel(it, "stat")["targets"][0].update(step=15),
}


def test_each_dashboard_is_what_grafanas_types_say_and_each_damaged_copy_is_not(tmp_path: Path) -> None:
    assert _DASHBOARDS
    whole = {path.stem: _read(path) for path in _DASHBOARDS}
    assert not whole.keys() & _DAMAGES.keys()
    broken = {}
    for name, damage in _DAMAGES.items():
        broken[name] = copy.deepcopy(whole["overview"])
        damage(broken[name])
    found = _complaints(tmp_path, whole | broken)
    assert {name: found[name] for name in whole} == {name: [] for name in whole}
    assert [name for name in broken if not found[name]] == []
