"""Masses of a report, in its text and its tables, and which of them is that of the substance.

A report gives many: of each packet, of the whole, of the lawful goods around. The whole counts if
it is stated, then the mass that stands nearest to the substance in its sentence.

A table has a line of heads and rows with as many cells, between bars, semicolons or tabs. The
column whose head speaks of a net weight counts, then any other column of a weight; the unit stands
in the cell or in its head.

Numbers stand in digits by the marks of the report's language, or in words. English writes 2,300 for
two thousand three hundred and 2.3 with a point; Russian, Uzbek and Tajik write 2 300 and 2,3, and a
point before three digits of a weight stands for the comma.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from features.seizure_reports.folded_text import FoldedText, Language, Lexicon, Term, fold

_DIGITS = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:[ ]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*)(?!\d)")
_WORDS: Mapping[Language, Mapping[float, str]] = {
    "en": {
        0.5: "half",
        1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight",
        9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen", 14: "fourteen",
        15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen",
        20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy",
        80: "eighty", 90: "ninety", 100: "hundred", 1000: "thousand",
    },
    "ru": {
        0.5: "половина половину полкило полкилограмма", 1.5: "полтора полутора",
        1: "один одного одна одной одном одну", 2: "два две двух", 3: "три трех",
        4: "четыре четырех", 5: "пять пяти", 6: "шесть шести", 7: "семь семи",
        8: "восемь восьми", 9: "девять девяти", 10: "десять десяти",
        11: "одиннадцать одиннадцати", 12: "двенадцать двенадцати", 13: "тринадцать тринадцати",
        14: "четырнадцать четырнадцати", 15: "пятнадцать пятнадцати",
        16: "шестнадцать шестнадцати", 17: "семнадцать семнадцати",
        18: "восемнадцать восемнадцати", 19: "девятнадцать девятнадцати",
        20: "двадцать двадцати", 30: "тридцать тридцати", 40: "сорок сорока",
        50: "пятьдесят пятидесяти", 60: "шестьдесят шестидесяти", 70: "семьдесят семидесяти",
        80: "восемьдесят восьмидесяти", 90: "девяносто девяноста", 100: "сто ста",
        200: "двести двухсот", 300: "триста трехсот", 400: "четыреста четырехсот",
        500: "пятьсот пятисот", 600: "шестьсот шестисот", 700: "семьсот семисот",
        800: "восемьсот восьмисот", 900: "девятьсот девятисот",
        1000: "тысяча тысячи тысяч тысячу",
    },
    "uz": {
        0.5: "yarim ярим",
        1: "bir бир", 2: "ikki икки", 3: "uch уч", 4: "toʻrt тўрт", 5: "besh беш",
        6: "olti олти", 7: "yetti етти", 8: "sakkiz саккиз", 9: "toʻqqiz тўққиз",
        10: "oʻn ўн", 20: "yigirma йигирма", 30: "oʻttiz ўттиз", 40: "qirq қирқ",
        50: "ellik эллик", 60: "oltmish олтмиш", 70: "yetmish етмиш", 80: "sakson саксон",
        90: "toʻqson тўқсон", 100: "yuz юз", 1000: "ming минг",
    },
    "tg": {
        0.5: "ним",
        1: "як", 2: "ду", 3: "се", 4: "чор чаҳор", 5: "панҷ", 6: "шаш", 7: "ҳафт", 8: "ҳашт",
        9: "нӯҳ", 10: "даҳ", 11: "ёздаҳ", 12: "дувоздаҳ", 13: "сездаҳ", 14: "чордаҳ",
        15: "понздаҳ", 16: "шонздаҳ", 17: "ҳабдаҳ", 18: "ҳаждаҳ", 19: "нуздаҳ", 20: "бист",
        30: "сӣ", 40: "чил", 50: "панҷоҳ", 60: "шаст", 70: "ҳафтод", 80: "ҳаштод",
        90: "навад", 100: "сад яксад", 200: "дусад", 300: "сесад", 400: "чорсад", 500: "панҷсад",
        600: "шашсад", 700: "ҳафтсад", 800: "ҳаштсад", 900: "нӯҳсад", 1000: "ҳазор",
    },
}  # fmt: skip
_JOINERS: Mapping[Language, frozenset[str]] = {
    "en": frozenset({"and", "a"}),
    "ru": frozenset(),
    "uz": frozenset(),
    "tg": frozenset({"у", "ву", "ва"}),
}
_VALUES: Mapping[Language, Mapping[str, float]] = {
    language: {fold(word): value for value, words in table.items() for word in words.split()}
    for language, table in _WORDS.items()
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a report and its place."""

    value: float
    start: int
    end: int


