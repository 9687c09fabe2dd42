"""Named lists of the watch list: loaded from a file as one proposal, renewed and retired together.

A file is checked row by row, and nothing is recorded by the check. A file with faulty rows is
proposed only by a person who says that these rows are left out.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from api.auth.callers import Caller
from api.criteria.watchlist import WATCH_BATCH, EntryId, WatchEntryView, find_entry, list_entries
from api.http.answers import AcknowledgedStep, Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import FAULTS_SAID, body_of
from api.http.responses import answer, creates, json_router, takes
from api.profiles.answers import OutcomeFigures, filter_of
from api.proposals.desk import ProposalDesk
from api.proposals.routes import TheDesk
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.criteria.list_files import ListFile, RowFault, read_list_file
from engine.criteria.watchlist import NAMED, NamedList, WatchBatch, list_identifiers, list_rows
from engine.domain.field_types import Identifier
from engine.domain.field_types import Time as RecordTime
from engine.domain.records import Record
from engine.domain.time_units import rfc3339
from engine.errors import ConflictError, MalformedBodyError, RecordError
from engine.queue.match_outcomes import read_last_matches

LONGEST_FILE = 2_000_000
"""Characters of a file; the limit of all bodies stands above it."""


class ListLines(Record):
    """The text of a list's file, or pasted lines."""

    kind: Identifier | None = None
    """What each line names; absent where the first line names the columns of a CSV file."""
    lines: Annotated[str, Field(min_length=1, max_length=LONGEST_FILE)]
    """CSV with a header, or one identifier on each line."""
    EXAMPLE: ClassVar = {"kind": "plate", "lines": "01 A 123 BC\n01 B 456 CD\n"}


class ListText(NamedList, ListLines):
    """A list with the text of its file, or with pasted lines."""

    EXAMPLE: ClassVar = {
        "list": "False tanks, spring",
        "owner": "Customs analysis office",
        "threat": "Tanks with a second wall",
        "reason": "named by three sources",
        "gravity": "high",
        "source_grade": "B",
        "information_grade": "2",
        "expiry": "2026-09-01T00:00:00+05:00",
        "lines": "plate,look_alikes\n01 A 123 BC,1\n01 B 456 CD,0\n",
    }


class ListProposal(ListText):
    """The same with what becomes of faulty rows."""

    faulty_rows: Literal["refuse", "leave_out"] = "refuse"
    """``leave_out``: the list is proposed without them."""


class Renewal(Record):
    """A later expiry of a list; another person has to agree."""

    expiry: RecordTime
    EXAMPLE: ClassVar = {"expiry": "2026-12-01T00:00:00+05:00"}


@dataclass(frozen=True, slots=True)
class FaultyLines:
    """One fault with all lines that have it, as the page shows them."""

    field: str
    rule: str
    lines: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCheck(Answer):
    """What of a file can be taken; nothing is recorded."""

    tables = ("faults",)
    rows: int
    """Rows that can be taken."""
    faulty: int
    faults: list[RowFault]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedListView(OutcomeFigures):
    """A named list and what it did: all entries of its name and agency, those that ended too."""

    list: str
    owner: str | None
    agency: str | None
    in_force: int
    """Entries in force, each row of a loaded list as one."""
    last_match: Time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLists(Answer):
    """Named lists by name."""

    tables = ("lists",)
    lists: list[NamedListView]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRowView(Answer):
    """A row of a list."""

    row: int
    names: dict[str, str]
    look_alikes: bool
    reason: str | None
    """None where that of the list holds."""
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRows(Answer):
    """The rows of a list, in the order of its file."""

    tables = ("rows",)
    rows: list[WatchRowView]


def read_file(caller: Caller, asked: ListText) -> ListFile:
    """Check the rows of a list for its sender's agency; raises ``RecordError``."""
    agency = asked.agency if caller.agency is None else caller.agency
    return read_list_file(asked.lines, kind=asked.kind or "", agency=agency)


def check_file(caller: Caller, asked: ListText) -> ListCheck:
    """Return what of a file can be taken; raises ``RecordError``."""
    return describe_check(read_file(caller, asked))


def describe_check(found: ListFile) -> ListCheck:
    """Return what a file that was read can give."""
    return ListCheck(rows=len(found.rows), faulty=found.faulty, faults=[*found.faults])


