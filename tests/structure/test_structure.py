"""The shape of the project, checked: roots, budgets, layers, tables, and what is in the wheel."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import yaml

from askonce.config.known import UNBUILT_STORES
from askonce.config.settings import CacheType, ProxySettings
from askonce.stores.registry import STORES
from askonce.telemetry.metrics import METRICS

PROJECT = Path(__file__).parents[2]
ROOTS = ("frontend", "writer", "shared")
FILES = sorted(path for root in ROOTS for path in (PROJECT / root).rglob("*.py"))
TESTS = sorted((PROJECT / "tests").rglob("*.py"))
TOOLS = sorted(path for root in ("docs", "grafana", "compose", "benchmarks") for path in (PROJECT / root).rglob("*.py"))
PURE = [
    path for path in FILES if path.parent.name in {"core", "calls", "semantic"} and path.parent.parent.name == "askonce"
]

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 60


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What would be done at import time, once for whoever imports: a connection, a file, a clock read, a thread.
EFFECTS = words("""
    aiohttp asyncio lmdb multiprocessing nats os prometheus_client random redis secrets signal socket subprocess
    tempfile threading time urllib uvloop
""")
IMPURE = words("""
    asyncio datetime io logging multiprocessing os pathlib random secrets signal socket subprocess sys tempfile
    threading time urllib
""")

each_source = pytest.mark.parametrize("path", FILES + TOOLS, ids=lambda path: str(path.relative_to(PROJECT)))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROJECT)))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def words_of(node: ast.expr) -> list[str]:
    """`a.b.c` as its words; empty for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := words_of(node.value)):
        return [*before, node.attr]
    return []


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with the dotted module it comes from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the whole path"
            for alias in node.names:
                yield alias.asname or alias.name, node.module or ""


# -- roots and budgets -----------------------------------------------------------------------------------------------


def test_there_is_code_to_look_at() -> None:
    assert len(FILES) > 80
    assert len(PURE) > 15


@pytest.mark.parametrize("root", ROOTS)
def test_the_roots_share_one_namespace_that_none_of_them_owns(root: str) -> None:
    assert [path.name for path in (PROJECT / root).iterdir() if path.name != "__pycache__"] == ["askonce"]
    assert not list((PROJECT / root).rglob("__init__.py"))


def test_no_module_stands_in_two_roots() -> None:
    names = [path.relative_to(PROJECT / path.relative_to(PROJECT).parts[0]) for path in FILES]
    assert len(set(names)) == len(names)


@each_source
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_LINES_OF_A_FILE
    assert ast.get_docstring(parsed(path))


def test_a_file_of_tests_is_as_short() -> None:
    lines = {str(path.relative_to(PROJECT)): len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS}
    assert lines
    assert not {name: number for name, number in lines.items() if number >= MOST_LINES_OF_A_FILE}


