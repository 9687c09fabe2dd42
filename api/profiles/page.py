"""Risk profiles for people: which stand where, one in full, and the editor of a proposal."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.profiles import page_forms as profiles_page_forms
from api.profiles.comparison import Difference, difference
from api.profiles.expression_builder import (
    COMPARISONS,
    JOINS,
    MOST_ROWS,
    read_rows,
    write_expression,
)
from api.profiles.page_forms import VisitorsWriter
from api.profiles.reads import (
    check_expression,
    fields,
    link_examples,
    read_profile,
    read_profiles,
)
from api.service.runtime import Runtime
from api.web.charts import bars
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, TheReader, join_lines
from api.web.i18n import N_
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.criteria.profiles.profile import Code as ProfileCode
from engine.criteria.profiles.templates import read_template, read_templates
from engine.errors import (
    BusyError,
    ConflictError,
    NotEnoughDataError,
    ProfileRefusedError,
    RecordError,
    UnknownPostError,
)

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


@router.get("")
def show_all(visit: TheVisit, service: TheService) -> Response:
    """Show every profile by where it stands."""
    found = read_profiles(service, visit.caller)
    by_state = {state: [one for one in found if one["state"] == state] for state in STATES}
    return visit.page(
        "profiles.html",
        by_state=by_state,
        templates=read_templates(),
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
    return _editor(visit, service, profiles_page_forms.fresh(service, found, shipped))


@router.post("/checks")
def check(visit: TheVisit, service: TheService, form: TheForm, *, part: bool = False) -> Response:
    """Show the editor with what a check of the expression says, or that part of it alone.

    With the button of the builder the expression is written from its rows first.
    """
    if part:
        return visit.page("checked.html", **_check(visit, service, form))
    if read_field(form, "build") != "write":
        return _editor(visit, service, form)
    kinds = {one["name"]: one["kind"] for one in fields(service.plan.names)}
    try:
        written = write_expression(form, kinds, visit.speech.locale)
    except FormError as error:
        return _editor(visit, service, form, wrong=error.mistakes)
    return _editor(visit, service, {**form, "expression": [written]})


@router.post("/backtests")
def try_out(
    visit: TheVisit, service: TheService, writer: VisitorsWriter, form: TheForm, reader: TheReader
) -> Response:
    """Show the editor with what its expression would have done; nothing is recorded."""
    try:
        tried = writer.try_out(profiles_page_forms.read_trial(reader))
    except FormError as error:
        return _editor(visit, service, form, wrong=error.mistakes)
    except tuple(_REFUSED) as error:
        return _editor(visit, service, form, wrong=(_REFUSED[type(error)],))
    except (BusyError, NotEnoughDataError):
        return _editor(visit, service, form, is_busy=True)
    return _editor(visit, service, form, tried=_show_backtest(visit, service, tried))


@router.post("")
def propose(
    visit: TheVisit, service: TheService, writer: VisitorsWriter, form: TheForm, reader: TheReader
) -> Response:
    """Propose a profile; what is wrong with it is said in the editor, with all kept."""
    try:
        code = profiles_page_forms.propose(writer, reader)
    except FormError as error:
        return _editor(visit, service, form, wrong=error.mistakes)
    except tuple(_REFUSED) as error:
        return _editor(visit, service, form, wrong=(_REFUSED[type(error)],))
    except RecordError as error:
        return _editor(visit, service, form, wrong=(FieldMistake(error.field, error.rule),))
    return RedirectResponse(f"/profiles/{code}?done=proposed", 303)


@router.get("/{code}")
def show(
    visit: TheVisit,
    service: TheService,
    code: Code,
    against: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Show one profile: what it asks, what it would have done, what became of its matches."""
    known = read_profiles(service, visit.caller)
    found = next((one for one in known if one["code"] == code), None)
    if found is None:
        found = read_profile(service, code, visit.caller)  # raises
    others = [one for one in known if one["code"] != code]
    return visit.page(
        "profile.html",
        json_address=f"/v1/profiles/{code}",
        found=found,
        retell=MessageReader(visit.speech),
        tried=_show_backtest(visit, service, found["backtest"]),
        difference=_compare_profiles(found, others, against),
        others=[one["code"] for one in others if one["state"] in ("in_force", "shadow")],
        successors=[one for one in others if one["instead_of"] == code],
    )


@router.post("/{code}/approvals")
def approve(writer: VisitorsWriter, reader: TheReader, code: Code) -> Response:
    """Agree that a profile enters, or that it leaves."""
    profiles_page_forms.approve(writer, "profile", code, reader)
    return RedirectResponse(f"/profiles/{code}?done=approved", 303)


@router.post("/{code}/retirements")
def retire(writer: VisitorsWriter, reader: TheReader, code: Code) -> Response:
    """Propose that a profile leaves."""
    profiles_page_forms.retire(writer, "profile", code, reader)
    return RedirectResponse(f"/profiles/{code}?done=leaving", 303)


@router.post("/{code}/backtests")
def backtest(writer: VisitorsWriter, _form: TheForm, code: Code) -> Response:
    """Run the backtest again."""
    made = profiles_page_forms.backtest(writer, code)
    return RedirectResponse(f"/profiles/{code}?done={'tried' if made else 'busy'}", 303)


def _compare_profiles(
    found: Mapping[str, Any], others: list[dict[str, Any]], against: str
) -> Difference | None:
    """Compare a profile with the one asked for, else with the one whose place it shall take."""
    wanted = against or found["instead_of"]
    before = next((one for one in others if one["code"] == wanted), None)
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
    values: dict[str, Any] = {"tried": None, "is_busy": False} | more
    return visit.page(
        "profile_new.html",
        status=422 if wrong else 200,
        retell=MessageReader(visit.speech),
        offered=offered,
        rows=read_rows(form),
        most_rows=MOST_ROWS,
        joins=JOINS,
        comparisons=COMPARISONS,
        json_address="/v1/profiles/fields",
        kept={name: list(values) for name, values in form.items()},
        wrong=corrections(wrong, visit.speech, names=_name_rows()),
        families=_families(offered),
        posts=sorted(service.network.posts),
        **_check(visit, service, form),
        **values,
    )


def _name_rows() -> dict[str, str]:
    numbers = range(1, MOST_ROWS + 1)
    names = {"field": N_("Field"), "value": N_("Value")}
    return {f"{name}_{number}": text for number in numbers for name, text in names.items()}


def _show_backtest(
    visit: Visit, service: Runtime, found: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the figures of a backtest as pages show them, its matches with their decisions."""
    if found is None:
        return None
    examples = link_examples(service, visit.caller, found["examples"])
    return {**found, "examples": examples, "chart": bars(found["daily_matches"])}


def _check(visit: Visit, service: Runtime, form: Form) -> dict[str, Any]:
    """Return what a check of the expression in the editor says, none where it is empty."""
    written = join_lines(read_field(form, "expression"))
    result = check_expression(written, service.plan.names) if written else None
    why = None
    if result and not result["fits"]:
        why = MessageReader(visit.speech).refusal(result)
    return {"written": written, "checked": result, "why": why}


def _families(offered: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in offered:
        found.setdefault(one["name"].partition(".")[0], []).append(one)
    return found
