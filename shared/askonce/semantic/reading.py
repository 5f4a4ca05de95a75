"""What a text says, as far as the guard compares it. Knows no second text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from askonce.semantic.quantities import Quantity, date, quantity
from askonce.semantic.rules import NOTHING, YES_OR_NO, Questions, Rules, matched
from askonce.semantic.tokens import Kind, Token, quotations, tokens

_FARTHEST: Final = 6  # words from a verb to its particle: "turn the light in the hall off"
_KNOWN_SHARE: Final = 0.3  # of its words, in a text that counts as English


@dataclass(slots=True)
class Reading:
    """`words` are all words in lower case without courtesy, in order, and `stems` their stems; `terms` are the stems
    with each phrase as one. `content` are the terms that carry meaning, `named` those written like names, and
    `repeated` those that come again.

    `objects` are what stands behind a word of direction, by that word; `led` what a preposition leads; `owned` whose a
    thing is; `asks` and `mode` names of the rules' questions and modes.
    """

    text: str
    words: list[str]
    stems: list[str]
    terms: list[str] = field(default_factory=list)
    content: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    quantities: list[Quantity] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    negations: int = 0
    asks: str = NOTHING
    mode: str | None = None
    objects: dict[str, set[str]] = field(default_factory=dict)
    led: set[str] = field(default_factory=set)
    owned: dict[str, str] = field(default_factory=dict)
    persons: list[str] = field(default_factory=list)
    english: bool = True


class Row(NamedTuple):
    """A text's tokens without courtesy. One that `mentions` words has all of them."""

    text: str
    tokens: list[Token]
    words: list[str]
    mentions: bool


def row(text: str, rules: Rules) -> Row:
    """The tokens of a text that `normal` gave."""
    found = _unstuttered(_expanded(tokens(text), rules))
    words = [token.text for token in found]
    if any(matched(words, at, len(words), rules.courtesy.mentions) for at in range(len(words))):
        return Row(text, found, words, mentions=True)
    found = _trimmed(found, words, rules)
    return Row(text, found, [token.text for token in found], mentions=False)


def read(row: Row, rules: Rules) -> Reading:
    reading = Reading(row.text.lower(), row.words, [rules.term(word) for word in row.words])
    _Reader(row.tokens, rules, reading).run()
    reading.quoted = quotations(row.text)
    reading.asks, told = _asks(row.words, rules)
    reading.content.difference_update(map(rules.term, told))
    reading.mode = _mode(row.words, rules.questions)
    reading.english = _is_english(row.tokens, reading.stems, rules)
    return reading


def _expanded(row: list[Token], rules: Rules) -> Iterator[Token]:
    """Short forms written out, sounds of speech left out, and an owner without his 's."""
    courtesy = rules.courtesy
    for token in row:
        long = courtesy.contractions.get(token.text)
        if long is not None:
            yield from (Token(word, Kind.WORD) for word in long)
        elif token.text.endswith("'s"):
            yield token._replace(text=token.text[:-2])
        elif token.text not in courtesy.hesitations:
            yield token


def _unstuttered(row: Iterable[Token]) -> list[Token]:
    """Without words that are said again at once."""
    found: list[Token] = []
    for token in row:
        if token.kind is not Kind.WORD or not found or found[-1].text != token.text:
            found.append(token)
    return found


def _trimmed(row: list[Token], words: list[str], rules: Rules) -> list[Token]:
    """Without greetings and courtesy at its ends; as it is where nothing else would be left."""
    begin, end = 0, len(row)
    while length := matched(words, begin, end, rules.courtesy.openers):
        begin += length
    backwards, cut = words[::-1], 0
    while length := matched(backwards, cut, end - begin, rules.courtesy.closers):
        cut += length
    return row[begin : end - cut] if begin < end - cut else row