@each_source
def test_a_function_is_short(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {lines} lines"


def test_functions_are_short_as_a_rule() -> None:
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 8, "the median"
    assert lengths[len(lengths) * 9 // 10] <= 30, "nine of ten"


# -- imports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PROJECT)))
def test_core_and_calls_import_nothing_that_can_fail(path: Path) -> None:
    ours = {"core": {"core"}, "calls": {"core", "calls"}, "semantic": {"semantic"}}[path.parent.name]
    for _, module in imported(parsed(path)):
        top, _, rest = module.partition(".")
        if top == "askonce":
            assert rest.partition(".")[0] in ours, module
        else:
            assert top == "orjson" or top in sys.stdlib_module_names, module
            assert top not in IMPURE, module


@each_file
def test_a_part_knows_only_what_lies_below_it(path: Path) -> None:
    """`frontend` and `writer` never know each other, and nobody below knows them."""
    part = path.relative_to(PROJECT).parts[2]
    unknown = {"frontend": {"writer"}, "writer": {"frontend"}}.get(part, {"frontend", "writer"})
    if part in {"cli.py", "commands"}:
        return
    known = {module.split(".")[1] for _, module in imported(parsed(path)) if module.startswith("askonce.")}
    assert not known & (unknown | {"cli", "commands"})


@each_file
def test_importing_does_nothing(path: Path) -> None:
    """No client, thread, socket or clock at module level, and no global variable that a function sets."""
    tree = parsed(path)
    origin = dict(imported(tree))
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for part in ([node.body] if isinstance(node, ast.Lambda) else node.body)
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), "a global variable that a function sets"
        if isinstance(node, ast.Call) and id(node) not in inside:
            called = words_of(node.func)
            module = origin.get(called[0], "") if called else ""
            assert module.partition(".")[0] not in EFFECTS, f"line {node.lineno}: {'.'.join(called)}"


# -- tables ----------------------------------------------------------------------------------------------------------

NAME = re.compile(r"askonce_[a-z0-9_]+")


def test_every_metric_is_declared_once_and_used() -> None:
    declared = [metric.name for metric in METRICS]
    assert len(set(declared)) == len(declared)
    used = {
        node.value
        for path in FILES
        if path.name not in {"metrics.py", "names.py"}  # the latter has members of Qdrant's payloads
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value)
    }
    assert used == set(declared)


def test_a_metric_is_called_by_its_kind_and_with_its_labels() -> None:
    table = {metric.name: metric for metric in METRICS}
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            name, kind = node.args[0], node.func.attr
            if kind in {"counter", "gauge", "histogram"} and isinstance(name, ast.Constant):
                metric = table[str(name.value)]
                where = f"{path}:{node.lineno}"
                assert kind == metric.kind, where
                if not any(isinstance(argument, ast.Starred) for argument in node.args):
                    assert len(node.args) - 1 == len(metric.labels), where


def test_metrics_in_documents_and_dashboards_exist() -> None:
    known = {metric.name for metric in METRICS}
    endings = ("", "_bucket", "_sum", "_count")
    secrets = {f"askonce_{name}" for name in ProxySettings.model_fields}  # as files of compose are called
    allowed = {name + ending for name in known for ending in endings} | secrets
    for folder in ("docs", "grafana", "compose"):
        for path in (PROJECT / folder).rglob("*"):
            if path.suffix in {".md", ".json", ".yml", ".yaml"}:
                unknown = set(NAME.findall(path.read_text(encoding="utf-8"))) - allowed
                assert not unknown, f"{path}: {unknown}"


def documents() -> list[Path]:
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def blocks(path: Path) -> Iterator[dict[str, object]]:
    """The YAML blocks of a page that are mappings."""
    for text in re.findall(r"^```ya?ml\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        read = yaml.safe_load(text)
        if isinstance(read, dict):
            yield read


def types(read: object) -> Iterator[object]:
    """Every `cache_params.type` in a document, however deep."""
    if isinstance(read, dict):
        params = read.get("cache_params")
        if isinstance(params, dict) and "type" in params:
            yield params["type"]
        for member in read.values():
            yield from types(member)


def test_every_store_type_in_the_documents_exists_and_every_store_is_documented() -> None:
    assert set(STORES) == set(get_args(CacheType))
    assert all(name == row.name for name, row in STORES.items())
    assert not set(STORES) & set(UNBUILT_STORES)
    shown = [kind for path in documents() for block in blocks(path) for kind in types(block)]
    assert shown
    assert set(shown) <= set(STORES)
    settings = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert all(re.search(rf"\b{name}\b", settings) for name in STORES)


# -- the wheel -------------------------------------------------------------------------------------------------------


def test_the_wheel_installs_one_name_and_all_of_it(tmp_path: Path) -> None:
    building = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(building, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("askonce-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"askonce"}
    assert len(tops) == 2
    code = {name for name in names if name.endswith(".py")}
    assert code == {"/".join(path.relative_to(PROJECT).parts[1:]) for path in FILES}
    assert "askonce = askonce.cli:main" in points
