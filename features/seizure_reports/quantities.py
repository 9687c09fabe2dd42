"""Masses of a report, and which of them is that of the substance.

A report gives many: of each packet, of the whole, of the lawful goods around. The whole counts
where it is stated, then the mass that stands nearest to the substance in its sentence.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from features.seizure_reports.folded_text import FoldedText, Term
from features.seizure_reports.lexicon import Lexicon
from features.seizure_reports.numbers import Number

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
        if last and last.unit > factor and _joins(text.folded[last.end : one.start]):
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


def _joins(between: str) -> bool:
    return between.strip(" .").strip() in _JOINS


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