def find_numbers(text: FoldedText, language: Language) -> list[Number]:
    """Return the numbers in digits and in words, in the order of the text."""
    digits = [
        Number(value, match.start(), match.end())
        for match in _DIGITS.finditer(text.folded)
        if (value := read_digits(match[0], language)) is not None
    ]
    return sorted([*digits, *_find_words(text.folded, language)], key=lambda one: one.start)


def read_digits(digits: str, language: Language) -> float | None:
    """Return the value of a number in digits; None for what is none, as 07.03.2024.

    >>> read_digits("2,300", "en"), read_digits("2,300", "ru"), read_digits("2 300,5", "ru")
    (2300.0, 2.3, 2300.5)
    """
    plain = digits.replace(" ", "")
    if language == "en":
        if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", plain):
            plain = plain.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "")
    plain = plain.replace(",", ".")
    return float(plain) if plain.count(".") < 2 else None


def _find_words(folded: str, language: Language) -> Iterator[Number]:
    values, joiners = _VALUES[language], _JOINERS[language]
    run: list[tuple[float, int, int]] = []
    for match in re.finditer(r"[^\W\d_]+(?:'[^\W\d_]+)*", folded):
        word = match[0]
        value = _value_of(word, values)
        if run and folded[run[-1][2] : match.start()].strip(" -"):
            yield _sum(run)
            run = []
        if value is not None:
            run.append((value, match.start(), match.end()))
        elif run and word not in joiners:
            yield _sum(run)
            run = []
        elif run:
            run[-1] = (run[-1][0], run[-1][1], match.end())
    if run:
        yield _sum(run)


def _value_of(word: str, values: Mapping[str, float]) -> float | None:
    """Return the value of a word; Tajik joins the parts of a number by a short u: чилу панч."""
    if word in values:
        return values[word]
    if word.endswith(("у", "ю")) and word[:-1] in values:  # чилу, and after a vowel сию
        return values[word[:-1]]
    for place in range(2, len(word) - 2):
        first, joiner, last = word[:place], word[place], word[place + 1 :]
        if joiner in "ую" and first in values and last in values:
            return values[first] + values[last]
    return None


def _sum(run: list[tuple[float, int, int]]) -> Number:
    """Return the number that words make: hundreds and thousands multiply what stands before."""
    whole = part = 0.0
    for value, _, _ in run:
        if value in (100, 1000) and part:
            part *= value
        else:
            part += value
        if value == 1000:
            whole, part = whole + part, 0.0
    return Number(whole + part, run[0][1], run[-1][2])


