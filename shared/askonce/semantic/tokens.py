"""A text cut into words, numbers and signs. Knows how they are written; knows no word of any language."""

import re
import unicodedata
from enum import Enum, auto
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
    (?P<code>[A-Za-z][\w+.-]{1,16}://\S*[\w/] | www\.\S*\w | [\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+ | @\w+
        | (?<![\w.])[~.]{0,2}/[\w.-]+(?:/[\w.-]+)* | \w{0,64}_\w* | \w[\w-]{0,64}(?:\.[A-Za-z]\w+)+ )
    | (?P<dotted>(?:[A-Za-z]\.){2,})
    | (?P<date>(?<!\w)[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?!\w) | (?<!\w)[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}(?!\w))
    | (?P<clock>(?<!\w)[0-9]{1,2}(?:[:.][0-9]{2})?\ ?[ap]\.?m\b\.? | (?<!\w)[0-9]{1,2}:[0-9]{2}(?!\w))
    | (?P<number>(?:(?<![\w)])[-\u2212])?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)*)
    | (?P<word>[^\W_]\w*(?:'\w+)*(?:\+\+|\#(?!\w))?)
    | (?P<sign>[^\w\s])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|(?<!\w)['\u2018]([^'\u2018\n]+)'(?!\w)")
_CODE: Final = re.compile(r"[{}\[\]<>=\\|`]|\w\(|::|->|;\s*$", re.MULTILINE)
_ENDS: Final = frozenset(".!?:\n;\u2026")
_PLAIN: Final = frozenset("!\"'(),-.:;?_`~")
_BEFORE_WORDS: Final = frozenset("!-~")


class Kind(Enum):
    WORD = auto()
    NUMBER = auto()
    DATE = auto()
    SIGN = auto()


class Token(NamedTuple):
    """`text` is in lower case. `named` where it is written like a name: a capital inside a sentence, or a digit in a
    word. `tight` where nothing stands between it and the token before.
    """

    text: str
    kind: Kind
    named: bool = False
    tight: bool = False


def normal(text: str) -> str:
    """One spelling of what looks alike: compatibility forms and typographic apostrophes."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).replace("\u2019", "'")


def is_code(text: str) -> bool:
    """Whether a text has what prose has not: brackets and signs of code, of JSON, of a formula."""
    return _CODE.search(text) is not None


def quotations(text: str) -> list[str]:
    """What stands between quotation marks, in lower case."""
    return ["".join(marked).strip().lower() for marked in _QUOTED.findall(text)]


def tokens(text: str) -> list[Token]:
    """The words, numbers and signs of a text that `normal` gave, in order; plain punctuation is left out."""
    found: list[Token] = []
    shouted = _is_title(text)
    begins, end = True, -1
    for match in _TOKEN.finditer(text):
        kind, raw, start = match.lastgroup, match.group(), match.start()
        if kind == "sign":
            begins = begins or raw in _ENDS
            if _is_sign(text, start):
                found.append(Token(raw, Kind.SIGN))
        else:
            found.append(_token(kind, raw, tight=start == end, inside=not (shouted or begins)))
            begins, end = False, match.end()
    return found


def _token(kind: str | None, raw: str, *, tight: bool, inside: bool) -> Token:
    lower = raw.lower()
    match kind:
        case "word":
            return Token(lower, Kind.WORD, _is_name(raw, inside=inside), tight)
        case "number":
            return Token(lower.replace(",", "").replace("\u2212", "-"), Kind.NUMBER, tight=tight)
        case "clock":
            return Token(_clock(lower), Kind.DATE)
        case "date":
            return Token(_date(lower), Kind.DATE)
        case "dotted":
            return Token(lower.replace(".", ""), Kind.WORD, inside, tight)
        case _:
            return Token(lower, Kind.WORD, named=True, tight=tight)


def _is_name(raw: str, *, inside: bool) -> bool:
    """As "London" is inside a sentence, and "iPhone", "P60" and "C#" are anywhere."""
    if raw.isalpha():
        mixed = raw != raw.lower() and not (raw.istitle() or raw.isupper())
        return mixed or (inside and raw[0].isupper() and raw != "I")
    return any(map(str.isdigit, raw)) or raw[-1] in "+#" or (inside and raw[0].isupper() and "'" not in raw[:2])


def _clock(written: str) -> str:
    """In 24 hours: "2:30 pm" is "14:30"."""
    hour, _, minute = written.rstrip("apm. ").replace(".", ":").partition(":")
    half = 12 if "p" in written else 0
    hours = int(hour) % 12 + half if "m" in written else int(hour)
    return f"{hours}:{minute or '00'}"


def _date(written: str) -> str:
    """Without zeros in front: "01/05/2024" is "1-5-2024". Which is the month is not known."""
    return "-".join(part.lstrip("0") or "0" for part in re.split(r"[-/.]", written))


def _is_sign(text: str, at: int) -> bool:
    """Whether a character says something: a plus, a currency, an emoji; the minus of "-x" and of "3-2"."""
    sign, before, after = text[at], text[max(0, at - 1) : at], text[at + 1 : at + 2]
    if sign not in _PLAIN:
        return sign.isascii() or unicodedata.category(sign)[0] in "SM"
    if sign == "-" and text[max(0, at - 2) : at].strip()[-1:].isdigit() and text[at + 1 : at + 3].strip()[:1].isdigit():
        return True
    return sign in _BEFORE_WORDS and not before.isalnum() and (after.isalnum() or after == sign)


def _is_title(text: str) -> bool:
    """Whether capitals say nothing here: most words begin with one."""
    words = text.split()
    return len(words) > 2 and sum(word[0].isupper() for word in words) * 3 > len(words) * 2
