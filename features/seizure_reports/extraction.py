"""Proposed seizures of a report, each value with the passage it came from.

Rules and lexicons propose; a person confirms. A value that the report does not state stays absent.
Names of persons are no value of a seizure and are not looked for.

After a word for a plate any group of letters and digits is a plate; without such a word only a
group in the form of a plate of the countries around is. Names of posts are those of the network
file, compared as they sound: ``Ойбек`` and ``Oybek`` are one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from engine.domain.records import SubstanceClass
from engine.errors import InputError, RecordError
from features.seizure_reports.dates import (
    HEADING_ENDS,
    ReportDate,
    choose_seizure_date,
    find_dates,
    find_items,
)
from features.seizure_reports.folded_text import (
    FoldedText,
    Language,
    Lexicon,
    Passage,
    Term,
    Terms,
    find_language,
    find_sentences,
    fold,
    read_lexicon,
)
from features.seizure_reports.quantities import (
    Quantity,
    add_parts,
    choose_quantity,
    find_heads,
    find_numbers,
    find_quantities,
    find_row,
    multiply_parts,
    read_cell,
    read_column,
    sum_list,
)

_LETTER = "A-ZА-ЯЎҚҒҲ"
_NAMED = re.compile(
    r"(?:plates?|registration(?: number| plate| no\.?)?|reg\. ?no\.?|number plate|"
    r"гос\.? ?(?:рег\.? ?)?(?:номер\w*|знак\w*)|госномер\w*|г/н|г\.н\.|гос\. ?№|государственн\w+ "
    r"(?:регистрационн\w+ )?(?:номер\w*|знак\w*)|регистрационн\w+ (?:номер\w*|знак\w*)|"
    r"номерн\w+ знак\w*|"
    r"davlat raqam\w*(?: belgisi)?|d/r|давлат ракам\w*(?: белгиси)?|раками давлати\w*|"
    r"ракамаи давлати\w*|раками кайди?\w*)[\s:«\"„“№]*(?:no\.?|number|№|is|was)?[\s:«\"„“]*"
)
_TOKEN = re.compile(rf"[{_LETTER}0-9]{{1,6}}(?:[ -]?[{_LETTER}0-9]{{1,6}}){{0,4}}")
_FORMS = re.compile(
    rf"(?<![\w.,/-])(?:\d\d ?[{_LETTER}] ?\d{{3}} ?[{_LETTER}]{{2}}"  # UZ, persons
    rf"|\d\d ?\d{{3}} ?[{_LETTER}]{{3}}"  # UZ, firms
    rf"|\d{{4}} ?[{_LETTER}]{{2}} ?\d\d"  # TJ
    rf"|\d\d ?KG ?\d{{3}} ?[{_LETTER}]{{2,3}}"  # KG
    rf"|\d{{3}} ?[{_LETTER}]{{2,3}} ?\d\d"  # KZ
    rf"|[{_LETTER}] ?\d{{3}} ?[{_LETTER}]{{2}} ?\d{{2,3}}"  # RU
    rf"|[{_LETTER}]{{2}} ?\d{{4}} ?[{_LETTER}]{{2}})(?![\w])"  # TM
)


def find_plates(text: FoldedText) -> Iterator[Passage]:
    """Yield the plates in the order of the text, the same one once."""
    seen: set[str] = set()
    in_form = ((match.start(), match.end()) for match in _FORMS.finditer(text.text))
    places = sorted({*_find_named(text), *in_form})
    for start, end in places:
        plate = re.sub(r"[ -]", "", text.text[start:end])
        if not any(plate in other for other in seen):
            seen.add(plate)
            yield text.passage(start, end)


def _find_named(text: FoldedText) -> Iterator[tuple[int, int]]:
    for match in _NAMED.finditer(text.folded):
        token = _TOKEN.match(text.text, match.end())
        if token and sum(letter.isdigit() for letter in token[0]) >= 3:
            yield token.start(), token.end()


SHORTEST_NAME = 4
_LATIN = str.maketrans(
    dict(zip("абвгдезийклмнопрстуфхыэqxw", "abvgdeziyklmnoprstufhiekhv", strict=True))
    | {"ж": "j", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "yu", "я": "ya"}
    | dict.fromkeys("ъь'", "")
)


def find_post(text: FoldedText, posts: Mapping[str, Iterable[str]]) -> Term | None:
    """Return the first post that the text names, by its code or by one of its names."""
    named = ((code, name) for code, names in posts.items() for name in (code, *names))
    sounds = {_sound(name): code for code, name in named if len(name) >= SHORTEST_NAME}
    longest = sorted(sounds, key=len, reverse=True)
    for match in re.finditer(r"[^\W_]+(?:['-][^\W_]+)*", text.folded):
        sound = _sound(match[0])
        for name in longest:
            if sound.startswith(name) and len(sound) - len(name) <= 5:
                return Term(sounds[name], match.start(), match.end())
    return None


def _sound(name: str) -> str:
    return fold(name).replace("o'", "u").replace("kh", "h").replace("zh", "j").translate(_LATIN)


_Value = TypeVar("_Value")
_VAGUE = (
    "among",
    "среди",
    "байни",
    "миени",
    "ораси",
    "orasi",
    "внутри",
    "груз",
    "рам",
    "rama",
    "axle",
    "вместо",
    "instead",
    "фактически",
)
_FROM_PLACE = re.compile(r"\b(?:from|из|аз)\b(?:\s+[^\W\d_]+){0,2}[\s-]*$")
_ABLATIVE = re.compile(r"[\w']+(?:\s[\w']+){0,2}?(?<=(?:dan|дан))(?![\w'])")
_PARTS_OF_VEHICLES = ("engine", "двигател", "dvigatel", "мухаррик", "wheel", "колес", "чарх")
_COUNTED = ("weapons", "ammunition", "currency")
"""What is counted and never weighed."""
_CLAUSE_END = re.compile(r"[.;!?]\s|\n")
"""End of a clause that says whose a plate is."""
_FEWEST_EVENTS, _LISTED_PLACES = 2, 3
_BEFORE_PLATE, _TWO = 40, 2
_HEAVIEST = 1e6
"""Grams from which a mass is likelier one of goods, unless precursors are seized by the tonne."""


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
class SeizureReportReading:
    """What a report was read as: its language and one proposal a substance."""

    language: Language
    seizures: tuple[ProposedSeizure, ...]


def read_seizure_report(
    text: str,
    posts: Mapping[str, Iterable[str]] | None = None,
    *,
    most_items: int | None = None,
) -> SeizureReportReading:
    """Read a report.

    posts : names of each post by its code, as the network file states them.
    most_items : of a digest, over which it is refused; any number where it is None

    Raises ``RecordError``.
    """
    lexicon, names = read_lexicon(), posts or {}
    reader = _Reader(FoldedText(text), lexicon, names)
    if not (items := reader.split()):
        return SeizureReportReading(reader.language, tuple(reader.read()))
    if most_items is not None and len(items) > most_items:
        raise RecordError("report", "text", "too_many_items", f"it has over {most_items} items")
    seizures: list[ProposedSeizure] = []
    for item in items:
        part = _Reader(FoldedText(item.text), lexicon, names, reader.language)
        seizures += map(item.move, part.read())
    return SeizureReportReading(reader.language, tuple(seizures))


def describe(reading: SeizureReportReading) -> dict[str, Any]:
    """Return a reading as JSON: ``status``, ``language`` and ``seizures``.

    A value is ``{"value", "passage": {"start", "end", "text"}}``; ``methods`` is a list of them.
    """
    return {
        "status": "proposed" if reading.seizures else "nothing_found",
        "language": reading.language,
        "seizures": [_describe(seizure) for seizure in reading.seizures],
    }


def read_bounded(_: Path, given: bytes) -> bytes:
    """Return the description of a report that is given as JSON: the work of a worker process.

    ``{"text": text, "posts": {code: [name]}, "most_items": number}``; raises ``RecordError``.
    """
    asked = json.loads(given)
    reading = read_seizure_report(asked["text"], asked["posts"], most_items=asked["most_items"])
    return json.dumps(describe(reading)).encode()


def _describe(seizure: ProposedSeizure) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for one in fields(seizure):
        found = getattr(seizure, one.name)
        if isinstance(found, CitedValue):
            described[one.name] = found.describe()
        elif found:
            described[one.name] = [method.describe() for method in found]
    return described


@dataclass(frozen=True, slots=True)
class _DigestItem:
    """An item of a digest by itself, under the heads of its table."""

    text: str
    spans: Sequence[tuple[int, int, int]]
    """Where each part begins and ends in the item, and how far on it stands in the report."""

    def move(self, seizure: ProposedSeizure) -> ProposedSeizure:
        """Return a proposal with its passages where they stand in the report."""
        moved: dict[str, Any] = {}
        for name in (one.name for one in fields(seizure)):
            found = getattr(seizure, name)
            if isinstance(found, tuple):
                moved[name] = tuple(map(self._move, found))
            elif found is not None:
                moved[name] = self._move(found)
        return replace(seizure, **moved)

    def _move(self, cited: CitedValue[_Value]) -> CitedValue[_Value]:
        place = cited.passage
        by = next(by for start, end, by in self.spans if start <= place.start < end)
        return replace(cited, passage=replace(place, start=place.start + by, end=place.end + by))


def _cut_out(text: str, heads: tuple[int, int], item: tuple[int, int]) -> _DigestItem:
    """Cut an item out of a report; before it is as much room as tells it from a heading."""
    head = text[slice(*heads)]
    room = head and f"{head}\n"
    room += " " * (min(item[0], HEADING_ENDS) - len(room) - 1) + "\n" * (item[0] > 0)
    start, end = len(room), len(room) + item[1] - item[0]
    spans = [(start, end, item[0] - start), (0, start, heads[0])]
    return _DigestItem(room + text[slice(*item)], spans)


class _Reader:
    """The reading of one report."""

    def __init__(
        self,
        text: FoldedText,
        lexicon: Lexicon,
        posts: Mapping[str, Iterable[str]],
        language: Language | None = None,
    ) -> None:
        self.text, self.lexicon, self.posts = text, lexicon, posts
        self.language = language or find_language(text.folded)
        self.sentences = find_sentences(text.marked)
        numbers = find_numbers(text, self.language)
        self.quantities = find_quantities(text, numbers, lexicon)
        self.numbers = numbers
        self.dates = find_dates(text, lexicon)
        self.statements = lexicon.statements.find(text.folded)
        self.places = lexicon.places.find(text.folded)
        self.named = lexicon.substances.find(text.folded)

    def split(self) -> list[_DigestItem]:
        """Return the items of a digest, none where the report is of one event.

        Items begin with a date; two at least name a substance and a mass. A later item that speaks
        of an expert on a substance named before belongs to the same event.
        """
        items = find_items(self.text, self.dates)
        full = [item for item in items if self._has_find(item)]
        if len(full) < _FEWEST_EVENTS or self._is_one_event(full):
            return []
        names = (0, 0)
        if (row := find_row(self.text.text, full[0][0])) is not None:
            heads = find_heads(self.text.text, row)
            names = (0, 0) if heads is None else (heads.cells[0][0], heads.cells[-1][1])
        return [_cut_out(self.text.text, names, item) for item in full]

    def _has_find(self, item: tuple[int, int]) -> bool:
        terms = [one for one in self.named if item[0] <= one.start < item[1]]
        has_mass = any(item[0] <= one.start < item[1] for one in self.quantities)
        return bool(terms) and (has_mass or self._find_cell(terms) is not None)

    def _is_one_event(self, items: Sequence[tuple[int, int]]) -> bool:
        words = [one for one in self.lexicon.dates.find(self.text.folded) if one.code == "other"]
        known: set[str] = set()
        for start, end in items:
            codes = {one.code for one in self.named if start <= one.start < end}
            if codes & known and any(start <= one.start < end for one in words):
                return True
            known |= codes
        return False

    def read(self) -> list[ProposedSeizure]:
        """Return one proposal a substance; controlled ones alone where there are any."""
        if self._says("no_drug") or self._says("training"):
            return []
        named = self._group(self.lexicon.substances)
        if not named:
            classes = self._group(self.lexicon.classes)
            return [self._propose(code, terms, [], is_class=True) for code, terms in classes[:1]]
        named = self._drop_declared(self._merge_names(named))
        controlled = [one for one in named if self.lexicon.class_of[one[0]] != "other"]
        counted = [one for one in named if one not in controlled and self._is_counted(one[1])]
        kept = [*controlled, *counted] if controlled else named
        proposals = [
            self._propose(code, terms, [t for c, of in kept if c != code for t in of])
            for code, terms in kept
        ]
        weighed = [
            one
            for one, (_, terms) in zip(proposals, kept, strict=True)
            if one.quantity_g or self._is_counted(terms)
        ]
        if not weighed and self._says("nothing_found") and self._is_doubtful(kept):
            return []
        return weighed or proposals[:1]

    def _is_doubtful(self, named: Sequence[tuple[str, Sequence[Term]]]) -> bool:
        """Tell whether a report suspects alone, or names nothing but lawful goods."""
        is_lawful = all(self.lexicon.class_of[code] == "other" for code, _ in named)
        return is_lawful or self._says("suspected")

    def _merge_names(self, named: list[tuple[str, list[Term]]]) -> list[tuple[str, list[Term]]]:
        """Leave out the second name of one substance: "cannabis (charas)", the resin is meant."""
        dropped = set()
        for first, second in pairwise(self.named):
            between = self.text.folded[first.end : second.start].strip()
            if between in ("(", "((") and first.code != second.code:
                pair = {first.code, second.code}
                dropped.add("marijuana" if pair == {"marijuana", "hashish"} else second.code)
        return [(code, terms) for code, terms in named if code not in dropped] or named

    def _drop_declared(self, named: list[tuple[str, list[Term]]]) -> list[tuple[str, list[Term]]]:
        """Leave out what papers alone name, where something else was found."""
        real = [(code, terms) for code, terms in named if not all(map(self._is_declared, terms))]
        return real or named

    def _is_declared(self, term: Term) -> bool:
        """Tell whether a clause says of a substance what papers state: "by the papers acetone"."""
        before = self.text.folded[: term.start]
        start = max(before.rfind(mark) for mark in ",;:.(\n") + 1
        return self._says("declared", (start, term.start))

    def _says(self, code: str, span: tuple[int, int] | None = None) -> bool:
        """Tell whether the report, or a part of it, makes a statement of the lexicon."""
        start, end = span or (0, len(self.text.folded))
        return any(one.code == code and start <= one.start < end for one in self.statements)

    def _is_worth(self, term: Term) -> bool:
        """Tell whether a sum of money is the worth of something and was not seized."""
        span = self._find_sentence(term)
        return term.code == "currency" and self._says("worth", span)

    def _is_of_earlier_year(self, span: tuple[int, int] | None) -> bool:
        """Tell whether a sentence names years before that of every date of the report."""
        if span is None or not self.dates:
            return False
        latest = max(one.day.year for one in self.dates)
        years = re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", self.text.folded[slice(*span)])
        has_date = any(span[0] <= one.start < span[1] for one in self.dates)
        return bool(years) and not has_date and all(int(year) < latest for year in years)

    def _is_counted(
        self, terms: Sequence[Term], kinds: Sequence[str] = ("pieces", "parts")
    ) -> bool:
        """Tell whether a number of pieces, litres or packets of a substance stands next to it."""
        pieces = [one for one in self.statements if one.code in kinds]
        return any(
            min(abs(piece.start - term.end), abs(term.start - piece.end)) <= 48
            and any(0 <= piece.start - number.end <= 24 for number in self.numbers)
            for term in terms
            for piece in pieces
        ) or any(
            0 <= term.start - number.end <= 2 and number.value >= 2
            for term in terms
            for number in self.numbers
        )

    def _find_sentence(self, term: Term) -> tuple[int, int] | None:
        return next((one for one in self.sentences if one[0] <= term.start < one[1]), None)

    def _is_void(self, term: Term, *, is_place: bool = False) -> bool:
        """Tell whether a term stands in a sentence that finds nothing, or speaks of the past."""
        span = self._find_sentence(term)
        has_mass = span is not None and any(
            span[0] <= one.start < span[1] and not one.is_cargo for one in self.quantities
        )
        if not is_place and (self._says("past", span) or self._is_of_earlier_year(span)):
            return True
        if not is_place and self._says("nothing_found") and self._says("suspected", span):
            return True
        if not self._says("nothing_found", span) or has_mass:
            return False
        return not is_place or not any(
            span is not None and span[0] <= one.start < span[1]
            for one in self.lexicon.substances.find(self.text.folded)
        )

    def _group(self, terms: Terms) -> list[tuple[str, list[Term]]]:
        grouped: dict[str, list[Term]] = {}
        for term in terms.find(self.text.folded):
            if not self._is_void(term) and not self._is_worth(term):
                grouped.setdefault(term.code, []).append(term)
        return list(grouped.items())

    def _propose(
        self, code: str, terms: Sequence[Term], others: Sequence[Term], *, is_class: bool = False
    ) -> ProposedSeizure:
        quantity = self._weigh(terms, others)
        day = choose_seizure_date(self.text, self.dates, self.lexicon, terms)
        # With another day, the plate would lead to another crossing of the same vehicle.
        plate = self._choose_plate() if day is None or day.is_clear else None
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
            place=self._choose_place(terms),
            concealment=self._choose(self.lexicon.concealments, terms),
            methods=self._find_methods(),
        )

    def _weigh(self, terms: Sequence[Term], others: Sequence[Term]) -> Quantity | None:
        """Return the mass of a substance: the whole, or its parts put together."""
        if terms[0].code in _COUNTED:
            return None
        return self._find_cell(terms) or self._weigh_text(terms, others)

    def _find_cell(self, terms: Sequence[Term]) -> Quantity | None:
        """Return the mass that a table states in the row of a substance."""
        cells = (
            read_cell(self.text, term, self.quantities, self.numbers, self.lexicon)
            for term in terms
        )
        return next((cell for cell in cells if cell is not None), None)

    def _weigh_text(self, terms: Sequence[Term], others: Sequence[Term]) -> Quantity | None:
        is_precursor = self.lexicon.class_of.get(terms[0].code) in ("precursor", "other")
        heaviest = 1e9 if is_precursor else _HEAVIEST
        found = choose_quantity(
            self.text.folded,
            terms,
            self.quantities,
            others,
            sentences=self.sentences,
            heaviest=heaviest,
        )
        if found and not (found.is_total or found.is_each) and self._is_counted(terms, ["pieces"]):
            spans = [one for one in self.sentences if one[0] <= found.start < one[1]]
            if not any(span[0] <= term.start < span[1] for span in spans for term in terms):
                return None  # tablets were counted, and the mass is of something else
        if found is None:
            found = read_column(self.text, terms[0], self.numbers, self.lexicon)
        if found is None or found.is_total:
            return found
        if listed := sum_list(self.text, terms, self.quantities):
            return listed
        if found.is_each:
            parts = [one for one in self.statements if one.code == "parts"]
            return multiply_parts(self.text, found, self.numbers, parts)
        every = self.lexicon.substances.find(self.text.folded)
        return add_parts(self.text, found, self.quantities, every)

    def _cite(self, value: _Value, stated: Term | Quantity | ReportDate) -> CitedValue[_Value]:
        return CitedValue(value, self.text.passage(stated.start, stated.end))

    def _choose(self, terms: Terms, near: Sequence[Term] | None) -> CitedValue[str] | None:
        """Return the first term, or the one nearest to others; vague ones come last."""
        found = terms.find(self.text.folded)
        if near is not None:
            found = [one for one in found if not self._is_void(one, is_place=True)]
        if not found:
            return None
        best = min(found, key=lambda term: (self._distance(term, near), term.start))
        return self._cite(best.code, best)

    def _choose_plate(self) -> Passage | None:
        """Return the plate of the vehicle; None where several could be it.

        Plates of trailers and of earlier events do not count. A wrong plate would link a seizure to
        a crossing of another vehicle, so what is not clear stays absent.
        """
        if self._says("on_foot"):
            return None  # what brought a pedestrian did not carry the goods over the border
        named, last = [], 0
        for plate in find_plates(self.text):
            is_trailer = self._is_trailer(self.text.folded[last : plate.start])
            last = plate.end
            if not self._is_void(Term("", plate.start, plate.end)) and not is_trailer:
                named.append(plate)
        joined = (
            len(named) == _TWO and self.text.folded[named[0].end : named[1].start].strip() == "/"
        )
        return named[0] if len(named) == 1 or joined else None

    def _is_trailer(self, before: str) -> bool:
        """Tell whether the words between two plates give the second to a trailer or an escort.

        They count within their clause; of a trailer, unless its truck is named behind it.
        """
        clause = _CLAUSE_END.split(before[-_BEFORE_PLATE:])[-1]
        words = self.lexicon.trailers.find(clause)
        trucks = [one for one in self.lexicon.vehicles.find(clause) if one.code == "truck"]
        is_escort = any(one.code == "escort" for one in words)
        is_over = bool(words) and any(one.start >= words[-1].end for one in trucks)
        return is_escort or (bool(words) and not is_over)

    def _choose_place(self, near: Sequence[Term]) -> CitedValue[str] | None:
        """Return the place nearest to a substance; doors of a car are none of a trailer."""
        place = self._choose(self.lexicon.places, near)
        vehicle = self._choose(self.lexicon.vehicles, None)
        is_car = vehicle is not None and vehicle.value == "car"
        if place is not None and place.value == "trailer.doors" and is_car:
            return replace(place, value="cab.doors")
        return place

    def _distance(self, term: Term, near: Sequence[Term] | None) -> float:
        if near is None:
            return 0.0
        gap = min(max(term.start - one.end, one.start - term.end, 0) for one in near)
        named = self.text.folded[term.start : term.end]
        cost = gap + 200.0 * named.startswith(_VAGUE) + 80.0 * named.startswith(_PARTS_OF_VEHICLES)
        span = self._find_sentence(term)
        is_apart = span is not None and not any(span[0] <= one.start < span[1] for one in near)
        if is_apart and not self._says("found", span):
            cost += 120.0
            cost += 150.0 * (len(self._list_places(span)) >= _LISTED_PLACES)
        return cost - 400.0 * self._is_labelled(term) - 60.0 * self._is_source(term)

    def _is_source(self, term: Term) -> bool:
        """Tell whether something came out of a place: "from", "из", "аз", or the Uzbek ablative."""
        before = self.text.folded[max(term.start - 24, 0) : term.start]
        after = self.text.folded[term.start : term.end + 20]
        return _FROM_PLACE.search(before) is not None or _ABLATIVE.match(after) is not None

    def _list_places(self, span: tuple[int, int] | None) -> set[str]:
        start, end = span or (0, 0)
        return {one.code for one in self.places if start <= one.start < end}

    def _is_labelled(self, term: Term) -> bool:
        """Tell whether a place stands behind a label such as "Where found:" in its line."""
        start = self.text.folded.rfind("\n", 0, term.start) + 1
        labels = (one for one in self.statements if one.code == "place_label")
        return any(
            start <= one.start and 0 <= term.start - one.end <= 60
            and ":" in self.text.folded[one.start : term.start]
            for one in labels
        )  # fmt: skip

    def _find_methods(self) -> tuple[CitedValue[str], ...]:
        firsts: dict[str, Term] = {}
        for term in self.lexicon.methods.find(self.text.folded):
            firsts.setdefault(term.code, term)
        return tuple(self._cite(code, term) for code, term in firsts.items())


MOST_BYTES = 32 * 2**20
_READ = (".txt", ".md", ".pdf")
_ENCODINGS = ("utf-8-sig", "cp1251")


@dataclass(frozen=True, slots=True)
class SeizureReportFile:
    """A report: path below the folder and its text; ``refusal`` says why there is none."""

    path: str
    text: str = ""
    refusal: str = ""


def read_seizure_reports(folder: Path) -> Iterator[SeizureReportFile]:
    """Yield every report below a folder (.txt, .md, .pdf) in the order of their paths.

    Raises
    ------
    InputError
        The folder is not there.

    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _READ and path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            try:
                yield SeizureReportFile(name, text=_read_text(path))
            except InputError as error:
                yield SeizureReportFile(name, refusal=error.why)


def _read_text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise InputError(path.name, f"larger than {MOST_BYTES // 2**20} MB")
    if path.suffix.lower() == ".pdf":
        return _read_pdf(path)
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(path.name, "neither UTF-8 nor Windows-1251")


def _read_pdf(path: Path) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        text = "\n\n".join(page.extract_text() for page in PdfReader(path).pages)
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        why = f"not a PDF that can be read: {type(error).__name__}"
        raise InputError(path.name, why) from error
    if not text.strip():
        raise InputError(path.name, "no text in it: a scan needs character recognition first")
    return text
