"""Old reports of seizures: what a text is read as, and its confirmation by a person.

Rules and lexicons propose values, each with the passage that states it; a person corrects them and
confirms. Nothing is recorded before, and the text itself is not kept: it may name persons. What is
confirmed is a seizure by plate, or, where the report names no plate, a case with its goods.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from babel.numbers import get_decimal_symbol
from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.cases.event_forms import (
    GOODS_FIELDS,
    LABELS,
    PREFIX,
    EventField,
    read_goods,
    read_opening,
    read_values,
)
from api.cases.page import list_posts, offer_classes
from api.cases.steps import CaseWriter
from api.http.access import fill_agency
from api.http.dependencies import TheService
from api.service.executors import TEXTS, run_apart
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, corrections
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import Form, TheForm, read_field
from engine.criteria.policy import read_goods_classes
from engine.domain.field_types import Identifier
from engine.domain.records import SUBSTANCES, Seizure
from engine.errors import RecordError, TooCostlyError
from engine.journal.idempotency import claim, find_holders, seizure_name
from engine.journal.kinds import SEIZURE
from features.seizure_reports.folded_text import FoldedText

router = APIRouter(prefix="/cases/reports", route_class=PageRoute, include_in_schema=False)
LONGEST = 20_000
"""Characters of a report that the page reads; longer ones are for ``darvoza extract``."""
MOST_ITEMS = 40
"""Items of a digest that the page reads."""
FIELDS = (
    EventField("plate", N_("Plate")),
    EventField("seized_on", N_("Day of the seizure"), "day"),
    *GOODS_FIELDS,
)
"""What a confirmed report states, and the proposals that fill it."""
NAMES = {
    **LABELS,
    **{one.at: one.text for one in FIELDS},
    f"{PREFIX}text": N_("Text of the report"),
}
Proposal = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a report, and the fields that it states; none for what is between."""

    text: str
    fields: Sequence[str]


@router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    find: Annotated[Identifier | None, Query()] = None,
) -> Response:
    """Show the form for the text of a report."""
    return _page(visit, service, confirmed=find)


@router.post("")
async def send(visit: TheVisit, service: TheService, form: TheForm) -> Response:
    """Read the text of a report, or record what a person confirms of it."""
    read = service.executors.texts.run
    text, step = read_field(form, "text"), read_field(form, "step")
    if step not in ("seizure", "case"):
        return await read(_show_reading, visit, service, text)
    post = visit.caller.post or read_field(form, "post")
    reader = FormReader(form, speech_of(visit.request, post))
    take = _record_seizure if step == "seizure" else _open_case
    try:
        return RedirectResponse(await run_in_threadpool(take, visit, service, reader, post), 303)
    except FormError as error:
        return await read(_show_reading, visit, service, text[:LONGEST], form, error.mistakes)