_JOINS = frozenset({"", "and", "ва", "ву", "va", "и", "у", ","})
_ADDED = re.compile(
    r"[\s,;.+]*(?:\d+[).]\s*)?(?:and|plus|и|ещё|еще|va|hamda|ва|ҳамда|боз|у)?\s*(?:[^\W\d]+\s+){0,2}"
)
_ITEM_END = re.compile(r"[;,]\s")
_NEAR, _RIGHT_AFTER = 24, 2
_COUNTED_WITHIN = 160
_FEWEST_PARTS, _MOST_PARTS = 2, 5_000
_FURTHEST, _APART = 850, 2
_REACH = _FURTHEST + 300 + 100
"""Characters beyond which no naming counts: the furthest, the worth of a total, a long name."""
_LEAD = 64
"""Characters before a number in which its label stands."""
_SPELLED = re.compile(r"\s*\([^()]{3,60}\)")
_GROSS_OF_GOODS = 1e5
"""Grams from which a gross weight is one of goods."""
_KILO, _REST_DIGITS, _GAPS = 1e3, 3, frozenset({" ", ". ", ", "})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A mass in grams, its place, and whether it is of the whole, of each part, or of cargo."""

    grams: float
    start: int
    end: int
    is_total: bool = False
    is_each: bool = False
    is_cargo: bool = False
    is_gross: bool = False
    """Weighed with its packing, or with what it was hidden in."""
    unit: float = 1.0


def find_quantities(
    text: FoldedText, numbers: Sequence[Number], lexicon: Lexicon
) -> list[Quantity]:
    """Return the masses in the order of the text; 2 kg 300 g is one."""
    units = {unit.start: unit for unit in lexicon.units.find(text.folded)}
    found: list[Quantity] = []
    ends = {unit.end: unit for unit in units.values()}
    for number in numbers:
        unit = _unit_after(text.folded, number, units)
        if unit is None and (label := _unit_before(text.folded, number, ends)) is not None:
            found.append(Quantity(number.value * float(label.code), number.start, number.end))
            continue
        if unit is None:
            if found and _is_rest(text.folded, found[-1], number):
                whole = found[-1]
                found[-1] = Quantity(whole.grams + number.value, whole.start, number.end)
            continue
        factor = float(unit.code)
        one = Quantity(number.value * factor, number.start, unit.end, unit=factor)
        last = found[-1] if found else None
        if (
            last
            and last.unit > factor
            and text.folded[last.end : one.start].strip(" .").strip() in _JOINS
        ):
            grams = last.grams + one.grams
            found[-1] = Quantity(grams, last.start, one.end, unit=factor)
        else:
            found.append(one)
    words = lexicon.wholes.find(text.folded)
    stated = lexicon.statements.find(text.folded)
    vehicles = {one.start for one in lexicon.vehicles.find(text.folded)}  # "yuk mashinasi"
    cargo = [one for one in stated if one.code == "cargo" and one.start not in vehicles]
    gross = [one for one in stated if one.code == "gross"]
    drugs = [
        one.start
        for one in lexicon.substances.find(text.folded)
        if lexicon.class_of[one.code] in ("narcotic", "psychotropic")
    ]
    drugs.append(len(text.folded))
    next_drugs = [(word, drugs[bisect_left(drugs, word.end)]) for word in cargo]
    masses_end = {one.end for one in found}
    marked = []
    for one in found:
        near = [word for word, drug in next_drugs if drug >= one.start]
        own = [word for word in gross if not _is_taken(word, one, masses_end)]
        marked.append(_mark(text, one, words, near, own))
    return marked


def _is_taken(word: Term, one: Quantity, masses_end: Collection[int]) -> bool:
    """Tell whether a word belongs to the mass right before it: "13 kg gross and 12 kg"."""
    return word.end <= one.start and any(
        word.start - gap in masses_end for gap in range(_RIGHT_AFTER + 1)
    )


def _unit_after(folded: str, number: Number, units: dict[int, Term]) -> Term | None:
    """Return the unit that follows a number; ``2024 г`` is a year."""
    place = number.end
    spelled = _SPELLED.match(folded, place)  # 350 (three hundred and fifty) grams
    place = spelled.end() if spelled else place
    while place < len(folded) and folded[place] in " -\n":
        place += 1
    unit = units.get(place)
    is_year = unit is not None and folded[place : unit.end] == "г" and 1950 <= number.value <= 2099
    return None if is_year and float(number.value).is_integer() else unit


def _unit_before(folded: str, number: Number, ends: dict[int, Term]) -> Term | None:
    """Return the unit of a label before a number: ``mass, kg: 41.3``, ``weight (g) - 350``."""
    before = max(number.start - _LEAD, 0)
    label = re.search(r"\.?\)?\s*[:=-]\s*$", folded[before : number.start])
    unit = ends.get(before + label.start()) if label is not None else None
    if unit is None or folded[max(unit.start - _LEAD, 0) : unit.start].rstrip()[-1:] not in (
        ",",
        "(",
    ):
        return None
    return unit


def _is_rest(folded: str, last: Quantity, number: Number) -> bool:
    """Tell whether three digits after kilograms are grams without their unit: ``17 кило 620``."""
    is_next = last.unit == _KILO and folded[last.end : number.start] in _GAPS
    digits = folded[number.start : number.end]
    follows = folded[number.end : number.end + 2].lstrip(" ")
    is_last = not follows or not (follows[0].isalnum() or follows[0] in "-/%")
    return is_next and is_last and len(digits) == _REST_DIGITS and digits.isdecimal()


def _mark(
    text: FoldedText,
    one: Quantity,
    wholes: Sequence[Term],
    cargo: Sequence[Term],
    gross: Sequence[Term],
) -> Quantity:
    is_total = is_each = False
    for word in wholes:
        is_before = 0 <= one.start - word.end <= _NEAR
        is_after = 0 <= word.start - one.end <= 12
        if max(one.start - word.end, word.start - one.end) > _NEAR:
            continue
        between = text.folded[min(word.end, one.end) : max(word.start, one.start)]
        if any(mark in between for mark in (".", ";", "\n\n")):
            continue
        if word.code == "total":
            is_total |= is_before or (is_after and not re.search(r"[^\W\d_]", between))
        else:
            is_each |= one.start >= word.end and one.start - word.end <= 6
            is_each |= is_after and between.strip() in ("", ",")
    is_cargo = any(_is_next_to(text.folded, one, word) for word in cargo)
    is_gross = any(_is_next_to(text.folded, one, word) for word in gross)
    about = {"is_total": is_total and not is_gross, "is_each": is_each, "is_cargo": is_cargo}
    return replace(one, is_gross=is_gross, **about)


def _is_next_to(folded: str, one: Quantity, word: Term) -> bool:
    """Tell whether a word stands shortly before or right after a mass, in the same clause."""
    gap = one.start - word.end if word.end <= one.start else word.start - one.end
    most = 40 if word.end <= one.start else 10
    between = slice(min(word.end, one.end), max(word.start, one.start))
    return 0 <= gap <= most and not re.search(r"[.;()\d]|\n\n", folded[between])


def choose_quantity(
    folded: str,
    substance: Sequence[Term],
    quantities: Sequence[Quantity],
    others: Sequence[Term],
    *,
    sentences: Sequence[tuple[int, int]],
    heaviest: float,
) -> Quantity | None:
    """Return the mass of a substance; from ``heaviest`` grams on it is likelier that of goods.

    substance : its namings in the text. others : namings of other substances, which take the masses
    that are nearer to them. sentences : their starts and ends.
    """
    costs = {
        one: min(_cost(folded, one, term, sentences) for term in near)
        for one in quantities
        if (near := _list_near(one, substance))
    }
    others = sorted(others, key=lambda term: term.start)
    own = {
        one: cost
        + 400 * one.is_each
        - 300 * (one.is_total and not others)
        + 900 * one.is_cargo
        + (850 if one.grams >= _GROSS_OF_GOODS else 450) * one.is_gross
        + 1200 * (one.grams >= heaviest)
        for one, cost in costs.items()
        if not any(_cost(folded, one, other, sentences) < cost for other in _list_near(one, others))
    }
    best = min(own, key=lambda one: (own[one], one.start), default=None)
    return best if best is not None and own[best] < _FURTHEST else None


def _list_near(one: Quantity, terms: Sequence[Term]) -> Sequence[Term]:
    """Return the terms that are near enough to a mass to name what weighs it."""
    first = bisect_left(terms, one.start - _REACH, key=lambda term: term.start)
    return terms[first : bisect_left(terms, one.end + _REACH, key=lambda term: term.start)]


def multiply_parts(
    text: FoldedText, each: Quantity, numbers: Sequence[Number], parts: Sequence[Term]
) -> Quantity:
    """Return the mass of all parts, where a number of parts stands before that of each."""
    starts = {part.start for part in parts}
    counts = [
        number
        for number in numbers
        if 0 <= each.start - number.end <= _COUNTED_WITHIN
        and number.value.is_integer()
        and _FEWEST_PARTS <= number.value <= _MOST_PARTS
        and any(number.end <= start <= number.end + 24 for start in starts)
        and "\n" not in text.folded[number.end : min(number.end + 1, len(text.folded))]
    ]
    if not counts:
        return each
    count = counts[-1]
    return replace(each, grams=each.grams * count.value, start=count.start)


def add_parts(
    text: FoldedText, first: Quantity, quantities: Sequence[Quantity], substances: Sequence[Term]
) -> Quantity:
    """Return a mass with those that are joined to it by an "and", no substance between them."""
    total = first
    for one in quantities:
        if (
            one.start >= total.end
            and not (one.is_cargo or one.is_gross or one.is_total)
            and _is_added(text.folded, (total.end, one.start), substances)
        ):
            total = replace(total, grams=total.grams + one.grams, end=one.end)
    for one in reversed(quantities):
        if (
            one.end <= total.start
            and not (one.is_cargo or one.is_gross or one.is_total)
            and _is_added(text.folded, (one.end, total.start), substances)
        ):
            total = replace(total, grams=total.grams + one.grams, start=one.start)
    return total


def _is_added(folded: str, span: tuple[int, int], substances: Sequence[Term]) -> bool:
    between = folded[slice(*span)]
    has_substance = any(span[0] <= term.start < span[1] for term in substances)
    return bool(between.strip()) and not has_substance and _ADDED.fullmatch(between) is not None


def read_column(
    text: FoldedText, term: Term, numbers: Sequence[Number], lexicon: Lexicon
) -> Quantity | None:
    """Return the mass in the row of a table whose head names the unit, as ``kg``."""
    start = text.folded.rfind("\n", 0, term.start) + 1
    end = text.folded.find("\n", term.end)
    row = (start, len(text.folded) if end < 0 else end)
    heads = [
        unit
        for unit in lexicon.units.find(text.folded[:start])
        if float(unit.code) > 1
        and not re.search(r"\d[ \d.,]*$", text.folded[max(unit.start - _LEAD, 0) : unit.start])
        and text.folded[unit.end : unit.end + 1] != "/"
    ]
    found = [
        one
        for one in numbers
        if term.end <= one.start < row[1] and re.search(r"[.,]\d", text.text[one.start : one.end])
    ]
    if not heads or not found:
        return None
    digits = text.text[found[0].start : found[0].end].replace(",", ".")
    grams = float(digits) * float(heads[-1].code) if digits.count(".") == 1 else None
    return None if grams is None else Quantity(grams, found[0].start, found[0].end)


def _cost(folded: str, one: Quantity, term: Term, sentences: Sequence[tuple[int, int]]) -> float:
    """Return how far a mass is from a naming; another sentence, or item of a list, is further."""
    gap = max(term.start - one.end, one.start - term.end, 0)
    apart = abs(_sentence_of(one.start, sentences) - _sentence_of(term.start, sentences))
    between = folded[min(one.end, term.end) : max(one.start, term.start)]
    return gap + 150 * min(apart, _APART) + 30 * (_ITEM_END.search(between) is not None)


def _sentence_of(place: int, sentences: Sequence[tuple[int, int]]) -> int:
    return max(bisect_right(sentences, place, key=lambda one: one[0]) - 1, 0)


_ITEM = re.compile(r"^\s*(?:\d+[).]|[-•*]|[a-zа-я]\d+)\s", re.MULTILINE)


def sum_list(
    text: FoldedText, substance: Sequence[Term], quantities: Sequence[Quantity]
) -> Quantity | None:
    """Return the sum over the items of a list that each name the substance and a mass."""
    items: list[Quantity] = []
    for match in _ITEM.finditer(text.folded):
        end = text.folded.find("\n", match.end())
        span = range(match.start(), len(text.folded) if end < 0 else end)
        inside = [one for one in quantities if one.start in span]
        if inside and any(term.start in span for term in substance):
            items.append(inside[-1])
    if len(items) < _FEWEST_PARTS:
        return None
    return replace(items[0], grams=sum(one.grams for one in items), end=items[-1].end)


_MARKS = ("|", ";", "\t")
_FEWEST_CELLS = 3
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells of one line, each from its first character up to the mark behind it."""

    mark: str
    cells: Sequence[Span]


