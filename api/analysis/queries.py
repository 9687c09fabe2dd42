"""Queries: one SELECT statement over the records of the home as of a time, over HTTP and as a page.

A query runs as the command ``darvoza sql`` in a process of its own, so its answer is that command's
answer. It is recorded with its purpose before the answer leaves; a refused one is recorded too.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.auth.callers import OTHER_AGENCY, Caller
from api.http.answers import Recorded, Time
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.proposals.desk import EVERY_POST
from api.service.executors import Bounds, CommandJob
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, TheReader
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.analysis.area import DECISION_COLUMNS, QUERY_RUN, REVIEW_COLUMNS, QueryBody
from engine.domain.field_types import Text
from engine.domain.field_types import Time as Instant
from engine.domain.records import (
    Crossing,
    DeclarationHead,
    GoodsItemRow,
    InspectionRow,
    Record,
    Seizure,
)
from engine.domain.rights import Matter
from engine.domain.time_units import micros, rfc3339
from engine.errors import BusyError, MalformedBodyError, NotAllowedError, NotEnoughDataError
from engine.journal.entries import Entry
from engine.storage.home import escape_cell
from features.catalogue.catalogue import CATALOGUE

VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "crossings": (*Crossing.model_fields, "known_at", "as_of"),
    "declarations": tuple(DeclarationHead.model_fields),
    "goods_items": tuple(GoodsItemRow.model_fields),
    "inspections": (*InspectionRow.model_fields, "known_at"),
    "seizures": (*Seizure.model_fields, "known_at", "linked_crossing_id", "is_load"),
    "decisions": tuple(DECISION_COLUMNS),
    "reviews": tuple(REVIEW_COLUMNS),
    "features": ("crossing_id", "as_of", *CATALOGUE),
}
"""What a statement may read, and the columns of each."""
READ: Final = (
    Matter.DECISIONS, Matter.ACTS, Matter.SEIZURES, Matter.REVIEWS, Matter.WATCHLIST,
    Matter.PROFILES,
)  # fmt: skip
"""What the views hold rows of, and features count."""
MOST_ROWS: Final = 10_000
SHOWN_ROWS: Final = 200
"""On the page; the file has all."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of the rows as JSON."""
LONGEST: Final = 20_000
"""Characters of a statement."""
START_SECONDS: Final = 60
"""Until the process has read the home, and beyond the seconds that the statement may run."""
_QUERY = Bounds("query")


