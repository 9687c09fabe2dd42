"""Figures of a period over HTTP, as a page and as a PDF file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from babel.dates import format_date
from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from api.auth.callers import Caller
from api.figures.answers import PeriodFigures, read_figures
from api.figures.words import compile_figures
from api.http.dependencies import TheCaller, TheService
from api.http.periods import Asked, AskedPost, PeriodAsked, name_days
from api.http.responses import answer, json_router
from api.service.executors import DOSSIERS, run_apart
from api.service.runtime import Runtime
from api.web.documents import Document
from api.web.i18n import ReaderLocale
from api.web.page_route import PageRoute, TheVisit
from api.web.templates_env import speech_of
from engine.criteria.policy import read_goods_classes
from engine.domain.time_units import moment

PDF = "application/pdf"
router = json_router("/v1", "figures")


@router.get("/figures", response_model=PeriodFigures)
def figures(caller: TheCaller, service: TheService, asked: Asked, post: AskedPost = "") -> Response:
    """Return what a period decided, searched and found, each beside the period before.

    ``from`` and ``to`` are days by the clocks of the post, both included, or times with an offset,
    the second not included; without them the running month.
    """
    return answer(read_figures(service, caller, asked, post or None))


@router.get(
    "/figures.pdf",
    response_class=Response,
    responses={200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def print_figures(
    request: Request,
    caller: TheCaller,
    service: TheService,
    asked: Asked,
    post: AskedPost = "",
    language: Annotated[Literal["en", "ru", "uz", "tg"] | None, Query()] = None,
) -> Response:
    """Return the same as a PDF file, in this language or the reader's."""
    speech = speech_of(request)
    speech = replace(speech, code=language or speech.code)
    made = await service.executors.dossiers.run(
        _print, service, caller, asked, post or None, speech
    )
    named = {"Content-Disposition": 'attachment; filename="figures.pdf"'}
    return Response(made, media_type=PDF, headers=named)


def _print(
    service: Runtime, caller: Caller, asked: PeriodAsked, post: str | None, speech: ReaderLocale
) -> bytes:
    document = _compile(service, read_figures(service, caller, asked, post), speech)
    given = TypeAdapter(Document).dump_json(document)
    return run_apart(service.home, DOSSIERS, "api.web.document_pdf:write", given)


def _compile(service: Runtime, found: PeriodFigures, speech: ReaderLocale) -> Document:
    with service.store.read() as snapshot:
        classes = read_goods_classes(snapshot)
    return compile_figures(found, speech, classes)


page_router = APIRouter(route_class=PageRoute, include_in_schema=False)


@page_router.get("/figures")
def show(visit: TheVisit, service: TheService, asked: Asked, post: AskedPost = "") -> Response:
    """Show the figures of a period."""
    found = read_figures(service, visit.caller, asked, post or None)
    speech = replace(visit.speech, post=found.post)
    with service.store.read() as snapshot:
        today = speech.local(moment(service.journal.now(snapshot))).date()
    query = urlencode({name: at for name, at in name_days(asked, post).items() if at})
    return visit.page(
        "period.html",
        post=found.post,
        json_address=f"/v1/figures?{query}" if query else "/v1/figures",
        found=found,
        document=_compile(service, found, speech),
        wanted=name_days(asked, post),
        query=query,
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
        periods=list(list_periods(today, speech)),
    )


def list_periods(today: date, speech: ReaderLocale) -> Iterator[tuple[str, date, date]]:
    """Yield months, quarters and years up to today: their names, first and last days."""
    first = today.replace(day=1)
    for months, count, form in ((1, 4, "LLL y"), (3, 2, "QQQ y"), (12, 2, "y")):
        begin = first.replace(month=first.month - (first.month - 1) % months)
        for _ in range(count):
            after = _add_months(begin, months)
            yield str(format_date(begin, form, speech.locale)), begin, after - timedelta(days=1)
            begin = _add_months(begin, -months)


def _add_months(day: date, months: int) -> date:
    number = 12 * day.year + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
