"""A case as a dossier: its facts, finds, timeline and files in words, and what to check them by.

It holds what its reader may see of the case, in the reader's language, and nothing of the moment at
which it is asked for: the same records give the same dossier. A free text that looks as if it named
a person is left out, because a dossier leaves the house.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from api.auth.callers import Caller
from api.cases.answers import (
    CaseAct,
    CaseFind,
    CaseGoodsStep,
    CaseStepView,
    CaseView,
    ReportCorrection,
)
from api.cases.dossier_parts import (
    Dossier,
    DossierEvent,
    DossierFile,
    DossierFind,
    Fact,
    RecordProof,
)
from api.cases.event_forms import EVENT_FIELDS, EventField
from api.cases.readers import describe_case
from api.decisions.vehicle_drawing import draw_vehicle
from api.service.executors import DOSSIERS, run_apart
from api.service.runtime import Runtime
from api.web.i18n import N_, ReaderLocale, mark_plural
from api.web.labels import TABLES
from engine.cases.case_events import FREE_TEXTS
from engine.domain.time_units import moment
from engine.domain.validation import looks_like_name
from engine.errors import HomeError
from engine.files.content import JPEG, PNG
from engine.files.store import open_file
from engine.journal.kinds import SENSITIVE_READ, SensitiveReadBody
from engine.journal.receipts import Receipt
from engine.storage.home import Home

Json = Mapping[str, Any]
_NO_NAMES = N_("left out: it looks as if it named a person")
_NO_ROOM = N_("not shown: the photographs of a dossier have 24 MB in all")
_CHANGED = N_("not shown: the file is not here, or is not what was recorded")
TEXTS = {
    "title": N_("Dossier of a case"),
    "facts": N_("Facts"),
    "finds": N_("What was found"),
    "no_finds": N_("No seizure is linked."),
    "searches": N_("How it was searched"),
    "goods": N_("What became of it"),
    "corrections": N_("Corrections"),
    "timeline": N_("Timeline"),
    "files": N_("Files, by the SHA-256 of their content"),
    "photographs": N_("Photographs"),
    "proof": N_("To check it by"),
    "how_to_check": N_(
        "Each record has a leaf (SHA-256 of a salt and its content) and a chain value over "
        "all records before it. The signature is over both, by the key of this journal. "
        "Together they are the receipt that darvoza verify checks."
    ),
    "record": N_("Record"),
    "leaf": N_("Record’s hash"),
    "chain": N_("Chain"),
    "signature": N_("Signature"),
    "not_shown": N_("not shown: this kind of picture is not taken into a document"),
}
"""What a dossier says itself."""
_BYTES = mark_plural("%(n)s byte", "%(n)s bytes")
_SHOWN = frozenset({JPEG, PNG})
MOST_SHOWN = 24 * 1024 * 1024
"""Bytes of all photographs of one dossier, which is written in memory."""


def make_dossier(service: Runtime, caller: Caller, case_id: str, speech: ReaderLocale) -> bytes:
    """Return the dossier of a case as a PDF file, written in a process of its own.

    Raises as :func:`compile_dossier` does, ``BusyError`` and ``TooCostlyError``.
    """
    found = TypeAdapter(Dossier).dump_json(compile_dossier(service, caller, case_id, speech))
    return run_apart(service.home, DOSSIERS, "api.cases.dossier_pdf:write", found)


def compile_dossier(
    service: Runtime, caller: Caller, case_id: str, speech: ReaderLocale
) -> Dossier:
    """Return the dossier of a case, once it is recorded who takes it.

    Raises ``NotFoundError`` and ``ErasedError``.
    """
    case = describe_case(service, caller, case_id)
    records = [case.sequence, *(one.sequence for one in case.events)]
    read: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": records[0],
        "kind": "case_dossier",
        "found": records,
    }
    draft = SENSITIVE_READ.draft(str(records[0]), read, post=case.post)
    service.writer.submit(draft).result()
    with service.store.read() as connection:
        entries = [service.journal.entry(connection, one) for one in records]
    receipts = [service.answers.signer.sign(one) for one in entries]
    proofs = [RecordProof(one.sequence, one.leaf, one.chain, one.signature) for one in receipts]
    posts = {code: one.name for code, one in service.network.posts.items()}
    words = _Words(replace(speech, post=case.post, own_zone=""), posts)
    return Dossier(
        case_id=case_id,
        language=speech.code,
        made_of=moment(entries[-1].known_at),
        texts={name: words.say(text) for name, text in TEXTS.items()},
        warnings=words.warnings(case, is_synthetic=service.network.synthetic),
        notes=words.notes(case, receipts[-1], caller),
        summary=words.free(case.summary),
        facts=words.facts(case),
        finds=[words.find(one) for one in case.finds],
        searches=[list(words.list_search(one)) for one in case.acts],
        goods=list(words.list_goods(case)) if case.goods else [],
        corrections=[words.correction(one) for one in case.corrections],
        events=[words.event(one, case) for one in case.events if not _is_listed_above(one)],
        files=_list_files(service.home, words, case.events),
        proofs=proofs,
    )


def _is_listed_above(one: CaseStepView) -> bool:
    """Tell whether an event only links something, which the facts name."""
    return one.kind == "link" and not one.is_withheld and not one.remark


def _list_files(home: Home, words: "_Words", events: Sequence[CaseStepView]) -> list[DossierFile]:
    """Return the files that the reader may know of, with the photographs that find room."""
    room, found = MOST_SHOWN, []
    for one in filter(words.is_open_file, events):
        file, content = words.file(one), one.content
        if content["media_type"] in _SHOWN:
            path, why_not = _find_photograph(home, content, room)
            room -= content["size_bytes"] if path else 0
            file = replace(file, path=path, why_not=words.say(why_not) if why_not else "")
        found.append(file)
    return found


def _find_photograph(home: Home, content: Json, room: int) -> tuple[str, str]:
    """Return where a photograph lies, or why it is not shown."""
    if content["size_bytes"] > room:
        return "", _NO_ROOM
    try:
        return str(open_file(home, content["digest"]).absolute()), ""
    except HomeError:
        return "", _CHANGED


class _Words:
    """Says the parts of a case to one reader."""

    def __init__(self, speech: ReaderLocale, posts: Mapping[str, str]) -> None:
        self._speech = speech
        self._posts = posts
        self.say = speech.say

    def warnings(self, case: CaseView, *, is_synthetic: bool) -> list[str]:
        """Return what has to be read before all else."""
        codes = {code for one in case.events for code in one.handling} | {*case.handling}
        limits = [f"{code}: {self._label('handling', code)}" for code in sorted(codes)]
        unreal = self.say("Synthetic data: no vehicle, person or find shown here is real.")
        return [*([unreal] if is_synthetic else []), *limits]

    def notes(self, case: CaseView, last: Receipt, caller: Caller) -> list[str]:
        """Return as of what it is, by which clocks, and for whom."""
        about = {"n": last.sequence, "journal": last.journal_id, "key": last.key_id}
        opened = self._speech.local(datetime.fromisoformat(case.opened_at))
        offset = "UTC" + opened.isoformat()[-6:]
        reader = caller.agency or self._label("role", caller.role.value)
        return [
            self.say("As of record %(n)s of journal %(journal)s, signed by key %(key)s.", **about),
            self.say("Times are those of %(post)s, %(zone)s.", post=case.post, zone=offset),
            self.say("It holds what %(reader)s may see.", reader=reader),
        ]

    def facts(self, case: CaseView) -> list[Fact]:
        """Return where the case stands."""
        say = self.say
        linked = [f"{self._label('linked_thing', one.of)}: {one.id}" for one in case.links]
        return [
            (say("Post"), self._post(case.post)),
            (say("Agency"), case.agency or "–"),
            (say("Goods are with"), case.custody or "–"),
            (say("Owner"), case.owner),
            (say("State"), self._label("case_state", case.state)),
            (say("Opened"), f"{self._moment(case.opened_at)}, {case.opened_by}"),
            (say("Deadline"), self._moment(case.deadline) if case.deadline else "–"),
            (say("Linked"), "; ".join(linked) or "–"),
        ]

    def find(self, one: CaseFind) -> DossierFind:
        """Return a find in words, without what is not known of it."""
        place, means = one.place, one.means
        drawing = draw_vehicle(means, [place]) if place and means else None
        return DossierFind(list(self._list_find(one)), drawing)

    def _list_find(self, one: CaseFind) -> Iterator[Fact]:
        say, label = self.say, self._label
        yield from self._list_goods(one)
        yield say("Found at"), f"{self._post(one.post)}, {self._moment(one.detected_at)}"
        if one.place:
            yield say("Where"), label("place", one.place)
        if one.concealment:
            yield say("How it was hidden"), one.concealment
        if one.means:
            parts = [label("class", one.means), one.means_country or ""]
            parts.append(label("direction", one.direction) if one.direction else "")
            yield say("Vehicle"), " · ".join(filter(None, parts))
        route = [one.dispatch_country, *one.route_countries, one.destination_country]
        if any(route):
            yield say("Route"), " → ".join(country or "?" for country in route)
        if one.origin_countries:
            yield say("Country of origin"), ", ".join(one.origin_countries)
        if one.cover_goods:
            yield say("Declared goods, HS"), ", ".join(one.cover_goods)
        if one.methods:
            yield say("Methods"), ", ".join(label("method", code) for code in one.methods)

    def _kind(self, one: CaseFind) -> str:
        kind = self._label("substance", one.substance_class)
        substance = one.substance and self._label("substance_name", one.substance)
        if one.goods_class is not None:
            names = one.class_names
            kind = names.get(self._speech.code) or names.get("en") or one.goods_class
        return f"{kind} · {substance}" if substance else kind

    def _list_goods(self, one: CaseFind) -> Iterator[Fact]:
        say = self.say
        yield say("Kind"), self._kind(one)
        if one.class_codes:
            codes = one.class_codes.items()
            yield say("Code in forms"), ", ".join(f"{form.upper()} {code}" for form, code in codes)
        yield say("Quantity"), self._amount(one.amount, one.unit) or say("not given")
        if one.taken_over_by:
            yield say("Taken over by"), one.taken_over_by
        elif one.goes_to:
            yield say("To be taken over by"), one.goes_to

    def list_search(self, one: CaseAct) -> Iterator[Fact]:
        """Yield the account of an act, without what is not known of it."""
        say, label = self.say, self._label
        times = [self._moment(at) for at in (one.started_at, one.completed_at) if at]
        yield say("Time"), " – ".join(times) or self._moment(one.filed_at)
        by = ", ".join(filter(None, (one.by, one.agency, self._post(one.post))))
        yield say("Reported by"), by
        yield say("Outcome"), label("outcome", one.outcome)
        if one.methods:
            yield say("Methods"), ", ".join(label("method", code) for code in one.methods)
        if one.places_searched:
            places = ", ".join(label("place", code) for code in one.places_searched)
            yield say("Places searched"), places
        if one.minutes is not None:
            yield say("Minutes it took"), self._speech.number(one.minutes, 6)

    def list_goods(self, case: CaseView) -> Iterator[Fact]:
        """Yield what was taken of the goods and passed on, with the grams that remained."""
        found = self.say("What was found")
        for find in case.finds:
            if find.quantity_g is not None:
                yield f"{found}: {self._kind(find)}", self._grams(find.quantity_g)
            yield from (self._weigh(one) for one in case.goods if one.seizure_id == find.seizure_id)

    def _weigh(self, one: CaseGoodsStep) -> Fact:
        what = f"{self._label('case_event', one.kind)}: {self.free(one.name)}"
        remains = self.say("%(grams)s remains", grams=self._grams(one.remains_g))
        parts = [self._grams(one.quantity_g), remains, self._moment(one.happened_at)]
        if one.differs_g:
            parts.insert(2, self.say("differs by %(grams)s", grams=self._grams(one.differs_g)))
        return what, "; ".join(parts)

    def correction(self, one: ReportCorrection) -> DossierEvent:
        """Return a correction with both statements."""
        before = self.say("Before: %(stated)s", stated=self._state(one.was))
        now = self.say("withdrawn") if one.now is None else self._state(one.now)
        what = f"{self._label('linked_thing', one.of)}: {self.free(one.reason)}"
        when = f"{self._moment(one.at)} · {one.by}"
        return DossierEvent(when, what, [before, self.say("Now: %(stated)s", stated=now)])

    def _state(self, report: Json) -> str:
        """Return what an act or a seizure states, in one line."""
        label = self._label
        parts = [label("outcome", report["outcome"])] if "outcome" in report else []
        if "substance_class" in report:
            substance = report.get("substance")
            table = "substance" if substance is None else "substance_name"
            parts.append(label(table, substance or report["substance_class"]))
        if much := self._amount(report.get("amount"), report.get("unit")):
            parts.append(much)
        elif report.get("quantity_g") is not None:
            parts.append(self._grams(report["quantity_g"]))
        parts += [label("discrepancy", code) for code in report.get("discrepancy_kinds") or ()]
        if report.get("duty_assessed") is not None:
            parts.append(self._amount(report["duty_assessed"], report["currency"]))
        if report.get("place"):
            parts.append(label("place", report["place"]))
        if report.get("concealment"):
            parts.append(self.free(report["concealment"]))
        parts += [label("method", code) for code in report.get("methods") or ()]
        parts += [label("place", code) for code in report.get("places_searched") or ()]
        if report.get("minutes") is not None:
            parts.append(self.say("%(n)s min", n=self._speech.number(report["minutes"], 6)))
        return ", ".join(parts)

    def _post(self, code: str) -> str:
        name = self._posts.get(code)
        return f"{name} ({code})" if name else code

    def event(self, one: CaseStepView, case: CaseView) -> DossierEvent:
        """Return an event in words."""
        by = f"{one.by} ({one.by_agency})" if one.by_agency else one.by
        when = f"{self._moment(one.happened_at)} · {by}"
        what = self._label("case_event", one.kind)
        return DossierEvent(when, what, list(self._list_event(one, case)))

    def _list_event(self, one: CaseStepView, case: CaseView) -> Iterator[str]:
        if one.is_withheld:
            yield self.say("Its content is for other agencies.")
        else:
            yield from self._list_content(one.kind, one.content, case)
        if one.remark:
            yield self.free(one.remark)
        if one.sequence in case.waiting:
            yield self.say("waits for a second person")
        elif not one.is_effective:
            yield self.say("withdrawn or lapsed")
        if one.agreed_by:
            yield self.say("agreed by %(name)s", name=one.agreed_by)
        yield from (f"{code}: {self._label('handling', code)}" for code in one.handling)

    def _list_content(self, kind: str, content: Json, case: CaseView) -> Iterator[str]:
        find = content.get("seizure_id")
        names = [self._kind(one) for one in case.finds if one.seizure_id == find]
        if content.get("from_agency"):
            yield f"{content['from_agency']} → {content['to_agency']}"
        for field in EVENT_FIELDS.get(kind, ()):
            if field.control == "find" and find is not None:
                yield f"{self.say(field.text)}: {', '.join(names) or find}"
            elif content.get(field.name) not in (None, [], ()):
                yield f"{self.say(field.text)}: {self._value(field, content[field.name])}"
        if kind == "file":
            yield f"{self._label('file_subject', content['shows'])}, {content['digest'][:16]}"

    @staticmethod
    def is_open_file(one: CaseStepView) -> bool:
        """Tell whether an event added a file that its reader may know of."""
        return one.kind == "file" and not one.is_withheld

    def file(self, one: CaseStepView) -> DossierFile:
        """Return a file in words."""
        content = one.content
        number = content["size_bytes"]
        size = self._speech.count(*_BYTES, number, n=self._speech.number(number))
        known = [self._label("file_subject", content["shows"]), content["media_type"], size]
        known += [content["sample"]] if "sample" in content else []
        known += [self.free(content["description"])] if "description" in content else []
        return DossierFile(" · ".join(known), content["digest"])

    def free(self, text: str) -> str:
        """Return a free text, unless it looks as if it named a person."""
        return f"[{self.say(_NO_NAMES)}]" if looks_like_name(text) else text

    def _value(self, field: EventField, given: Any) -> str:
        if field.control in ("choice", "offered"):
            return self._label(field.table, given)
        if field.control == "checks":
            return ", ".join(self._label(field.table, code) for code in given)
        if field.control == "moment":
            return self._moment(given)
        if field.control == "countries":
            return " → ".join(given)
        if field.name == "quantity_g":
            return self._grams(given)
        if field.control == "number":
            return self._speech.number(given, 6)
        return self.free(str(given)) if field.name in FREE_TEXTS else str(given)

    def _amount(self, amount: float | None, unit: str | None) -> str:
        """Return an amount in words, empty where there is none."""
        if amount is None or unit is None:
            return ""
        if unit == "g":
            return self._grams(amount)
        return f"{self._speech.number(amount, 6)} {self._label('unit', unit)}"

    def _grams(self, grams: float) -> str:
        text = self.say("%(n)s g", n=self._speech.number(grams, 6))
        if grams < 1000:
            return text
        kilograms = self.say("%(n)s kg", n=self._speech.number(grams / 1000, 6))
        return f"{text} ({kilograms})"

    def _moment(self, text: str) -> str:
        return self._speech.moment(datetime.fromisoformat(text))

    def _label(self, table: str, code: str) -> str:
        known = TABLES[table].get(code)
        return code if known is None else self.say(known)
