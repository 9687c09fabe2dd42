"""Templates: one environment a language, everything escaped, nothing undefined let through.

A reader's preferences, appearance and the clock of pages of no post, rest in cookies, as the
language does. A value that is not one of those offered counts as not chosen.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import available_timezones

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import HTTPConnection

from api.http.csv_lists import LISTS
from api.web.i18n import LANGUAGES, ReaderLocale, choose_form, language_of, translations
from api.web.labels import KINDS, TABLES
from api.web.menu import menu, split_menu
from api.web.page_help import HELP, RISK_WORDS, WORDS
from api.web.visitor import json_route
from engine.criteria.policy import read_goods_classes

APPEARANCE_COOKIE = "darvoza_appearance"
ZONE_COOKIE = "darvoza_time_zone"
APPEARANCES = ("", "light", "dark")
"""As the system has it, or one of the two whatever the system has."""


def appearance_of(request: HTTPConnection) -> str:
    """Return the appearance of a request's reader, empty where the system decides."""
    chosen = request.cookies.get(APPEARANCE_COOKIE, "")
    return chosen if chosen in APPEARANCES else ""


def zone_of(request: HTTPConnection) -> str:
    """Return the time zone that a request's reader chose, empty where none is."""
    chosen = request.cookies.get(ZONE_COOKIE, "")
    return chosen if chosen in time_zones() else ""


@cache
def time_zones() -> tuple[str, ...]:
    """Return the time zones that are offered: those of cities, and UTC, by name."""
    known = (one for one in available_timezones() if "/" in one and "Etc/" not in one)
    return ("UTC", *sorted(known))


HERE = Path(__file__).parent
STATIC = HERE / "static"


@cache
def environment(code: str) -> Environment:
    """Return the templates as they speak one language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue: Any = translations(code)
    made.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    say = catalogue.gettext

    def label(table: str, code: str) -> str:
        if table == "kind":
            return ": ".join(str(say(one)) for one in KINDS.get(code, ())) or code
        known = TABLES[table].get(code)
        return code if known is None else str(say(known))

    made.globals.update(languages=LANGUAGES, static=static, label=label, word=say, tables=TABLES)
    made.filters.update(
        instant=datetime.fromisoformat,
        segment=lambda text: quote(text, safe=""),
        counted=choose_form,
    )
    return made


def speech_of(request: Request, post: str | None = None) -> ReaderLocale:
    """Return how the reader of this request is spoken to, on a page of a post or of none."""
    runtime = request.app.state.runtime
    offset: int = runtime.settings.utc_offset_minutes
    network, zone = runtime.network, zone_of(request)
    return ReaderLocale(language_of(request), offset, network, post, own_zone=zone)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page."""
    speech = speech_of(request, values.get("post"))
    known = {
        "speech": speech,
        "appearance": appearance_of(request),
        "path": request.url.path,
        "synthetic": request.app.state.runtime.network.synthetic,
        "json_address": None,
        "post": None,
        "has_scanner": True,
        "done": request.query_params.get("done", ""),
        "help": HELP.get(template, ""),
    }
    known["training"] = training = getattr(request.app.state, "training_menu", None)
    visitor, where, post = values.get("visitor"), request.url.path, values.get("post")
    explanation = "GET", "/v1/decisions/{decision_id}/explanation"
    known["sees_risk"] = not training and visitor is not None and visitor.may(*explanation)
    known["help_words"] = {**WORDS, **RISK_WORDS} if known["sees_risk"] else WORDS
    address = request.app.state.runtime.settings.training_address
    links = training(visitor, where) if training else menu(visitor, post, where, training=address)
    known["menu"], known["folded"] = split_menu(links)
    address = values.get("json_address")
    known["csv_links"] = [] if address is None else _csv_links(request, address, speech.code)
    known["goods_name"] = _goods_names(request, speech.code)
    text = environment(speech.code).get_template(template).render(known | values)
    return HTMLResponse(text, status, headers={"Content-Language": speech.code})


def _goods_names(request: Request, language: str) -> Callable[[str], str]:
    """Return what names a class of goods; the table is read for a page that names one."""

    def name(code: str) -> str:
        with request.app.state.runtime.store.read() as snapshot:
            return read_goods_classes(snapshot).name(code, language)

    return name


def _csv_links(request: Request, address: str, language: str) -> list[tuple[str, str]]:
    """Return each table of a page's JSON answer with the address of its file.

    Where Russian, Uzbek or Tajik is set, spreadsheets separate cells by semicolons.
    """
    form = "comma" if language == "en" else "semicolon"
    start = f"{address}{'&' if '?' in address else '?'}spreadsheet={form}"
    tables = LISTS.get(json_route("GET", request.scope["route"].path_format)[1], ())
    return [
        (one, f"{start}&table={quote(one)}" if number else start)
        for number, one in enumerate(tables)
    ]


@cache
def static(name: str) -> str:
    """Return the address of a file of ours; it changes with the file."""
    version = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={version}"
