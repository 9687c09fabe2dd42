"""Masses of a report, and which of them is that of the substance.

A report gives many: of each packet, of the whole, of the lawful goods around. The whole counts
where it is stated, then the mass that stands nearest to the substance in its sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from features.seizure_reports.folded_text import FoldedText, Term
from features.seizure_reports.lexicon import Lexicon
from features.seizure_reports.numbers import Number

_JOINS = frozenset({"", "and", "ва", "va", "и", "у", ","})
_NEAR = 24


@dataclass(frozen=True, slots=True)
class Quantity:
    """A mass in grams, its place, and whether the text calls it the whole or that of each."""

    grams: float
    start: int
    end: int
    is_total: bool = False
    is_each: bool = False


def find_quantities(
    text: FoldedText, numbers: Sequence[Number], lexicon: Lexicon
) -> list[Quantity]:
    """Return the masses in the order of the text; 2 kg 300 g is one."""
    units = {unit.start: unit for unit in lexicon.units.find(text.folded)}
    found: list[Quantity] = []
    for number in numbers:
        unit = _unit_after(text.folded, number, units)
        if unit is None:
            continue
        one = Quantity(number.value * float(unit.code), number.start, unit.end)
        last = found[-1] if found else None
        if last and last.grams >= 1000 > one.grams and _joins(text.folded[last.end : one.start]):
            found[-1] = Quantity(last.grams + one.grams, last.start, one.end)
        else:
            found.append(one)
    wholes = lexicon.wholes.find(text.folded)
    return [_mark(text, one, wholes) for one in found]


def _unit_after(folded: str, number: Number, units: dict[int, Term]) -> Term | None:
    """Return the unit that follows a number; ``2024 г`` is a year."""
    place = number.end
    while place < len(folded) and folded[place] in " -\u00a0\n":
        place += 1
    unit = units.get(place)
    is_year = unit is not None and folded[place : unit.end] == "г" and 1950 <= number.value <= 2099
    return None if is_year and float(number.value).is_integer() else unit


def _joins(between: str) -> bool:
    return between.strip(" .").strip() in _JOINS


def _mark(text: FoldedText, one: Quantity, wholes: Sequence[Term]) -> Quantity:
    is_total = is_each = False
    for word in wholes:
        is_before = 0 <= one.start - word.end <= _NEAR
        is_after = 0 <= word.start - one.end <= 12
        between = text.folded[min(word.end, one.end) : max(word.start, one.start)]
        if any(mark in between for mark in ".;\n"):
            continue
        if word.code == "total":
            is_total |= is_before or is_after
        else:
            is_each |= (is_before and one.start - word.end <= 2) or is_after
    return Quantity(one.grams, one.start, one.end, is_total=is_total, is_each=is_each)


def choose_quantity(
    substance: Sequence[Term],
    quantities: Sequence[Quantity],
    others: Sequence[Term],
    sentences: Sequence[tuple[int, int]],
) -> Quantity | None:
    """Return the mass of a substance.

    substance : its namings in the text. others : namings of other substances, which take the masses
    that are nearer to them. sentences : their starts and ends.
    """
    best: tuple[float, int, Quantity] | None = None
    for one in quantities:
        cost = min((_cost(one, term, sentences) for term in substance), default=None)
        if cost is None:
            continue
        if any(_cost(one, other, sentences) < cost for other in others):
            continue
        cost += 400 * one.is_each - 300 * one.is_total
        if best is None or (cost, one.start) < best[:2]:
            best = (cost, one.start, one)
    return best[2] if best and best[0] < 700 else None


def _cost(one: Quantity, term: Term, sentences: Sequence[tuple[int, int]]) -> float:
    """Return how far a mass is from a naming; another sentence is further."""
    gap = max(term.start - one.end, one.start - term.end, 0)
    apart = abs(_sentence_of(one.start, sentences) - _sentence_of(term.start, sentences))
    return gap + 150 * apart


def _sentence_of(place: int, sentences: Sequence[tuple[int, int]]) -> int:
    return next((n for n, (start, end) in enumerate(sentences) if start <= place < end), 0)