class QueryAsked(Record):
    """One statement, and what its answer is for."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    purpose: Annotated[Text, Field(min_length=3)]
    as_of: Instant | None = None
    """Answer with what was known then; default now."""
    EXAMPLE: ClassVar = {
        "query": "SELECT post, count(*) AS n FROM crossings GROUP BY post ORDER BY post",
        "purpose": "Figures for the monthly report.",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnswer(Recorded):
    """Columns and rows, as ``darvoza sql --json`` prints them."""

    columns: list[str]
    rows: list[dict[str, Any]]
    as_of: Time
    digest: str
    """SHA-256 of columns and rows, by which two answers are compared."""


def check_reach(caller: Caller) -> None:
    """Refuse a caller from whom any row is hidden; raises ``NotAllowedError``.

    A feature of one vehicle counts what happened at all posts and to all agencies.
    """
    if caller.post is not None:
        raise NotAllowedError(EVERY_POST, "post")
    if not all(map(caller.sees_all, READ)):
        raise NotAllowedError(OTHER_AGENCY, "agency")


def run_query(service: Runtime, caller: Caller, asked: QueryAsked) -> QueryAnswer:
    """Return the answer once it is recorded.

    Raises ``MalformedBodyError`` for a statement that was refused, ``BusyError`` if another one
    runs or the machine gave it too little time, and ``NotAllowedError``.
    """
    check_reach(caller)
    body: QueryBody = {
        "by": caller.person,
        "role": caller.role.value,
        "purpose": asked.purpose,
        "statement": asked.query,
    }
    if asked.as_of is not None:
        body["as_of"] = rfc3339(micros(asked.as_of))
    try:
        found = _ask(service, asked)
    except (NotEnoughDataError, BusyError) as error:
        why = error.why if isinstance(error, NotEnoughDataError) else str(error)
        _record(service, {**body, "refused": why})
        if isinstance(error, BusyError):
            raise
        raise _refuse(why) from None
    body["as_of"], body["digest"] = found["as_of"], found["digest"]
    body["rows"] = len(found["rows"])
    entry = _record(service, body)
    receipt = service.signer.sign(entry)
    return QueryAnswer(recorded_at=rfc3339(entry.known_at), receipt=receipt, **found)


def _ask(service: Runtime, asked: QueryAsked) -> dict[str, Any]:
    """Run the command; raises ``NotEnoughDataError`` with its words, and ``BusyError``."""
    seconds = service.settings.query_seconds
    options = ["--max-rows", str(MOST_ROWS), "--max-seconds", str(seconds)]
    if asked.as_of is not None:
        options += ["--as-of", asked.as_of.isoformat()]
    bounds = replace(_QUERY, seconds=round(seconds) + START_SECONDS)
    job = CommandJob(service.home)
    found: dict[str, Any] = job.execute(bounds, ["sql", "-"], options, given=asked.query.encode())
    if len(orjson.dumps(found["rows"])) > MOST_BYTES:
        why = f"query: more than {MOST_BYTES >> 20} MB: select fewer columns or rows"
        raise NotEnoughDataError("the query", why)
    return found


def _record(service: Runtime, body: QueryBody) -> Entry:
    return service.writer.submit(QUERY_RUN.draft(body["by"], body)).result()


def _refuse(why: str) -> MalformedBodyError:
    fault = {"at": "query", "rule": "refused_query", "why": why.removeprefix("query: ")}
    return MalformedBodyError("the query was refused", (fault,))


router = json_router("/v1/queries", "analysis")


@router.post("", **creates(QueryAnswer, 413, body=QueryAsked))
def ask_query(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[QueryAsked, Depends(body_of(QueryAsked))],
) -> Response:
    """Answer one SELECT statement; it is recorded with its purpose."""
    return answer(run_query(service, caller, asked), 201)


page_router = APIRouter(prefix="/queries", route_class=PageRoute, include_in_schema=False)
_REFUSALS: Final = {
    "Parser Error": "query_unreadable",
    **dict.fromkeys(("Binder Error", "Catalog Error", "no table "), "query_names"),
}
"""The rule that a statement breaks, by how its refusal begins."""
_NAMES: Final = {"query": N_("Statement"), "purpose": N_("Purpose"), "as_of": N_("As known at")}


@page_router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the form."""
    return _page(visit, service, kept={})


@page_router.post("")
def ask(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Answer a statement, as a table or as a file."""
    try:
        values: dict[str, Any] = reader.texts("purpose") | {"query": form.get("query", [""])[0]}
        values |= {"as_of": reader.moment("as_of")}
        asked = reader.finish(reader.record(QueryAsked, values))
        found = run_query(service, visit.caller, asked)
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    except MalformedBodyError as error:
        said = error.fields[0]["why"]
        rules = (rule for start, rule in _REFUSALS.items() if said.startswith(start))
        wrong = [FieldMistake("query", next(rules, "refused_query"))]
        return _page(visit, service, kept=form, wrong=wrong, said=said)
    if "file" in form:
        return _write_file(found)
    return _page(visit, service, kept=form, found=found)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    said: str = "",
    found: QueryAnswer | None = None,
) -> Response:
    """Show the form; ``said`` is what DuckDB says of a statement that it refuses, in English."""
    return visit.form_page(
        "queries.html",
        views=VIEWS,
        most=MOST_ROWS,
        shown=SHOWN_ROWS,
        seconds=service.settings.query_seconds,
        found=found,
        kept=kept,
        wrong=wrong,
        said=said,
        field_names=_NAMES,
    )


def _write_file(found: QueryAnswer) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([escape_cell(name) for name in found.columns])
    writer.writerows([_write_cell(row[name]) for name in found.columns] for row in found.rows)
    name = f"query-{found.receipt.sequence}.csv"
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=head)


def _write_cell(cell: Any) -> Any:
    if isinstance(cell, list):
        cell = ";".join(map(str, cell))
    return escape_cell(cell) if isinstance(cell, str) else cell
