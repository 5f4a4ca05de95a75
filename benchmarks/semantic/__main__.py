"""How well questions are matched by meaning, with the guard and without: `python -m benchmarks.semantic --help`."""

import argparse
import sys
from pathlib import Path

from askonce.config.rules import read_rules
from askonce.core.errors import ConfigError
from askonce.semantic.doubts import Doubt
from askonce.semantic.guard import doubt
from benchmarks.harness import ROOT
from benchmarks.semantic.models import local, measured
from benchmarks.semantic.pairs import Half, Missing, load, split
from benchmarks.semantic.report import REFERENCE, Judged, judged, report

PAGE = ROOT / "docs/semantic.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
LEGEND = """Written by `python -m benchmarks.semantic --write`. Shares in percent with the guard, and in brackets of the
cosine alone; what is served of the traps is wrong. The last four columns are the traps by kind.
"""


def main() -> int:
    arguments = _arguments()
    try:
        pairs = load()
        embedders = [local("minilm"), *(local(str(folder)) for folder in arguments.static)]
        rules = read_rules(arguments.rules)
    except (Missing, ConfigError) as error:
        print(error, file=sys.stderr)
        return 2

    def guard(asked: str, kept: str, similarity: float) -> Doubt | None:
        return doubt(asked, kept, rules, similarity)

    shown = []
    for embedder, name in zip(embedders, _names(arguments.static), strict=True):
        alike = measured(embedder, pairs)
        halves = {half: judged(some, alike, guard) for half, some in split(pairs).items()}
        shown.append(report(name, halves))
        if arguments.wrong:
            _show_wrong(halves[Half.DEVELOPMENT])
    print("\n".join(shown))
    if arguments.write:
        _write("\n".join(shown))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.semantic", description=__doc__)
    parser.add_argument("--static", type=Path, action="append", default=[], help="a folder with a model2vec model")
    parser.add_argument("--rules", type=Path, help="a file of your own rules, over those that come along")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--wrong", action="store_true", help="show what went wrong, of the development half only")
    return parser.parse_args()


def _names(folders: list[Path]) -> list[str]:
    return ["all-MiniLM-L6-v2 (int8, ONNX), `local/minilm`", *(f"{folder.name} (static)" for folder in folders)]


def _show_wrong(found: list[Judged]) -> None:
    """The texts of the other half are not looked at, or it would be no measure."""
    for one in found:
        served, pair = one.served(REFERENCE, guarded=True), one.pair
        if one.similarity >= REFERENCE and served is not pair.same:
            print(f"{pair.kind} {one.similarity:.3f} {one.why or 'served'}: {pair.asked} | {pair.kept}")


def _write(shown: str) -> None:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} has no {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{LEGEND}\n{shown}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
