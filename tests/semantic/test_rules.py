"""A file of rules of one's own: what it adds, and what is told of one that is wrong."""

from pathlib import Path

import pytest

from askonce.config.rules import read_rules
from askonce.core.errors import ConfigError
from askonce.semantic.doubts import Doubt
from askonce.semantic.guard import doubt
from askonce.semantic.rules import Rules

ALIKE = 0.9


def test_the_rules_that_come_along_do_not_contradict_themselves(rules: Rules) -> None:
    words = rules.words
    for term, opposites in words.opposites.items():
        assert term not in opposites
        for other in opposites:
            assert words.groups.get(term, frozenset()).isdisjoint(words.groups.get(other, frozenset())), (term, other)


def test_words_of_ones_own_are_added_to_those_that_are_there(rules: Rules, with_rules) -> None:
    pair = "How do I open a hatch?", "How do I open a flap?"
    assert doubt(*pair, rules, ALIKE) is Doubt.WORDING
    own = with_rules("synonyms:\n  - [Hatch, flap, wooden lid]\n")
    assert doubt(*pair, own, ALIKE) is None
    assert doubt("How do I open hatches?", "How do I open a wooden lid?", own, ALIKE) is None
    assert doubt("How do I cancel my booking?", "How can I cancel my reservation?", own, ALIKE) is None


def test_an_antonym_parts_words_that_are_taken_for_the_same(rules: Rules, with_rules) -> None:
    pair = "Where is my booking?", "Where is my reservation?"
    assert doubt(*pair, rules, ALIKE) is None
    assert doubt(*pair, with_rules("antonyms: [[booking, reservation]]"), ALIKE) is Doubt.ANTONYM


def test_a_list_of_alternatives_grows_or_is_new(with_rules) -> None:
    own = with_rules("alternatives:\n  colours: [puce]\n  valves: [inlet 4, inlet 7]\n")
    assert doubt("Why is the puce lamp on?", "Why is the red lamp on?", own, ALIKE) is Doubt.ALTERNATIVE
    assert doubt("Why is the green lamp on?", "Why is the red lamp on?", own, ALIKE) is Doubt.ALTERNATIVE


def test_units_numbers_and_short_forms_are_added(with_rules) -> None:
    own = with_rules("""
        units: {furlong: [furlong, furlongs, fur]}
        numbers: {score: 20}
        contractions: {wru: where are you}
    """)
    assert doubt("Is a track of 8 fur enough?", "Is a track of eight furlongs enough?", own, ALIKE) is None
    assert doubt("Is a score of eggs too much?", "Are 20 eggs too much?", own, ALIKE) is None
    assert doubt("wru now", "Where are you now?", own, ALIKE) is None


def test_a_limit_is_replaced(rules: Rules, with_rules) -> None:
    own = with_rules("limits: {reworded: 0.95}")
    pair = "Can I settle with Zelle?", "Do you accept Zelle?"
    assert doubt(*pair, rules, ALIKE) is None
    assert doubt(*pair, own, ALIKE) is Doubt.WORDING
    assert own.limits.same_sentence == rules.limits.same_sentence


def test_a_reason_can_be_turned_off(with_rules) -> None:
    own = with_rules("disabled: [person]")
    assert doubt("What is my name?", "What is your name?", own, ALIKE) is None
    assert doubt("What is my name?", "What is your age?", own, ALIKE) is Doubt.WORDING


@pytest.mark.parametrize("text", ["", "synonyms:\n", "# synonyms: [[a, b]]\n"])
def test_an_empty_file_and_an_empty_section_change_nothing(rules: Rules, with_rules, text: str) -> None:
    assert with_rules(text) == rules


@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        ("synonym: [[a, b]]", "synonym", "no such section; there are disabled, limits, openers, "),
        ("synonyms: car", "synonyms", "must be a list of lists, each of two words or more"),
        ("synonyms: [car, auto]", "synonyms", "must be a list of lists, each of two words or more"),
        ("synonyms: [[car]]", "synonyms", "must be a list of lists, each of two words or more"),
        ("light_words: {thing: 1}", "light_words", "must be a list of words, or of lists of words"),
        ("alternatives: [red, blue]", "alternatives", "must be a mapping from a name to a list of words"),
        ("alternatives: {colours: red}", "alternatives", "must be a mapping from a name to a list of words"),
        ("contractions: [brb]", "contractions", "must be a mapping from a word to a text"),
        ("numbers: {score: many}", "numbers", "must be a mapping from a word to a number, zero or more"),
        ("limits: {reworded: -1}", "limits", "must be a mapping from a word to a number, zero or more"),
        ("limits: {rewordd: 1}", "limits", "must be of reworded, same_sentence, unmatched_words, most_words, longest"),
        ("disabled: [numbers]", "disabled", "must be of number, date, unit, negation, "),
        ("antonyms: [[on, off]]", "antonyms", "words that YAML reads as true or false need quotes"),
        ("hesitations: ['']", "hesitations", "must hold words that are not empty; dates and fractions need quotes"),
        ("synonyms: [[a, b]]\nsynonyms: [[c, d]]", "synonyms", "must stand there once"),
        ("- synonyms", "line 1", "must be a mapping, with sections"),
        ("synonyms: [", "line 1, column 12", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_told_by_its_name_its_section_and_what_was_expected(
    tmp_path: Path, with_rules, text: str, section: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        with_rules(text)
    assert str(caught.value).startswith(f"{tmp_path / 'rules.yaml'}: {section}: {expected}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: file: No such file"):
        read_rules(tmp_path / "none.yaml")
