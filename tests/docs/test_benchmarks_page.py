"""Each benchmark writes its own section of docs/benchmarks.md and leaves the others' as they are."""

from pathlib import Path

import pytest

from benchmarks import limits, report

PAGE = """# Benchmarks

## Results

### Hits

| old |

## What a key costs a hit

| kept |
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)
    monkeypatch.setattr(report, "PAGE", page)
    return page


def test_new_results_leave_the_other_sections_as_they_are(page: Path) -> None:
    report.write_page("# Benchmarks\n\n## Results\n\n### Hits\n\n| new |\n")
    assert page.read_text() == PAGE.replace("old", "new")


def test_a_section_takes_the_place_of_the_one_before(page: Path) -> None:
    for text in ("first", "second"):
        report.write_section(limits.TITLE, f"{limits.TITLE}\n\n| {text} |\n")
    assert page.read_text() == PAGE.replace("kept", "second")


def test_a_section_that_is_new_comes_last(page: Path) -> None:
    report.write_section("## More", "## More\n\n| more |\n")
    assert page.read_text() == PAGE + "\n## More\n\n| more |\n"


@pytest.mark.parametrize(("ratio", "dear"), [(1.19, False), (1.21, True)])
def test_a_key_with_limits_may_cost_a_fifth_more_than_none(ratio: float, dear: bool) -> None:
    """Wherever they are counted; what a key without limits costs is shown, and no more."""
    found = {
        (1, way.title): [0.1 * (ratio if way.limits else 1.5 if way.limits == {} else 1)] * 3 for way in limits.WAYS
    }
    assert len(limits.too_dear(found)) == (2 if dear else 0)