class _Reader:
    """Goes through a row of tokens once."""

    def __init__(self, row: list[Token], rules: Rules, reading: Reading) -> None:
        self._row, self._rules, self._reading = row, rules, reading
        self._stems = list(reading.stems)
        self._taken: set[int] = set()  # verbs and particles that were found apart
        self._direction: str | None = None
        self._owner: str | None = None
        self._leads = False

    def run(self) -> None:
        at = 0
        while at < len(self._row):
            at = at + 1 if at in self._taken else self._step(at)

    def _step(self, at: int) -> int:
        """Takes what begins here; where what follows it begins."""
        token, reading = self._row[at], self._reading
        if token.kind is Kind.SIGN:
            if token.text not in self._rules.numbers.units:
                reading.signs.append(token.text)
            return at + 1
        if token.kind is Kind.WORD and (length := self._phrase(at)):
            return at + length
        named = date(self._row, at, self._rules)
        if named is not None:
            reading.dates.append(named)
            self._thing(named)
            return at + 1
        found = quantity(self._row, at, self._rules)
        if found is not None:
            reading.quantities.append(found[0])
            self._thing("#" + found[0].value)
            return found[1]
        if token.kind is Kind.NUMBER:  # with letters on it: a code such as 2fa
            code = token.text + self._row[at + 1].text
            self._term(code, named=code not in self._rules.words.groups)
            return at + 2
        self._word(at)
        return at + 1

    def _phrase(self, at: int) -> int:
        """Takes the phrase that begins here, if any, and tells its length here: 1 where the rest of it stands apart."""
        stems, dates = self._stems, self._rules.numbers.dates
        for phrase in self._rules.words.phrases.get(stems[at], ()):
            length, term = len(phrase), " ".join(phrase)
            if tuple(stems[at : at + length]) != phrase:
                if length != 2 or not (apart := self._apart(at, phrase[1])):
                    continue
                self._taken.add(apart)
                length = 1
            if term in dates:
                self._reading.dates.append(dates[term])
                self._thing(term)
            else:
                self._term(term)
            return length
        return 0

    def _apart(self, at: int, particle: str) -> int:
        """Where a verb's particle stands that is not right behind it; 0 for nowhere. "on" and "in" must be last."""
        words, stems = self._rules.words, self._stems
        if particle not in words.particles:
            return 0
        found = next((n for n in range(at + 2, min(at + _FARTHEST, len(stems))) if stems[n] == particle), 0)
        return found if found == len(stems) - 1 or particle not in words.function_words else 0

    def _word(self, at: int) -> None:
        token, places, reading = self._row[at], self._rules.places, self._reading
        word, leads = token.text, token.text in places.leaders
        if word in self._rules.words.function_words:
            reading.terms.append(self._stems[at])
            self._leads = leads or (self._leads and word in places.articles)
            self._owner = places.owners.get(word, self._owner)
            person = places.persons.get(word)
            if person is not None and reading.persons[-1:] != [person]:
                reading.persons.append(person)
        else:
            self._term(self._stems[at], named=token.named)
            if leads:
                reading.led.add(self._stems[at])
                self._leads = True
        if word in places.pointers:
            self._direction = word

    def _term(self, term: str, *, named: bool = False) -> None:
        """Takes a word or a phrase that is no function word."""
        words, reading = self._rules.words, self._reading
        if term in words.negations:
            reading.negations += 1
        elif term not in words.light and term not in words.hollow:
            if term in reading.content:
                reading.repeated.add(term)
            reading.content.add(term)
            if named:
                reading.named.add(term)
        self._thing(term)

    def _thing(self, term: str) -> None:
        """What a direction before it points to, and what an owner before it has."""
        reading = self._reading
        reading.terms.append(term)
        if self._leads:
            reading.led.add(term)
        if self._direction is not None:
            reading.objects.setdefault(self._direction, set()).add(term)
            self._direction = None
        if self._owner is not None:
            reading.owned[term] = self._owner
            self._owner = None


def _asks(words: list[str], rules: Rules) -> tuple[str, list[str]]:
    """What a text asks for, and the words that say so. A question word in the middle counts where a verb that asks
    comes after it.
    """
    questions = rules.questions
    for at in range(len(words)):
        length = matched(words, at, len(words), questions.phrases)
        if length and (at == 0 or length > 1 or (at + 1 < len(words) and words[at + 1] in questions.openings)):
            told = words[at : at + length]
            return questions.asked[tuple(told)], told
        if at == 0 and words[0] in questions.openings:
            return YES_OR_NO, []
    for verb, subject in pairwise(words[1:]):
        if verb in questions.openings and (subject in questions.subjects or subject in rules.places.owners):
            return YES_OR_NO, []
    return NOTHING, []


def _mode(words: list[str], questions: Questions) -> str | None:
    for at in range(len(words)):
        if length := matched(words, at, len(words), questions.mode_phrases):
            return questions.modes[tuple(words[at : at + length])]
    return None


def _is_english(row: list[Token], stems: list[str], rules: Rules) -> bool:
    """Whether enough words are known here to judge what the others do."""
    words = rules.words
    spoken = [
        (token.text, stem)
        for token, stem in zip(row, stems, strict=True)
        if token.kind is Kind.WORD and not token.named
    ]
    here = sum(word in words.function_words for word, _ in spoken)
    known = sum(word in words.function_words or stem in words.known for word, stem in spoken)
    return here >= sum(word in words.foreign for word, _ in spoken) and known >= _KNOWN_SHARE * len(spoken)
