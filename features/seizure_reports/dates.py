"""Dates of a report, and which of them is that of the seizure.

A report holds other dates too: of the report, of an expert's conclusion, of a case. The words
around a date say what it belongs to.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from features.seizure_reports.folded_text import FoldedText, Lexicon, Term

_ISO = re.compile(r"(?<![\d.-])(?P<y>(?:19|20)\d\d)[-.](?P<m>\d\d)[-.](?P<d>\d\d)(?!\d)")
_NUMERIC = re.compile(
    r"(?<![\d.,/-])(?P<d>\d{1,2})(?P<mark>[./-])(?P<m>\d{1,2})(?P=mark)(?P<y>(?:19|20)\d\d|\d\d)(?!\d)"
)
_ORDINAL = r"(?:st|nd|rd|th|-?(?:го|ое|е|числа|уми|юми|ми|умин|inchi|nchi|чи|инчи))?"
_DAY = rf"(?P<d>\d{{1,2}}){_ORDINAL}[\s\-\"»”]*(?:of )?"
_THIS_YEAR = r"(?:соли (?:равон|чори)|с\. ?г\.|текущего года|joriy yil\w*|shu yil\w*|this year)?"
_YEAR = rf"[\s,.\-\"»”]*{_THIS_YEAR}[\s(]*(?:соли |of )?(?P<y>(?:19|20)\d\d)(?!\d)"
_YEAR_BEFORE = (
    r"(?P<y>(?:19|20)\d\d)[\s\-]*"
    r"(?:yil(?:ning|i|da)?|йил(?:нинг|и|да)?|соли|г(?:\.|ода)?|,)?[\s\-,]*"
)
_ZULU = re.compile(
    r"(?<!\w)(?P<d>\d\d)\d{4}z\s+(?P<m>[a-z]{3})[a-z]*\s+(?P<y>\d\d|(?:19|20)\d\d)(?!\d)"
)
"""Date-time group of a telex: day, hours and minutes, month and year."""
_WEEKDAY = (
    r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*|пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|среда|четверг|"
    r"пятница|суббота|воскресенье|[a-z]*shanba|juma|[а-я]*шанб[еа]|чумъа"
)
_ITEM = re.compile(rf"^[ ]*(?:[-•*|]|\d{{1,3}}\s?[).;:|])?\s*(?:(?:{_WEEKDAY})\.?,?\s+)?$")
"""What may stand in a line before the date that makes it a dated item: a number, a weekday."""
_NUMBERED_ITEM = re.compile(
    r"(?:^|[.;:!?]\s+)((?:first|second|third|fourth|один|перв(?:ое|ый|ая)|втор(?:ое|ой|ая)|"
    r"трет(?:ье|ий|ья)|четверт(?:ое|ый|ая)|birinchi(?:si)?|ikkinchi(?:si)?|uchinchi(?:si)?|"
    r"биринчи(?:си)?|иккинчи(?:си)?|учинчи(?:си)?|якум|дуюм|сеюм)\s*(?:case|случай)?[\s:,-]*)$"
)
"""An item of a digest within a line: "The first - 3 May: ... The second - 5 May: ..."."""
_DATELINE = re.compile(r"\s*(?:[^\W\d_][\w'-]*\.?\s){0,2}[^\W\d_][\w'-]*,\s*$")
"""Name of a town before the date of a message: "Tashkent, 3 October"."""
_SENTENCE_END = re.compile(r"(?:^|[^\W\d_]{3})[.!?]\s")
_THAT = re.compile(r"[^\W\d_]*,?\s*(?:that|что|ки|ki)\s")
_AROUND = 90
_LEAD, _LONGEST_LEAD = 64, 256
"""Characters around a date in which the words and marks that belong to it stand, and those of a
line before its date: what a pattern looks at from each date is bounded."""
HEADING_ENDS = 300
"""Characters from the beginning of a report in which a short line with a date is its heading."""
_LEAST_WEIGHT = -0.8
_CLEAR = 0.75
"""Weight by which a day outweighs all others where it is clear; below half of it, one in four of 84
days of invented reports was wrong, above it none."""
_LABEL = re.compile(r"(?:^|\n|\|)\s*(?:date|дата|сана|санаи ходиса|sana)\s*[:=-]\s*$")
_CLOCK = re.compile(
    r"[\s,]*(?:г\.?|куни|kuni)?[\s,]*(?:at|в|около|соати?|soat)?\s*"
    r"(?:[01]?\d|2[0-3])(?:[:.-][0-5]\d(?![\d.])|[0-5]\d(?!\d)| ?ч| ?час)"
)
"""An hour behind a day: the day on which something happened, not that of a paper."""
_LABELLED, _TIMED = 1.0, 0.5
_FROM = (" от", " dated", " аз", " до", " until", " by", " не позднее")
"""Words right before the date of a document, or before a day to come."""


@dataclass(frozen=True, slots=True)
class ReportDate:
    """A day that a report names, and its place."""

    day: date
    start: int
    end: int
    has_year: bool = True
    is_clear: bool = True
    """Whether it outweighs every other day of the report by far, where it was chosen."""


def find_dates(text: FoldedText, lexicon: Lexicon) -> list[ReportDate]:
    """Return the days that the text names, in its order.

    ``03/07/2024`` is read day first, as all four administrations write it. A day without a year is
    of the first year that the text names; six digits are a day where there is no other.
    """
    months = lexicon.months.find(text.folded)
    days = {day.end: day for day in lexicon.days.find(text.folded)}
    found = [
        *_find_spelled(text.folded, months, days),
        *_find_numeric(text.folded),
        *_find_zulu(text.folded, months),
        *_find_worded(text.folded, months),
    ]
    kept: dict[int, ReportDate] = {}
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not any(other.start <= one.start < other.end for other in kept.values()):
            kept[one.start] = one
    return list(kept.values()) or list(_find_telegraphic(text.folded))


def _find_spelled(
    folded: str, months: Sequence[Term], days: Mapping[int, Term]
) -> Iterator[ReportDate]:
    """Yield days written as words before the month: "the fourth of March 2021"."""
    for month in months:
        lead = re.search(r"(?:\s|of|-)*$", folded[max(month.start - _LEAD, 0) : month.start])
        day = days.get(month.start - len(lead[0])) if lead else None
        year = re.match(_YEAR, folded[month.end : month.end + 32])
        if day is not None and year is not None:
            yield from _make(
                year["y"], int(month.code), day.code, day.start, month.end + year.end()
            )


def _find_zulu(folded: str, months: Sequence[Term]) -> Iterator[ReportDate]:
    numbers = {month.start: int(month.code) for month in months}
    for match in _ZULU.finditer(folded):
        if match.start("m") in numbers:
            yield from _read(match, numbers[match.start("m")], match.start(), match.end())


def _find_telegraphic(folded: str) -> Iterator[ReportDate]:
    for match in re.finditer(r"(?<!\d)(?P<d>\d\d)(?P<m>\d\d)(?P<y>[0-3]\d)(?!\d)", folded):
        yield from _read(match, int(match["m"]), match.start(), match.end())


def _find_numeric(folded: str) -> Iterator[ReportDate]:
    for pattern in (_ISO, _NUMERIC):
        for match in pattern.finditer(folded):
            yield from _read(match, int(match["m"]), match.start(), match.end())


def _find_worded(folded: str, months: Sequence[Term]) -> Iterator[ReportDate]:
    """Yield days written with the name of the month, in any order of its parts."""
    year = re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", folded)
    for month in months:
        number = int(month.code)
        before = re.search(_DAY + r"$", folded[max(month.start - 12, 0) : month.start])
        after = re.match(_YEAR, folded[month.end : month.end + 32])
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
            continue
        if before and year:
            start = month.start - len(before[0])
            for one in _make(year[0], number, before["d"], start, month.end):
                yield replace(one, has_year=False)


def _read(match: re.Match[str], month: int, start: int, end: int) -> Iterator[ReportDate]:
    yield from _make(match["y"], month, match["d"], start, end)


def _make(year: str, month: int, day: str, start: int, end: int) -> Iterator[ReportDate]:
    century = 2000 if len(year) == 2 else 0
    try:
        yield ReportDate(date(century + int(year), month, int(day)), start, end)
    except ValueError:
        return


def choose_seizure_date(
    text: FoldedText,
    dates: Sequence[ReportDate],
    lexicon: Lexicon,
    substance: Sequence[Term],
) -> ReportDate | None:
    """Return the day whose surroundings speak most of a seizure; the first among equals.

    Words around a date count, the nearer the more, and so does the substance. Where the report says
    "yesterday" and names one day, it is the day before; none where all belong to something else.
    """
    if not dates:
        return None
    words = lexicon.dates.find(text.folded)
    strange = _find_strange(text, dates, substance)
    weights = {
        one: _weigh(text, one, words, dates)
        + _near(one, substance)
        - (0.0 if one.has_year else 0.3)
        - 2.0 * (one in strange)
        for one in dates
    }
    best = max(dates, key=lambda one: (weights[one], -one.start))
    if weights[best] < _LEAST_WEIGHT:
        return None
    others = [weight for one, weight in weights.items() if one.day != best.day]
    is_clear = weights[best] - max(others, default=-9.0) >= _CLEAR
    words = [word for word in lexicon.statements.find(text.folded) if word.code == "yesterday"]
    is_day_after = len({one.day for one in dates}) == 1 and any(
        not _is_apposition(text, word, best) for word in words
    )
    day = best.day - timedelta(days=1) if is_day_after else best.day
    return replace(best, day=day, is_clear=is_clear)


def _is_apposition(text: FoldedText, word: Term, one: ReportDate) -> bool:
    """Tell whether "yesterday" stands next to the day and means it: "yesterday, 12 August"."""
    between = text.folded[min(word.end, one.end) : max(word.start, one.start)]
    return len(between) <= 4 and not between.strip(" ,(-")


def find_items(text: FoldedText, dates: Sequence[ReportDate]) -> list[tuple[int, int]]:
    """Return the items of a digest or a table: lines that begin with a date, up to the next."""
    starts: list[int] = []
    for one in dates:
        begin = text.folded.rfind("\n", 0, one.start) + 1
        if item := _NUMBERED_ITEM.search(text.folded[begin : one.start]):
            begin += item.start(1)
            if not starts or starts[-1] != begin:
                starts.append(begin)
        elif (
            one.start - begin <= _LONGEST_LEAD
            and _ITEM.match(text.folded[begin : one.start])
            and (not starts or starts[-1] != begin)
        ):
            starts.append(begin)
    return list(pairwise([*starts, len(text.folded)])) if starts else []


def _find_strange(
    text: FoldedText, dates: Sequence[ReportDate], substance: Sequence[Term]
) -> list[ReportDate]:
    """Return the dates of items that do not name the substance, where another item does."""
    items = find_items(text, dates)
    others = [
        item for item in items if not any(item[0] <= term.start < item[1] for term in substance)
    ]
    if len(items) < 2 or len(others) == len(items):
        return []
    return [one for one in dates if any(start <= one.start < end for start, end in others)]


def _near(one: ReportDate, substance: Sequence[Term]) -> float:
    gaps = [max(term.start - one.end, one.start - term.end, 0) for term in substance]
    return 1 / (1 + min(gaps) / (2 * _AROUND)) if gaps else 0.0


def _weigh(
    text: FoldedText, one: ReportDate, words: Sequence[Term], dates: Sequence[ReportDate]
) -> float:
    before = text.folded[max(one.start - _LEAD, 0) : one.start]
    weight = -1.0 if before.rstrip('"« ').endswith(_FROM) else 0.0
    weight -= 0.8 * _is_heading(text, one, words)
    for word in words:
        gap = max(word.start - one.end, one.start - word.end, 0)
        if gap > 4 * _AROUND:
            continue
        between = text.folded[min(word.end, one.end) : max(word.start, one.start)]
        if "\n\n" in between:
            continue
        if word.code == "other" and _belongs_elsewhere(text, one, word, dates):
            continue
        is_close = gap < 30 and _SENTENCE_END.search(between) is None
        sign = 1.0 if word.code == "seizure" else -2.0 if is_close else -0.5
        weight += sign / (1 + gap / _AROUND)
    weight += _LABELLED * (_LABEL.search(before) is not None)
    return weight + _TIMED * (_CLOCK.match(text.folded, one.end, one.end + _LEAD) is not None)


def _belongs_elsewhere(
    text: FoldedText, one: ReportDate, word: Term, dates: Sequence[ReportDate]
) -> bool:
    """Tell whether a word has another date in between, or reports what follows: "says that"."""
    low, high = min(word.end, one.end), max(word.start, one.start)
    has_own = any(low <= other.start < high and other != one for other in dates)
    return has_own or _THAT.match(text.folded[word.end : word.end + 24]) is not None


def _is_heading(text: FoldedText, one: ReportDate, words: Sequence[Term]) -> bool:
    """Tell whether a date stands in a short line near the beginning, or behind a town's name."""
    start = text.folded.rfind("\n", 0, one.start) + 1
    end = text.folded.find("\n", one.end)
    line = (start, len(text.folded) if end < 0 else end)
    has_seizure = any(word.code == "seizure" and line[0] <= word.start < line[1] for word in words)
    has_label = text.folded[start - 1 if start else 0 : one.start].rstrip().endswith(":")
    is_short = line[1] - line[0] < 80 and one.start < HEADING_ENDS
    behind = text.folded[one.end : one.end + _LEAD].lstrip(' »"')
    is_dateline = (
        one.start - start <= _LONGEST_LEAD
        and _DATELINE.match(text.folded[start : one.start]) is not None
        and behind[:1] in (".", ":", "-", "(")
    )
    return (is_short and not has_seizure and not has_label) or is_dateline
