"""Text whose letters are compared by what they stand for, and the terms found in it.

Reports come from typewriters and phones: one word stands with and without its accents, its
apostrophe and the letters that a keyboard lacks. Folding replaces letters one for one, so that a
place in the folded text is the same place in the report. The words by which reports name
substances, places, methods and vehicles are those of ``lexicon.toml``.
"""

import re
import tomllib
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from engine.domain.records import SubstanceClass

Language = Literal["en", "ru", "uz", "tg"]

_FOLDS = str.maketrans(
    {
        **dict.fromkeys("ʻʼ’‘`´ʹ′", "'"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "),
        **dict.fromkeys("‐‑–—−", "-"),
        **dict(zip("ёӣӯҳқғҷў", "еиухкгчу", strict=True)),
    }
)
_MISREAD = re.compile(r"(?<!\w)(?=[OОoоlI.,:-]*\d)[\dOОoоlI][\dOОoоlI.,:-]*[\dOОoоlI](?!\w)")
"""Numbers in which a scan took a nought or a one for a letter."""
_DIGITS = str.maketrans("OОoоlI", "000011")
_POINTS: Mapping[str, str] = {"ТЧК": ".", "ЗПТ": ",", "STOP": "."}
_TELEGRAM = re.compile(rf"(?<!\w)(?:{'|'.join(_POINTS)})(?!\w)")
_DIVIDED = re.compile(r"(?<=[^\W\d_][^\W\d_])-\n([^\W\d_A-ZА-ЯЁ]+)")
"""The end of a word that a line end divides: a scan keeps the lines of the paper."""
_FUNCTION_WORDS: Mapping[Language, str] = {
    "en": "the of and in was were with by under from",
    "ru": "в и на с из по при был была было под его от года что",
    "uz": "va bilan uchun ushbu yil yilning hamda soat topildi edi kuni ham boʻlib holda ва билан "
    "учун ушбу йил йилнинг ҳамда соат топилди эди куни бўлиб",
    "tg": "аз дар ва ба бо барои ки аст буд шуд соли мебошад карда шудааст",
}


@dataclass(frozen=True, slots=True)
class Passage:
    """Place in the text of a report: characters ``start`` to ``end``, without the last."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text in composed form, and the same text folded, letter by letter."""

    text: str
    marked: str = field(init=False)
    """With the points of telegrams, and words whole that a line end divides; of equal length."""
    folded: str = field(init=False)

    def __post_init__(self) -> None:
        composed = unicodedata.normalize("NFC", self.text)
        marked = mark_text(composed)
        object.__setattr__(self, "text", composed)
        object.__setattr__(self, "marked", marked)
        object.__setattr__(self, "folded", fold(marked))

    def passage(self, start: int, end: int) -> Passage:
        """Return a place of the text with its words."""
        return Passage(start, end, self.text[start:end])


def mark_text(text: str) -> str:
    r"""Return the text, as long as it was, with points of telegrams and without divided words.

    >>> mark_text("полуприце-\nпа ТЧК")
    'полуприцепа   .  '
    """
    pointed = _TELEGRAM.sub(lambda match: _POINTS[match[0]].ljust(len(match[0])), text)
    return _DIVIDED.sub(r"\1  ", pointed)


def fold(text: str) -> str:
    """Return the text folded, as long as it was.

    >>> fold("Дар ҲУҶҶАТҲО, Oʻybek")
    "дар хуччатхо, o'ybek"
    """
    mended = _MISREAD.sub(lambda match: match[0].translate(_DIGITS), text)
    mended = re.sub(r"(?<=[a-z])0(?=[a-z])", "o", re.sub(r"(?<=[а-я])0(?=[а-я])", "о", mended))
    lowered = "".join(low if len(low := letter.lower()) == 1 else letter for letter in mended)
    return lowered.translate(_FOLDS)


def find_language(folded: str) -> Language:
    """Return the language of the most function words; else Russian or English by the letters."""
    words = re.findall(r"[^\W\d_]+", folded)

    def count(language: Language) -> int:
        known = frozenset(fold(_FUNCTION_WORDS[language]).split())
        return sum(word in known for word in words)

    most = max(_FUNCTION_WORDS, key=count)
    if count(most):
        return most
    return "ru" if len(re.findall("[а-я]", folded)) > len(re.findall("[a-z]", folded)) else "en"


@dataclass(frozen=True, slots=True)
class Term:
    """One naming of a code in a text."""

    code: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Terms:
    """Wordings of codes; find where a folded text names them.

    ``wordings`` maps a code to its wordings: words separated by spaces, a star at the end of a word
    for any ending. Where two wordings overlap, the longer one counts.
    """

    wordings: Mapping[str, Iterable[str]]
    follow_digits: bool = False
    """Whether a term may stand right behind a digit, as a unit does: ``820g``."""
    _patterns: tuple[tuple[str, re.Pattern[str]], ...] = field(init=False)

    def __post_init__(self) -> None:
        behind = r"(?<![^\W\d_])(?<!['_])" if self.follow_digits else r"(?<![\w'])"
        patterns = tuple(
            (code, re.compile(behind + "(?:" + "|".join(_expressions(wordings)) + r")(?![\w'])"))
            for code, wordings in self.wordings.items()
        )
        object.__setattr__(self, "_patterns", patterns)

    def find(self, folded: str) -> Sequence[Term]:
        """Return the terms in the order of the text, none inside another."""
        return _find(self, folded)

    def search(self, folded: str) -> Iterator[Term]:
        """Yield every naming of a code, those inside another too."""
        for code, pattern in self._patterns:
            for match in pattern.finditer(folded):
                yield Term(code, match.start(), match.end())


@lru_cache(maxsize=64)
def _find(terms: Terms, folded: str) -> tuple[Term, ...]:
    """Return what :meth:`Terms.find` does; a report asks for the same terms over and over."""
    kept: list[Term] = []
    for term in sorted(terms.search(folded), key=lambda one: (one.start - one.end, one.start)):
        at = bisect_left(kept, term.start, key=lambda one: one.start)
        is_free = at == len(kept) or term.end <= kept[at].start
        if is_free and (at == 0 or kept[at - 1].end <= term.start):
            kept.insert(at, term)
    return tuple(kept)


def _expressions(wordings: Iterable[str]) -> Iterator[str]:
    """Yield an expression a wording, the longest first, so that it is tried first."""
    for wording in sorted(wordings, key=len, reverse=True):
        words = (
            re.escape(word).replace("'", "'?").replace(r"\*", r"[\w']*")
            for word in fold(wording).split()
        )
        yield r"[\s\-\"«»“”,.']+(?:\([^()]{1,24}\)\s*)?".join(words)


def find_sentences(text: str) -> list[tuple[int, int]]:
    """Return start and end of each sentence or paragraph.

    A point after a single letter or a unit ends nothing: ``г. Ташкент``, ``2 кг. 300 г``; one after
    a number and its unit does, where a word with a capital follows: ``990 г. Справка``.
    """
    ends = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    return [(start, end) for start, end in pairwise(ends) if end > start]


_END = re.compile(
    r"(?<!(?<!\d )(?<![\w'’‘ʻʼ`])[^\W\d_])(?<!\b(?:гр|gr|см|No))[.!?;]+(?=\s+[^\Wа-яa-z_])"
    r"|\n\s*\n|\n(?=\s*[-•*])|\n(?=[^\n]*(?:\S {3,}\S|\|))"
)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Terms of every kind of value, and the class of each substance."""

    substances: Terms
    class_of: Mapping[str, SubstanceClass]
    classes: Terms
    places: Terms
    concealments: Terms
    vehicles: Terms
    trailers: Terms
    methods: Terms
    months: Terms
    days: Terms
    units: Terms
    wholes: Terms
    columns: Terms
    dates: Terms
    statements: Terms


@cache
def read_lexicon() -> Lexicon:
    """Read the lexicon that comes with the package."""
    text = Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    substances = tables.pop("substances")
    return Lexicon(
        substances=Terms({code: words for of in substances.values() for code, words in of.items()}),
        class_of={code: name for name, of in substances.items() for code in of},
        **{name: Terms(table, name == "units") for name, table in tables.items()},
    )
