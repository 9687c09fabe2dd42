"""Pages of the profiles: where each stands, one in full, two compared, the editor of a proposal.

Forms are recorded through the steps of the JSON routes, those of the watch list too. The builder
makes an expression from rows of a field, a comparison and a value, joined by AND or OR. It writes
the profile language and nothing else; the check says which comparison does not fit its field. Of a
list of texts, and of a field of the goods, the expression asks whether one of them fits. A row that
asks for HS codes asks what codes begin with: 0806 is the heading of every code below it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.http.periods import Asked, name_days
from api.profiles.answers import (
    ProfileBacktest,
    ProfileField,
    ProfileView,
    check_expression,
    fields,
    link_examples,
    read_profile,
    read_profiles,
)
from api.profiles.field_words import FieldWords, read_headings
from api.profiles.steps import PROFILE, BacktestAsked, attach_backtest
from api.profiles.steps import try_out as try_profile
from api.proposals.desk import ProposalDesk
from api.service.runtime import Runtime
from api.web.charts import bars
from api.web.forms import (
    AmbiguousNumeralError,
    FieldMistake,
    FormError,
    FormReader,
    NumeralError,
    TheReader,
    join_lines,
    list_mistakes,
    read_number,
    write_number,
)
from api.web.i18n import N_
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.criteria.profiles.profile import Code as ProfileCode
from engine.criteria.profiles.profile import ProfileProposal, read_template, read_templates
from engine.errors import (
    BusyError,
    ConflictError,
    NotEnoughDataError,
    ProfileRefusedError,
    RecordError,
    UnknownPostError,
)

_WORD = re.compile(r"\s+|[\w.]+|\"(?:[^\"\\]|\\.)*\"|&&|\|\||[=!<>]=|.")
SETTINGS = ("channel", "percentage", "post", "tolerance", "valid_from", "valid_until")
"""Settings that are compared, besides the expression."""


@dataclass(frozen=True, slots=True)
class ExpressionPiece:
    """A part of an expression."""

    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class ComparedSetting:
    """One setting of both."""

    name: str
    before: Any
    after: Any

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return bool(self.before != self.after)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a profile changes against another."""

    code: str
    """Of the other."""
    state: str
    pieces: Sequence[ExpressionPiece]
    settings: Sequence[ComparedSetting]


def difference(before: ProfileView, after: ProfileView) -> Difference:
    """Return what ``after`` changes against ``before``."""
    settings = [
        ComparedSetting(name, getattr(before, name), getattr(after, name)) for name in SETTINGS
    ]
    pieces = words(before.expression, after.expression)
    return Difference(before.code, before.state, pieces, settings)


