"""Why a match by meaning is not trusted. The words are also what metrics and logs say."""

from enum import StrEnum


class Doubt(StrEnum):
    NUMBER = "number"  # a number that the other text does not have
    DATE = "date"  # a day, month, time or named day
    UNIT = "unit"  # the same number of something else: dollars and euros
    NEGATION = "negation"  # one text is turned round: not, never, un-
    ANTONYM = "antonym"  # a word and its opposite
    ALTERNATIVE = "alternative"  # two words of a list whose words exclude one another: red and blue
    ENTITY = "entity"  # a name, a code, an address, a file
    ORDER = "order"  # the same words with changed places
    QUESTION = "question"  # another thing is asked: how and why
    PERSON = "person"  # mine and yours; I call you and you call me
    SCOPE = "scope"  # a word that widens or narrows: only, all, before
    LITERAL = "literal"  # quotations, signs or code differ, or a text about words is not the same
    WORDING = "wording"  # words that have no partner in the other text
    LANGUAGE = "language"  # words differ, and too few of them are known here to tell how
    LENGTH = "length"  # too long to be compared word by word