def propose_list(desk: ProposalDesk, asked: ListProposal) -> AcknowledgedStep:
    """Propose a list; raises ``MalformedBodyError`` for faulty rows that are not to be left out."""
    found = read_file(desk.caller, asked)
    if not found.rows or (found.faulty and asked.faulty_rows == "refuse"):
        faults = tuple(
            {"at": f"lines.{one.line}.{one.field}".rstrip("."), "rule": one.rule, "why": one.why}
            for one in found.faults[:FAULTS_SAID]
        )
        raise MalformedBodyError(f"{found.faulty} rows are faulty", faults)
    terms = {name: getattr(asked, name) for name in NamedList.model_fields}
    batch = WatchBatch.model_construct(**terms, rows=found.rows, left_out=found.faulty)
    return desk.propose(WATCH_BATCH, batch)


def renew_list(desk: ProposalDesk, entry_id: str, wanted: Renewal) -> AcknowledgedStep:
    """Propose a list's rows anew until a later day.

    Raises ``NotFoundError``, ``ConflictError`` for what is no list in force.
    """
    with desk.service.store.read() as connection:
        content = find_entry(connection, desk.caller, entry_id).content
    if "rows" not in content:
        raise ConflictError("watchlist", entry_id, "only a list in force can be renewed")
    earlier = WatchBatch.model_validate(content, strict=False)
    return desk.propose(
        WATCH_BATCH,
        earlier.model_copy(update={"expiry": wanted.expiry, "instead_of": entry_id, "left_out": 0}),
    )


def read_rows(service: Runtime, caller: Caller, entry_id: str) -> WatchRows:
    """Return the rows of an entry; raises ``NotFoundError``."""
    with service.store.read() as connection:
        content = find_entry(connection, caller, entry_id).content
    rows = [
        WatchRowView(
            row=number,
            names=list_identifiers(row),
            look_alikes=row.get("look_alikes", False),
            reason=row.get("reason"),
            note=row.get("note"),
        )
        for number, (_, row) in enumerate(list_rows(entry_id, content), 1)
    ]
    return WatchRows(rows=rows)


def describe_lists(service: Runtime, caller: Caller) -> NamedLists:
    """Return what each named list did, as far as the caller sees it."""
    groups: dict[tuple[str, str], list[WatchEntryView]] = defaultdict(list)
    for one in list_entries(service, caller):
        if one.list is not None:
            groups[one.list, one.agency or ""].append(one)
    codes = [one.id for entries in groups.values() for one in entries]
    with service.store.read() as connection:
        last = read_last_matches(connection, codes, filter_of(caller))
    return NamedLists(lists=[_sum_up(key[0], groups[key], last) for key in sorted(groups)])


def _sum_up(name: str, entries: Sequence[WatchEntryView], last: dict[str, int]) -> NamedListView:
    latest = entries[0]
    times = [last[one.id] for one in entries if one.id in last]
    return NamedListView(
        list=name,
        owner=latest.owner,
        agency=latest.agency,
        in_force=sum(max(one.rows, 1) for one in entries if one.state == "in_force"),
        last_match=rfc3339(max(times)) if times else None,
        matches=sum(one.outcome.matches for one in entries),
        searches=sum(one.outcome.searches for one in entries),
        finds=sum(one.outcome.finds for one in entries),
        minutes=sum(one.outcome.minutes for one in entries),
    )


router = json_router("/v1/watchlist", "watchlist", 404, 409, 413)


@router.get("/lists", response_model=NamedLists)
def lists(caller: TheCaller, service: TheService) -> Response:
    """Return what each named list did."""
    return answer(describe_lists(service, caller))


@router.post("/lists/checks", response_model=ListCheck, openapi_extra=takes(ListText))
def check(caller: TheCaller, asked: Annotated[ListText, Depends(body_of(ListText))]) -> Response:
    """Return what of a file can be taken, row by row; nothing is recorded."""
    return answer(check_file(caller, asked))


@router.post("/lists", **creates(AcknowledgedStep, body=ListProposal))
def propose(
    desk: TheDesk, asked: Annotated[ListProposal, Depends(body_of(ListProposal))]
) -> Response:
    """Propose a list as a whole; it matches nothing until another person approves it."""
    return answer(propose_list(desk, asked), 201)


