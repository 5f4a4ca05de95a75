"""The halves of the labelled pairs: fixed, and without a question in common. Texts of the pairs are not shown."""

from hashlib import sha256

import pytest

from benchmarks.semantic.pairs import DATA, Half, Missing, Pair, load, split
from tests.servers import need


@pytest.fixture(scope="module")
def halves() -> dict[Half, list[Pair]]:
    need("the package fow-cache in .venv/servers", str(DATA) if DATA.exists() else None)
    return split(load())


def test_the_halves_are_fixed(halves: dict[Half, list[Pair]]) -> None:
    names = {half: " ".join(sorted(pair.name for pair in pairs)) for half, pairs in halves.items()}
    marks = {half: sha256(some.encode()).hexdigest()[:12] for half, some in names.items()}
    assert {half: len(pairs) for half, pairs in halves.items()} == {Half.DEVELOPMENT: 286, Half.HELD_OUT: 314}
    assert marks == {Half.DEVELOPMENT: "d1f5337131e3", Half.HELD_OUT: "7724940c689a"}


def test_no_question_is_in_both_halves(halves: dict[Half, list[Pair]]) -> None:
    questions = [{text for pair in pairs for text in (pair.asked, pair.kept)} for pairs in halves.values()]
    assert all(questions)
    assert len(questions[0] & questions[1]) == 0


def test_pairs_that_share_a_question_stay_together_in_any_order() -> None:
    links = [(n, m) for n in range(40) for m in range(3)]
    pairs = [Pair(f"{n}-{m}", "paraphrase", f"{n} link {m}", f"{n} link {m + 1}", same=True) for n, m in links]
    here = {pair.name: half for half, some in split(pairs).items() for pair in some}
    assert {pair.name: half for half, some in split(pairs[::-1]).items() for pair in some} == here
    assert all(here[f"{n}-0"] is here[f"{n}-1"] is here[f"{n}-2"] for n in range(40))
    assert set(here.values()) == set(Half)


def test_missing_pairs_are_told_with_what_to_do(tmp_path) -> None:
    with pytest.raises(Missing, match="make setup"):
        load(tmp_path / "pairs.jsonl")