def words(before: str, after: str) -> list[ExpressionPiece]:
    """Return what is the same, gone and new, in the order of the text."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    found: list[ExpressionPiece] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, came = "".join(old[i:j]), "".join(new[k:m])
        if tag == "equal":
            found.append(ExpressionPiece("same", gone))
            continue
        if gone:
            found.append(ExpressionPiece("gone", gone))
        if came:
            found.append(ExpressionPiece("new", came))
    return found


MOST_ROWS, FIRST_ROWS = 8, 2
JOINS = {"&&": N_("all of these"), "||": N_("one of these or more")}
COMPARISONS = {
    "==": N_("is"),
    "!=": N_("is not"),
    "<": N_("is less than"),
    "<=": N_("is at most"),
    ">": N_("is more than"),
    ">=": N_("is at least"),
    "startsWith": N_("begins with"),
    "contains": N_("contains"),
    "in": N_("is one of (separate by commas)"),
    "has": N_("is known"),
}
"""What a row may ask, by the sign or the function of the language."""
_FUNCTIONS = ("startsWith", "contains")
_GOODS = "goods."
_CODE = "goods.hs_code"
_EQUALITIES = ("==", "!=", "in")


@dataclass(frozen=True, slots=True)
class BuilderRow:
    """One row as it was filled in."""

    number: int
    field: str
    comparison: str
    value: str


def read_rows(form: Form) -> list[BuilderRow]:
    """Return the rows of a form, at least ``FIRST_ROWS`` of them."""
    asked = read_field(form, "rows")
    count = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 3 else 0
    if read_field(form, "build") == "row":
        count += 1
    numbers = range(1, min(max(count, FIRST_ROWS), MOST_ROWS) + 1)
    names = ("field", "comparison", "value")
    texts = [[join_lines(read_field(form, f"{name}_{n}")) for name in names] for n in numbers]
    return [BuilderRow(n, *each) for n, each in zip(numbers, texts, strict=True)]


def write_expression(form: Form, words: FieldWords) -> str:
    """Return the expression that the rows of a form make; empty rows are left out.

    Raises ``FormError`` with a mistake at each row that cannot be written.
    """
    mistakes: list[FieldMistake] = []
    written: list[str] = []
    for row in read_rows(form):
        if not row.field:
            continue
        try:
            written.append(_write_row(row, words))
        except FormError as error:
            mistakes += error.mistakes
    if not written and not mistakes:
        mistakes.append(FieldMistake("field_1", "missing_key"))
    if mistakes:
        raise FormError(*mistakes)
    join = read_field(form, "join")
    return f" {join if join in JOINS else '&&'} ".join(written)


def _write_row(row: BuilderRow, words: FieldWords) -> str:
    field = words.find_field(row.field)
    kind = words.kinds.get(field)
    if kind is None or row.comparison not in COMPARISONS:
        raise FormError(FieldMistake(f"field_{row.number}", "unknown_field"))
    name, over = field, ""
    if field.startswith(_GOODS):
        name, over = f"g.{field.removeprefix(_GOODS)}", "goods.exists(g, {})"
    elif kind == "texts":
        name, over = "c", f"{field}.exists(c, {{}})"
    if row.comparison == "has":
        return f"size({field}) > 0" if kind == "texts" else (over or "{}").format(f"has({name})")
    values = _write_values(replace(row, field=field), kind, words)
    if field == _CODE and row.comparison in _EQUALITIES:
        asked = " || ".join(f"{name}.startsWith({value})" for value in values)
        asked = f"!({asked})" if row.comparison == "!=" else asked
    elif row.comparison in _FUNCTIONS:
        asked = f"{name}.{row.comparison}({values[0]})"
    elif row.comparison == "in":
        asked = f"{name} in [{', '.join(values)}]"
    else:
        asked = f"{name} {row.comparison} {values[0]}"
    return (over or "{}").format(asked)


def _write_values(row: BuilderRow, kind: str, words: FieldWords) -> list[str]:
    parts = row.value.split(",") if row.comparison == "in" else [row.value]
    texts = [part.strip() for part in parts if part.strip()]
    if not texts:
        raise FormError(FieldMistake(f"value_{row.number}", "missing_key"))
    return [_write_literal(row, kind, text, words) for text in texts]


def _write_literal(row: BuilderRow, kind: str, text: str, words: FieldWords) -> str:
    read = words.read_value(row.field, text)
    if kind != "number":
        if row.comparison in _FUNCTIONS:
            read = read or text
        if read is None:
            raise FormError(FieldMistake(f"value_{row.number}", "not_offered"))
        return read if kind == "bool" else json.dumps(read, ensure_ascii=False)
    text = read or text
    minus = "-" if text.startswith("-") else ""
    try:
        number = read_number(text.removeprefix("-").strip(), words.speech.locale)
    except AmbiguousNumeralError as error:
        found: dict[str, Any] = {"whole": error.grouped, "fraction": error.fraction}
        raise FormError(FieldMistake(f"value_{row.number}", "ambiguous_number", found)) from None
    except NumeralError:
        about = {"example": "40.5"}
        raise FormError(FieldMistake(f"value_{row.number}", "not_a_number", about)) from None
    return f"{minus}{number:.15g}"


SEEN = "seen"
"""Field that holds the expression whose trial the page shows."""
_AT_POST = "tolerance_"
"""Before the post's code, the field of a tolerance that holds there."""
USUAL_DAYS = 90
"""Default validity of a profile."""