@router.post("/{entry_id}/renewals", **creates(AcknowledgedStep, body=Renewal))
def renew(
    desk: TheDesk, entry_id: EntryId, wanted: Annotated[Renewal, Depends(body_of(Renewal))]
) -> Response:
    """Propose the rows of a list until a later day; approved, it takes the list's place."""
    return answer(renew_list(desk, entry_id, wanted), 201)


@router.get("/{entry_id}/rows", response_model=WatchRows)
def rows(caller: TheCaller, service: TheService, entry_id: EntryId) -> Response:
    """Return the rows of a list; an entry of its own is one row."""
    return answer(read_rows(service, caller, entry_id))


page_router = APIRouter(prefix="/watchlist", route_class=PageRoute, include_in_schema=False)


@page_router.get("/lists")
def show_lists(visit: TheVisit, service: TheService) -> Response:
    """Show what each named list did, and the form that loads one."""
    return _show_page(visit, service)


@page_router.post("/lists/checks")
def show_check(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Show the form with the faults of its rows, whatever else is missing; nothing is recorded."""
    sent = {"kind": reader.text("kind") or None, "lines": read_field(form, "lines")}
    try:
        rows = reader.finish(reader.record(ListLines, sent))
        found = describe_check(
            read_list_file(rows.lines, kind=rows.kind or "", agency=visit.caller.agency)
        )
    except (FormError, RecordError) as error:
        return _show_page(visit, service, kept=form, wrong=list_mistakes(error))
    return _show_page(visit, service, kept=form, found=found)


@page_router.post("/lists")
def send_list(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Propose the list of a form; with faulty rows the page asks what shall become of them."""
    try:
        asked = _read_form(reader, form, ListProposal)
        found = check_file(visit.caller, asked)
        if not found.rows or (found.faulty and asked.faulty_rows == "refuse"):
            wrong = (FieldMistake("faulty_rows", "faulty_rows"),)
            return _show_page(visit, service, kept=form, wrong=wrong, found=found)
        propose_list(ProposalDesk(service, visit.caller, reader.once()), asked)
    except (FormError, RecordError) as error:
        return _show_page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/watchlist?done=proposed", 303)


@page_router.get("/{entry_id}/rows")
def show_rows(visit: TheVisit, service: TheService, entry_id: EntryId) -> Response:
    """Show the rows of a list."""
    return visit.page(
        "watch_rows.html",
        json_address=f"/v1/watchlist/{entry_id}/rows",
        found=read_rows(service, visit.caller, entry_id).rows,
    )


@page_router.post("/{entry_id}/renewals")
def send_renewal(
    visit: TheVisit, service: TheService, reader: TheReader, entry_id: EntryId
) -> Response:
    """Propose a list's rows until a later day."""
    once, expiry = reader.once(), reader.day("expiry", is_last=True)
    wanted = reader.finish(reader.record(Renewal, {"expiry": expiry}))
    renew_list(ProposalDesk(service, visit.caller, once), entry_id, wanted)
    return RedirectResponse("/watchlist?done=proposed", 303)


_TEXTS = ("list", "owner", "threat", "reason", "source_grade", "information_grade", "gravity")


def _read_form(reader: FormReader, form: Form, model: type[Any]) -> Any:
    """Return the list of a form; raises ``FormError``."""
    fields: dict[str, Any] = reader.texts(*_TEXTS, "kind", "instead_of")
    fields["lines"] = read_field(form, "lines")
    fields["handling"] = tuple(reader.every("handling"))
    fields["is_shareable"] = reader.text("is_shareable") == "1"
    fields["expiry"] = reader.day("expiry", is_last=True)
    fields["review_by"] = reader.day("review_by")
    if model is ListProposal and reader.text("faulty_rows") == "leave_out":
        fields["faulty_rows"] = "leave_out"
    return reader.finish(reader.record(model, fields))


def _show_page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
    found: ListCheck | None = None,
) -> Response:
    return visit.form_page(
        "watch_lists.html",
        json_address="/v1/watchlist/lists",
        found=describe_lists(service, visit.caller).lists,
        check=found,
        faults=[] if found is None else _join_faults(found.faults),
        kinds=NAMED,
        kept=kept or {},
        wrong=wrong,
    )


def _join_faults(faults: Sequence[RowFault]) -> list[FaultyLines]:
    """Return each fault once with its lines, the commonest first."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in faults:
        lines[one.field, one.rule].append(one.line)
    found = [FaultyLines(*about, numbers) for about, numbers in lines.items()]
    return sorted(found, key=lambda one: -len(one.lines))
