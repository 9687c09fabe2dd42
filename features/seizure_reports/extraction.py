"""Proposed seizures of a report, each value with the passage it came from.

Rules and lexicons propose; a person confirms. What the report does not state stays absent. Names
of persons are no value of a seizure and are not looked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Generic, Protocol, TypeVar, cast

from engine.domain.records import SubstanceClass
from features.seizure_reports.dates import choose_seizure_date, find_dates
from features.seizure_reports.folded_text import (
    FoldedText,
    Language,
    Passage,
    Term,
    Terms,
    find_language,
    find_sentences,
)
from features.seizure_reports.lexicon import Lexicon, read_lexicon
from features.seizure_reports.numbers import find_numbers
from features.seizure_reports.plates import find_plates
from features.seizure_reports.posts import find_post
from features.seizure_reports.quantities import choose_quantity, find_quantities

_Value = TypeVar("_Value")
_GENERIC = frozenset({"among", "среди", "байни", "миени", "орасида", "orasida", "внутри", "двер"})


class _TextPlace(Protocol):
    """What has a place in the text."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class CitedValue(Generic[_Value]):
    """A value and the passage of the report that states it."""

    value: _Value
    passage: Passage

    def describe(self) -> dict[str, Any]:
        """Return the value and its passage as JSON; a day as its ISO text."""
        value = self.value.isoformat() if isinstance(self.value, date) else self.value
        return {"value": value, "passage": asdict(self.passage)}


@dataclass(frozen=True, slots=True)
class ProposedSeizure:
    """One substance of a report as a seizure; None for what the report does not state."""

    substance_class: CitedValue[SubstanceClass]
    substance: CitedValue[str] | None = None
    quantity_g: CitedValue[float] | None = None
    seized_on: CitedValue[date] | None = None
    post: CitedValue[str] | None = None
    vehicle_class: CitedValue[str] | None = None
    plate: CitedValue[str] | None = None
    place: CitedValue[str] | None = None
    concealment: CitedValue[str] | None = None
    methods: tuple[CitedValue[str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReportReading:
    """What a report was read as: its language and one proposal a substance."""

    language: Language
    seizures: tuple[ProposedSeizure, ...]


def read_report(text: str, posts: Mapping[str, Iterable[str]] | None = None) -> ReportReading:
    """Read a report.

    posts : names of each post by its code, as the network file states them.
    """
    reader = _Reader(FoldedText(text), read_lexicon(), posts or {})
    return ReportReading(reader.language, tuple(reader.read()))


def describe(reading: ReportReading) -> dict[str, Any]:
    """Return a reading as JSON: ``status``, ``language`` and ``seizures``.

    A value is ``{"value", "passage": {"start", "end", "text"}}``; ``methods`` is a list of them.
    """
    return {
        "status": "proposed" if reading.seizures else "nothing_found",
        "language": reading.language,
        "seizures": [_describe(seizure) for seizure in reading.seizures],
    }


def _describe(seizure: ProposedSeizure) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for one in fields(seizure):
        found = getattr(seizure, one.name)
        if isinstance(found, CitedValue):
            described[one.name] = found.describe()
        elif found:
            described[one.name] = [method.describe() for method in found]
    return described


class _Reader:
    """The reading of one report."""

    def __init__(
        self, text: FoldedText, lexicon: Lexicon, posts: Mapping[str, Iterable[str]]
    ) -> None:
        self.text, self.lexicon, self.posts = text, lexicon, posts
        self.language = find_language(text.folded)
        self.sentences = find_sentences(text.text)
        numbers = find_numbers(text, self.language)
        self.quantities = find_quantities(text, numbers, lexicon)
        self.dates = find_dates(text, self.language, lexicon)

    def read(self) -> list[ProposedSeizure]:
        """Return one proposal a substance; controlled ones alone where there are any."""
        named = self._group(self.lexicon.substances)
        if not named:
            classes = self._group(self.lexicon.classes)
            return [self._propose(code, terms, [], is_class=True) for code, terms in classes[:1]]
        controlled = [one for one in named if self.lexicon.class_of[one[0]] != "other"]
        kept = controlled or named
        proposals = [
            self._propose(code, terms, [t for c, of in kept if c != code for t in of])
            for code, terms in kept
        ]
        weighed = [one for one in proposals if one.quantity_g]
        return weighed or proposals[:1]

    def _group(self, terms: Terms) -> list[tuple[str, list[Term]]]:
        grouped: dict[str, list[Term]] = {}
        for term in terms.find(self.text.folded):
            grouped.setdefault(term.code, []).append(term)
        return list(grouped.items())

    def _propose(
        self, code: str, terms: Sequence[Term], others: Sequence[Term], *, is_class: bool = False
    ) -> ProposedSeizure:
        quantity = choose_quantity(terms, self.quantities, others, self.sentences)
        day = choose_seizure_date(self.text, self.dates, self.lexicon)
        plate = next(find_plates(self.text), None)
        post = find_post(self.text, self.posts)
        kind: SubstanceClass = (
            cast("SubstanceClass", code) if is_class else self.lexicon.class_of[code]
        )
        return ProposedSeizure(
            substance_class=self._cite(kind, terms[0]),
            substance=None if is_class else self._cite(code, terms[0]),
            quantity_g=self._cite(round(quantity.grams, 3), quantity) if quantity else None,
            seized_on=self._cite(day.day, day) if day else None,
            post=self._cite(post.code, post) if post else None,
            vehicle_class=self._choose(self.lexicon.vehicles, None),
            plate=CitedValue(plate.text, plate) if plate else None,
            place=self._choose(self.lexicon.places, terms),
            concealment=self._choose(self.lexicon.concealments, terms),
            methods=self._find_methods(),
        )

    def _cite(self, value: _Value, stated: _TextPlace) -> CitedValue[_Value]:
        return CitedValue(value, self.text.passage(stated.start, stated.end))

    def _choose(self, terms: Terms, near: Sequence[Term] | None) -> CitedValue[str] | None:
        """Return the first term, or the one nearest to others; vague ones come last."""
        found = terms.find(self.text.folded)
        if not found:
            return None
        best = min(found, key=lambda term: (self._distance(term, near), term.start))
        return self._cite(best.code, best)

    def _distance(self, term: Term, near: Sequence[Term] | None) -> float:
        if near is None:
            return 0.0
        gap = min(max(term.start - one.end, one.start - term.end, 0) for one in near)
        is_vague = self.text.folded[term.start : term.end] in _GENERIC
        return gap + 200.0 * is_vague

    def _find_methods(self) -> tuple[CitedValue[str], ...]:
        firsts: dict[str, Term] = {}
        for term in self.lexicon.methods.find(self.text.folded):
            firsts.setdefault(term.code, term)
        return tuple(self._cite(code, term) for code, term in firsts.items())