def _show_reading(
    visit: Visit,
    service: Runtime,
    text: str,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    """Show what a text is read as; one that cannot be read is a mistake of its field."""
    if not text or len(text) > LONGEST:
        return _refuse_text(visit, service, "too_long" if text else "missing_key")
    try:
        proposals = _read(service, text)
    except (RecordError, TooCostlyError):
        return _refuse_text(visit, service, "too_many_items")
    return _page(visit, service, text=text, proposals=proposals, kept=kept, wrong=wrong)


def _refuse_text(visit: Visit, service: Runtime, rule: str) -> Response:
    return _page(visit, service, wrong=[FieldMistake(f"{PREFIX}text", rule)])


def _read(service: Runtime, text: str) -> list[Proposal]:
    """Return what is proposed of a text; raises ``RecordError`` and ``TooCostlyError``."""
    posts = {code: [post.name] for code, post in service.network.posts.items()}
    given = json.dumps({"text": text, "posts": posts, "most_items": MOST_ITEMS}).encode()
    work = "features.seizure_reports.extraction:read_bounded"
    found: list[Proposal] = json.loads(run_apart(service.home, TEXTS, work, given))["seizures"]
    return [_name_fields(one) for one in found]


def _name_fields(proposal: Proposal) -> Proposal:
    """Return a proposal by the fields of the form: a class of goods, and an amount in grams."""
    named = {_FIELDS_OF.get(name, name): one for name, one in proposal.items()}
    codes = {substance: code for code, substance in SUBSTANCES.items()}
    kind = named["goods_class"]
    return named | {"goods_class": kind | {"value": codes.get(kind["value"], kind["value"])}}


_FIELDS_OF = {"substance_class": "goods_class", "quantity_g": "amount"}


def _record_seizure(visit: Visit, service: Runtime, reader: FormReader, post: str) -> str:
    """Record a seizure in the name of who confirms it, and return where that is shown."""
    name, values = f"report-{reader.once()}", read_values(reader, FIELDS[:2])
    day, now = values.pop("seized_on", None), datetime.now(UTC)
    if not reader.text(f"{PREFIX}goods_class"):
        reader.refuse(f"{PREFIX}goods_class", "missing_key")
    with service.store.read() as snapshot:
        values |= read_goods(reader, read_goods_classes(snapshot))
    if "plate" not in values:
        reader.refuse(f"{PREFIX}plate", "no_plate")
    about = {"seizure_id": name, "recorded_at": now, "seized_at": day and min(day, now)}
    seizure = reader.record(Seizure, {"plate": "X"} | values | about)
    reader.mistakes = [_prefix(one) for one in reader.mistakes]
    if post and not visit.caller.reaches(post):
        reader.refuse("post", "unknown_enumeration")
    stated = fill_agency(visit.caller, reader.finish(seizure))
    with service.store.read() as connection:  # sent twice, it differs in its time alone
        is_done = bool(find_holders(connection, [seizure_name(name)]))
    if not is_done:
        asked = claim(SEIZURE, stated, post=post, name=seizure_name(name))
        caller = visit.caller
        service.recording.seizure(
            stated, asked, person=caller.person, within=caller.post, hidden=caller.hidden_posts
        )
    return f"/cases/reports?done=confirmed&find={quote(name, safe='')}#done"


def _open_case(visit: Visit, service: Runtime, reader: FormReader, post: str) -> str:
    """Open a case with the goods of a report that names no plate."""
    writer = CaseWriter(service, visit.caller, reader.once())
    with service.store.read() as snapshot:
        classes = read_goods_classes(snapshot)
    done = writer.open(read_opening(reader, classes, post=post or None))
    return f"/cases/{quote(done.case_id, safe='')}?done=opened#done"


def _prefix(mistake: FieldMistake) -> FieldMistake:
    at = mistake.at
    is_plain = at and not at.startswith(PREFIX) and at not in ("once", "post")
    return replace(mistake, at=f"{PREFIX}{at}") if is_plain else mistake


def _page(
    visit: Visit,
    service: Runtime,
    *,
    text: str = "",
    proposals: Sequence[Proposal] = (),
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
    confirmed: str | None = None,
) -> Response:
    mistakes = corrections(wrong, visit.speech, names=NAMES)
    sent = None if kept is None else read_field(kept, "number")
    return visit.page(
        "old_report.html",
        status=422 if wrong else 200,
        post=visit.caller.post,
        text=text,
        parts=_mark_passages(text, proposals),
        proposals=proposals,
        filled=[
            dict(kept) if kept is not None and sent == str(number) else _fill(visit, one)
            for number, one in enumerate(proposals or ([{}] if text else ()))
        ],
        at_form=sent,
        fields=FIELDS,
        classes=offer_classes(service, visit.speech.code),
        posts=list_posts(service, visit.caller),
        agencies=(),
        once=secrets.token_hex(12),
        kept={},
        confirmed=confirmed,
        longest=LONGEST,
        wrong=mistakes,
        linkless=[name for name in mistakes if name != f"{PREFIX}text"],
    )


def _fill(visit: Visit, proposal: Proposal) -> dict[str, list[str]]:
    """Return the fields of a form as a proposal fills them, by the reader's own marks."""
    found = {}
    for one in (*(field.name for field in FIELDS), "post"):
        if one not in proposal:
            continue
        value = proposal[one]["value"]
        if isinstance(value, float):
            mark = get_decimal_symbol(visit.speech.locale)
            value = f"{value:.3f}".rstrip("0").rstrip(".").replace(".", mark)
        found["post" if one == "post" else f"{PREFIX}{one}"] = [str(value)]
    goods = [proposal[one]["passage"]["text"] for one in ("substance",) if one in proposal]
    quantities = [proposal["amount"]["passage"]["text"]] if "amount" in proposal else []
    return found | {f"{PREFIX}summary": [", ".join([*goods, *quantities])]}


def _mark_passages(text: str, proposals: Sequence[Proposal]) -> list[TextPart]:
    """Return the text in parts, those that state a value with the names of its fields."""
    text = FoldedText(text).text
    spans: dict[tuple[int, int], list[str]] = {}
    for proposal in proposals:
        for field in FIELDS:
            passage = proposal.get(field.name, {}).get("passage")
            if passage is not None:
                names = spans.setdefault((passage["start"], passage["end"]), [])
                names += [field.text] if field.text not in names else []
    parts, place = [], 0
    for (start, end), names in sorted(spans.items()):
        if start < place:  # inside a passage that is marked already
            continue
        parts += [TextPart(text[place:start], ()), TextPart(text[start:end], names)]
        place = end
    return [one for one in (*parts, TextPart(text[place:], ())) if one.text]