async def desk_of_visit(visit: TheVisit, service: TheService) -> ProposalDesk:
    """Return what takes the steps of a visitor."""
    return ProposalDesk(service, visit.caller)


VisitorsDesk = Annotated[ProposalDesk, Depends(desk_of_visit)]


def record_proposal(desk: ProposalDesk, reader: FormReader) -> str:
    """Propose a profile with its backtest and return its code; raises ``FormError``."""
    proposed = reader.finish(reader.record(ProfileProposal, _read_proposal(reader)))
    desk.propose(PROFILE, proposed)
    return proposed.code


def _read_proposal(reader: FormReader) -> dict[str, Any]:
    names = ("code", "title", "channel", "post", "note", "instead_of", "fact", "owner")
    return reader.texts(*names) | {
        "expression": reader.text("expression"),
        "percentage": reader.number("percentage"),
        "tolerance": reader.number("tolerance"),
        "tolerances": _read_tolerances(reader),
        "valid_from": reader.day("valid_from"),
        "valid_until": reader.day("valid_until", is_last=True),
        "review_by": reader.day("review_by", is_last=True),
    }


def _read_tolerances(reader: FormReader) -> dict[str, float]:
    """Return the tolerances of the posts whose field is filled."""
    read = {post: reader.number(_AT_POST + post) for post in reader.list_named(_AT_POST)}
    return {post: number for post, number in read.items() if number is not None}


def read_trial(reader: FormReader) -> BacktestAsked:
    """Return what of the editor is tried out; raises ``FormError``."""
    known = reader.texts("channel", "post") | {"expression": reader.text("expression")}
    known["tolerances"] = _read_tolerances(reader)
    for name in ("percentage", "tolerance"):
        if (number := reader.number(name)) is not None:
            known[name] = number
    return reader.finish(reader.record(BacktestAsked, known))


def fresh(
    service: Runtime,
    known: ProfileView | None,
    template: Mapping[str, Any] | None = None,
) -> dict[str, list[str]]:
    """Return what the editor begins with: nothing, a profile to be changed, or a template."""
    local = datetime.now(UTC) + timedelta(minutes=service.settings.utc_offset_minutes)
    until = (local + timedelta(days=USUAL_DAYS)).date().isoformat()
    made = {"valid_until": until, "percentage": "100", "channel": "red"}
    if template is not None:
        numbers = ("percentage", "tolerance")
        shown = {name: write_number(template[name]) for name in numbers if name in template}
        made |= {**template, **shown}
    if known is not None:
        names = ("title", "expression", "channel", "post", "fact", "owner")
        made |= {name: getattr(known, name) or "" for name in names}
        if known.tolerance is not None:
            made["tolerance"] = write_number(known.tolerance)
        made |= {_AT_POST + post: write_number(one) for post, one in known.tolerances.items()}
        made |= {"percentage": write_number(known.percentage), "instead_of": known.code}
        made["code"] = successor(known.code)
    return {name: [value] for name, value in made.items()}


def successor(code: str) -> str:
    """Return a code for a changed profile: codes are used once."""
    stem, dash, last = code.rpartition("-")
    is_numbered = bool(dash) and last.isdigit() and len(last) < 9
    made = f"{stem}-{int(last) + 1}" if is_numbered else f"{code}-2"
    return made if len(made) <= 32 else ""


def record_backtest(desk: ProposalDesk, code: str) -> bool:
    """Run a backtest again and attach it; tell whether that could be done."""
    try:
        attach_backtest(desk, code, days=USUAL_DAYS)
    except (BusyError, NotEnoughDataError):
        return False
    return True


router = APIRouter(prefix="/profiles", route_class=PageRoute, include_in_schema=False)
Code = Annotated[ProfileCode, Path()]
STATES = ("proposed", "in_force", "shadow", "expired", "retired")
"""In the order of the list: what waits for a person comes first."""
_REFUSED: Mapping[type[Exception], FieldMistake] = {
    ProfileRefusedError: FieldMistake("expression", "refused_expression"),
    ConflictError: FieldMistake("code", "taken"),
    UnknownPostError: FieldMistake("post", "unknown_enumeration"),
}
"""What an error of the engine's says of the form."""