def find_row(text: str, place: int) -> TableRow | None:
    """Return the row of the line at a place; None where the line is no row."""
    return _list_rows(text)[text.rfind("\n", 0, place) + 1][0]


def find_heads(text: str, row: TableRow) -> TableRow | None:
    """Return the nearest line above with as many cells and no digits of weights."""
    return _list_rows(text)[text.rfind("\n", 0, row.cells[0][0]) + 1][1]


@lru_cache(maxsize=4)
def _list_rows(text: str) -> Mapping[int, tuple[TableRow | None, TableRow | None]]:
    """Return the row of each line and its heads, by where the line begins."""
    found: dict[int, tuple[TableRow | None, TableRow | None]] = {}
    heads: dict[tuple[str, int], TableRow] = {}
    start = 0
    for line in text.split("\n"):
        row = _split_line(line, start)
        found[start] = row, heads.get((row.mark, len(row.cells))) if row else None
        is_named = re.search(r"[^\W\d_]", line) is not None  # no rule of dashes
        if row and is_named and not re.search(r"\d", line):
            heads[row.mark, len(row.cells)] = row
        start += len(line) + 1
    return found


def _split_line(line: str, start: int) -> TableRow | None:
    for mark in _MARKS:
        marks = [at for at, letter in enumerate(line) if letter == mark]
        cells = [(left + 1, right) for left, right in pairwise([-1, *marks, len(line)])]
        cells = [cell for cell in cells if line[slice(*cell)].strip()]
        if len(cells) >= _FEWEST_CELLS:
            return TableRow(mark, [(start + left, start + right) for left, right in cells])
    return None


