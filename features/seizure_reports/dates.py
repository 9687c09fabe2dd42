"""Dates of a report, and which of them is that of the seizure.

A report holds other dates too: of the report, of an expert's conclusion, of a case. The words
around a date say what it belongs to.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from features.seizure_reports.folded_text import FoldedText, Language, Term
from features.seizure_reports.lexicon import Lexicon

_ISO = re.compile(r"(?<![\d.-])(?P<y>(?:19|20)\d\d)[-.](?P<m>\d\d)[-.](?P<d>\d\d)(?!\d)")
_NUMERIC = re.compile(
    r"(?<![\d.,/-])(?P<d>\d{1,2})(?P<mark>[./-])(?P<m>\d{1,2})(?P=mark)(?P<y>(?:19|20)\d\d|\d\d)(?!\d)"
)
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?[\s\-\"»”]*(?:of )?"
_YEAR = r"[\s,.\-\"»”]*(?:соли |of )?(?P<y>(?:19|20)\d\d)(?!\d)"
_YEAR_BEFORE = (
    r"(?P<y>(?:19|20)\d\d)[\s\-]*"
    r"(?:yil(?:ning|i|da)?|йил(?:нинг|и|да)?|соли|г(?:\.|ода)?|,)?[\s\-,]*"
)
_AROUND = 90


@dataclass(frozen=True, slots=True)
class ReportDate:
    """A day that a report names, and its place."""

    day: date
    start: int
    end: int


def find_dates(text: FoldedText, language: Language, lexicon: Lexicon) -> list[ReportDate]:
    """Return the days that the text names with a year, in its order.

    ``03/07/2024`` is read day first, as all four administrations write it.
    """
    months = lexicon.months.find(text.folded)
    found = [*_find_numeric(text.folded), *_find_worded(text.folded, months)]
    kept: dict[int, ReportDate] = {}
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not any(other.start <= one.start < other.end for other in kept.values()):
            kept[one.start] = one
    return list(kept.values())


def _find_numeric(folded: str) -> Iterator[ReportDate]:
    for pattern in (_ISO, _NUMERIC):
        for match in pattern.finditer(folded):
            yield from _read(match, int(match["m"]), match.start(), match.end())


def _find_worded(folded: str, months: Sequence[Term]) -> Iterator[ReportDate]:
    """Yield days written with the name of the month, in any order of its parts."""
    for month in months:
        number = int(month.code)
        before = re.search(_DAY + r"$", folded[max(month.start - 12, 0) : month.start])
        after = re.match(_YEAR, folded[month.end : month.end + 16])
        if before and after:
            start = month.start - (len(before[0]))
            yield from _make(after["y"], number, before["d"], start, month.end + after.end())
            continue
        lead = max(month.start - 32, 0)
        year_first = re.search(_YEAR_BEFORE + _DAY + r"$", folded[lead : month.start])
        if year_first:
            start = lead + year_first.start()
            yield from _make(year_first["y"], number, year_first["d"], start, month.end)
            continue
        american = re.match(
            r"\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)(?!\d)",
            folded[month.end : month.end + 20],
        )
        if american:
            yield from _make(
                american["y"], number, american["d"], month.start, month.end + american.end()
            )


def _read(match: re.Match[str], month: int, start: int, end: int) -> Iterator[ReportDate]:
    yield from _make(match["y"], month, match["d"], start, end)


def _make(year: str, month: int, day: str, start: int, end: int) -> Iterator[ReportDate]:
    century = 2000 if len(year) == 2 else 0
    try:
        yield ReportDate(date(century + int(year), month, int(day)), start, end)
    except ValueError:
        return


def choose_seizure_date(
    text: FoldedText, dates: Sequence[ReportDate], lexicon: Lexicon
) -> ReportDate | None:
    """Return the day whose surroundings speak most of a seizure; the first among equals.

    Words of the date's own sentence count, the nearer the more.
    """
    if not dates:
        return None
    words = lexicon.dates.find(text.folded)
    return max(dates, key=lambda one: (_weigh(text, one, words), -one.start))


def _weigh(text: FoldedText, one: ReportDate, words: Sequence[Term]) -> float:
    weight = 0.0
    for word in words:
        gap = max(word.start - one.end, one.start - word.end, 0)
        between = text.folded[min(word.end, one.end) : max(word.start, one.start)]
        if gap > 4 * _AROUND or "\n\n" in between:
            continue
        sign = 1.0 if word.code == "seizure" else -2.0 if gap < 30 else -0.5
        weight += sign / (1 + gap / _AROUND)
    return weight