def left_over(
    templates: Mapping[str, Mapping[str, Any]], profiles: Sequence[ProfileView]
) -> dict[str, Mapping[str, Any]]:
    """Return the templates that no profile has taken up, by title; a retired one frees its own."""
    taken = {one.title for one in profiles if one.state != "retired"}
    return {name: one for name, one in templates.items() if one["title"] not in taken}


@router.get("")
def show_all(visit: TheVisit, service: TheService) -> Response:
    """Show every profile by where it stands."""
    found = read_profiles(service, visit.caller)
    by_state = {state: [one for one in found if one.state == state] for state in STATES}
    return visit.page(
        "profiles.html",
        by_state=by_state,
        templates=left_over(read_templates(), found),
        json_address="/v1/profiles",
    )


@router.get("/new")
def write(
    visit: TheVisit,
    service: TheService,
    known: Annotated[ProfileCode | None, Query(alias="from")] = None,
    template: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """Show the editor: empty, with a profile to be changed, or with a template."""
    found = None if known is None else read_profile(service, known, visit.caller)
    shipped = None if template is None else read_template(template)
    return _editor(visit, service, fresh(service, found, shipped))


@router.post("/checks")
def check(visit: TheVisit, service: TheService, form: TheForm, *, part: bool = False) -> Response:
    """Show the editor with what a check of the expression says, or that part of it alone.

    With the button of the builder the expression is written from its rows first.
    """
    if part:
        return visit.page("checked.html", **_check(visit, service, form))
    if read_field(form, "build") != "write":
        return _editor(visit, service, form)
    words = FieldWords(fields(service.plan.names), visit.speech, sorted(service.network.posts))
    try:
        written = write_expression(form, words)
    except FormError as error:
        return _editor(visit, service, form, wrong=error.mistakes)
    return _editor(visit, service, {**form, "expression": [written]})


@router.post("/backtests")
def try_out(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Show the editor with what its expression would have done; nothing is recorded."""
    try:
        tried = try_profile(service, visit.caller, read_trial(reader))
    except FormError as error:
        return _editor(visit, service, form, wrong=error.mistakes)
    except tuple(_REFUSED) as error:
        return _editor(visit, service, form, wrong=(_REFUSED[type(error)],))
    except (BusyError, NotEnoughDataError):
        return _editor(visit, service, form, is_busy=True)
    return _editor(visit, service, form, tried=_show_backtest(visit, service, tried))


@router.post("")
def propose(
    visit: TheVisit, service: TheService, desk: VisitorsDesk, form: TheForm, reader: TheReader
) -> Response:
    """Propose a profile; what is wrong with it is said in the editor, with all kept.

    One that was not tried is tried first. If it matches nothing, the editor shows why, and the
    proposal is sent once more.
    """
    try:
        trial = read_trial(reader)
        if reader.text(SEEN) != trial.expression and (tried := _try_first(visit, service, trial)):
            return _editor(visit, service, form, tried=tried)
        code = record_proposal(desk, reader)
    except tuple(_REFUSED) as error:
        return _editor(visit, service, form, wrong=(_REFUSED[type(error)],))
    except (FormError, RecordError) as error:
        return _editor(visit, service, form, wrong=list_mistakes(error))
    return RedirectResponse(f"/profiles/{code}?done=proposed", 303)


def _try_first(visit: Visit, service: Runtime, trial: BacktestAsked) -> dict[str, Any] | None:
    """Return the backtest of a profile that matches no vehicle, None if it matches one."""
    try:
        found = try_profile(service, visit.caller, trial)
    except (BusyError, NotEnoughDataError):
        return None  # the proposal says that it has no backtest
    return None if found.matches else _show_backtest(visit, service, found)


@router.get("/{code}")
def show(
    visit: TheVisit,
    service: TheService,
    code: Code,
    asked: Asked,
    against: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Show one profile: what it asks, what it would have done, what became of its matches."""
    known = read_profiles(service, visit.caller)
    found = read_profile(service, code, visit.caller, asked)
    days = {name: text for name, text in name_days(asked, "").items() if text}
    others = [one for one in known if one.code != code]
    return visit.page(
        "profile.html",
        json_address=f"/v1/profiles/{code}?{urlencode(days)}" if days else f"/v1/profiles/{code}",
        found=found,
        wanted=name_days(asked, ""),
        retell=MessageReader(visit.speech),
        tried=_show_backtest(visit, service, found.backtest),
        difference=_compare_profiles(found, others, against),
        others=[one.code for one in others if one.state in ("in_force", "shadow")],
        successors=[one for one in others if one.instead_of == code],
    )


@router.post("/{code}/backtests")
def backtest(desk: VisitorsDesk, _form: TheForm, code: Code) -> Response:
    """Run the backtest again."""
    made = record_backtest(desk, code)
    return RedirectResponse(f"/profiles/{code}?done={'tried' if made else 'busy'}", 303)


def _compare_profiles(
    found: ProfileView, others: Sequence[ProfileView], against: str
) -> Difference | None:
    """Compare a profile with the one asked for, else with the one whose place it shall take."""
    wanted = against or found.instead_of
    before = next((one for one in others if one.code == wanted), None)
    return None if before is None else difference(before, found)


def _editor(
    visit: Visit,
    service: Runtime,
    form: Form,
    *,
    wrong: Sequence[FieldMistake] = (),
    **more: Any,
) -> Response:
    offered = fields(service.plan.names)
    posts = sorted(service.network.posts)
    words = FieldWords(offered, visit.speech, posts, read_headings(service, visit.caller))
    values: dict[str, Any] = {"tried": None, "is_busy": False} | more
    named = FormReader(form, visit.speech).list_named(_AT_POST)
    tolerated = sorted({*service.network.posts, *named})
    return visit.form_page(
        "profile_new.html",
        retell=MessageReader(visit.speech),
        offered=offered,
        words=words,
        rows=read_rows(form),
        most_rows=MOST_ROWS,
        joins=JOINS,
        comparisons=COMPARISONS,
        json_address="/v1/profiles/fields",
        kept=form,
        wrong=wrong,
        field_names={
            "field": N_("Field"),
            "value": N_("Value"),
            "tolerances": N_("Tolerance"),
            **{_AT_POST + post: post for post in tolerated},
        },
        families=_families(offered),
        posts=posts,
        tolerated=tolerated,
        **_check(visit, service, form),
        **values,
    )


def _show_backtest(
    visit: Visit, service: Runtime, found: ProfileBacktest | None
) -> dict[str, Any] | None:
    """Return the figures of a backtest as pages show them, its matches with their decisions."""
    if found is None:
        return None
    lists = {
        name: link_examples(service, visit.caller, getattr(found, name) or [])
        for name in ("examples", "missed", "cleared")
    }
    return asdict(found) | lists | {"chart": bars(found.daily_matches)}


def _check(visit: Visit, service: Runtime, form: Form) -> dict[str, Any]:
    """Return what a check of the expression in the editor says, none where it is empty."""
    written = join_lines(read_field(form, "expression"))
    result = check_expression(written, service.plan.names) if written else None
    why, marked = None, ("", "", "")
    if result and not result.fits:
        said = MessageReader(visit.speech)
        why = said.refusal(result.message, result.parameters, result.why or "")
        marked = mark_operand(written, result.at or 1)
    return {"written": written, "checked": result, "why": why, "marked": marked}


def mark_operand(written: str, at: int) -> tuple[str, str, str]:
    """Return an expression in three parts, with the word or sign at a place in the middle.

    ``at`` counts from 1.
    """
    found = _WORD.match(written, at - 1)
    end = at - 1 if found is None else found.end()
    return written[: at - 1], written[at - 1 : end], written[end:]


def _families(offered: Sequence[ProfileField]) -> dict[str, list[ProfileField]]:
    found: dict[str, list[ProfileField]] = {}
    for one in offered:
        found.setdefault(one.name.partition(".")[0], []).append(one)
    return found