def read_cell(
    text: FoldedText,
    term: Term,
    quantities: Sequence[Quantity],
    numbers: Sequence[Number],
    lexicon: Lexicon,
) -> Quantity | None:
    """Return the mass in the row of a substance, None where there is no such table."""
    row = find_row(text.text, term.start)
    heads = None if row is None else find_heads(text.text, row)
    if row is None or heads is None:
        return None
    ranked = [(_rank_head(text, head, lexicon), number) for number, head in enumerate(heads.cells)]
    for _, number in sorted((rank, number) for rank, number in ranked if rank is not None):
        head, cell = heads.cells[number], row.cells[number]
        found = _read_mass(text, head, cell, quantities, numbers, lexicon)
        if found is not None:
            return replace(found, is_total=True, is_cargo=False, is_gross=False)
    return None


def _rank_head(text: FoldedText, head: Span, lexicon: Lexicon) -> int | None:
    """Return 0 for a net weight, 1 for a weight, 2 for a gross one; None for another column."""
    words = text.folded[slice(*head)]
    if any(one.code == "gross" for one in lexicon.statements.find(words)):
        return 2
    if any(one.code == "total" for one in lexicon.wholes.find(words)):
        return 0
    return 1 if lexicon.columns.find(words) else None


def _read_mass(
    text: FoldedText,
    head: Span,
    cell: Span,
    quantities: Sequence[Quantity],
    numbers: Sequence[Number],
    lexicon: Lexicon,
) -> Quantity | None:
    stated = [one for one in quantities if cell[0] <= one.start < cell[1]]
    if stated:
        return stated[0]
    units = lexicon.units.find(text.folded[slice(*head)])
    bare = [one for one in numbers if cell[0] <= one.start < cell[1]]
    if not units or len(bare) != 1:
        return None
    return Quantity(bare[0].value * float(units[-1].code), bare[0].start, bare[0].end)
