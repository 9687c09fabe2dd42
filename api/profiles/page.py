"""Risk profiles for people: which stand where, one in full, and the editor of a proposal."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import running_service
from api.profiles import page_forms as profiles_page_forms
from api.profiles.comparison import Difference, difference
from api.profiles.proposals import ProposalService
from api.profiles.reads import ProposalReader, check_expression, fields
from api.web.charts import bars
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, TheReader, join_lines
from api.web.messages import MessageReader
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.visitor import Form, TheForm, TheVisitor, Visitor, read_field
from engine.criteria.profiles.profile import Code as ProfileCode
from engine.errors import ConflictError, ProfileRefusedError, RecordError, UnknownPostError

TheService = Annotated[ProposalService, Depends(running_service)]

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
async def show_all(request: Request, service: TheService, visitor: TheVisitor) -> Response:
    """Show every profile by where it stands."""
    found = await asyncio.to_thread(ProposalReader(service).profiles)
    by_state = {state: [one for one in found if one["state"] == state] for state in STATES}
    return page(
        request, "profiles.html", visitor=visitor, by_state=by_state, json_address="/v1/profiles"
    )  # fmt: skip


@router.get("/new")
async def write(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    known: Annotated[ProfileCode | None, Query(alias="from")] = None,
) -> Response:
    """Show the editor, empty or with a profile to be changed."""
    begin = await asyncio.to_thread(_begin, service, known)
    return await _editor(request, visitor, begin)


@router.post("/checks")
async def check(
    request: Request, visitor: TheVisitor, form: TheForm, *, part: bool = False
) -> Response:
    """Show the editor with what a check of the expression says, or that part of it alone."""
    if part:
        return page(request, "checked.html", **await _check(request, form))
    return await _editor(request, visitor, form)


@router.post("")
async def propose(
    request: Request, service: TheService, visitor: TheVisitor, form: TheForm
) -> Response:
    """Propose a profile; what is wrong with it is said in the editor, with all kept."""
    try:
        code = await asyncio.to_thread(
            profiles_page_forms.profile, service, visitor, form, speech_of(request)
        )  # fmt: skip
    except FormError as error:
        return await _editor(request, visitor, form, wrong=error.mistakes)
    except tuple(_REFUSED) as error:
        return await _editor(request, visitor, form, wrong=(_REFUSED[type(error)],))
    except RecordError as error:
        wrong = (FieldMistake(error.field, error.rule),)
        return await _editor(request, visitor, form, wrong=wrong)
    return RedirectResponse(f"/profiles/{code}?done=proposed", 303)


@router.get("/{code}")
async def show(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    code: Code,
    against: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Show one profile: what it asks, what it would have done, what became of its matches."""
    known = await asyncio.to_thread(ProposalReader(service).profiles)
    found = next((one for one in known if one["code"] == code), None)
    if found is None:
        found = await asyncio.to_thread(ProposalReader(service).profile, code)  # raises
    others = [one for one in known if one["code"] != code]
    figures = found["backtest"] or {}
    return page(
        request,
        "profile.html",
        visitor=visitor,
        json_address=f"/v1/profiles/{code}",
        found=found,
        retell=MessageReader(speech_of(request)),
        chart=bars(figures.get("daily_matches", [])),
        difference=_compare_profiles(found, others, against),
        others=[one["code"] for one in others if one["state"] in ("in_force", "shadow")],
        successors=[one for one in others if one["instead_of"] == code],
        done=request.query_params.get("done", ""),
    )


@router.post("/{code}/approvals")
async def approve(
    service: TheService, visitor: TheVisitor, reader: TheReader, code: Code
) -> Response:
    """Agree that a profile enters, or that it leaves."""
    await asyncio.to_thread(profiles_page_forms.approve, service, visitor, "profile", code, reader)
    return RedirectResponse(f"/profiles/{code}?done=approved", 303)


@router.post("/{code}/retirements")
async def retire(
    service: TheService, visitor: TheVisitor, reader: TheReader, code: Code
) -> Response:
    """Propose that a profile leaves."""
    await asyncio.to_thread(profiles_page_forms.retire, service, visitor, "profile", code, reader)
    return RedirectResponse(f"/profiles/{code}?done=leaving", 303)


@router.post("/{code}/backtests")
async def backtest(
    service: TheService, visitor: TheVisitor, _form: TheForm, code: Code
) -> Response:
    """Run the backtest again."""
    made = await asyncio.to_thread(profiles_page_forms.backtest, service, visitor, code)
    return RedirectResponse(f"/profiles/{code}?done={'tried' if made else 'busy'}", 303)


def _begin(service: ProposalService, known: str | None) -> dict[str, list[str]]:
    found = None if known is None else ProposalReader(service).profile(known)
    return profiles_page_forms.fresh(service, found)


def _compare_profiles(
    found: Mapping[str, Any], others: list[dict[str, Any]], against: str
) -> Difference | None:
    """Compare a profile with the one asked for, else with the one whose place it shall take."""
    wanted = against or found["instead_of"]
    before = next((one for one in others if one["code"] == wanted), None)
    return None if before is None else difference(before, found)


async def _editor(
    request: Request, visitor: Visitor, form: Form, *, wrong: Sequence[FieldMistake] = ()
) -> Response:
    service: ProposalService = request.app.state.runtime
    offered = await asyncio.to_thread(fields, service.plan.names)
    return page(
        request,
        "profile_new.html",
        status=422 if wrong else 200,
        visitor=visitor,
        json_address="/v1/profiles/fields",
        kept={name: list(values) for name, values in form.items()},
        wrong=corrections(wrong, speech_of(request)),
        families=_families(offered),
        posts=sorted(service.network.posts),
        **await _check(request, form),
    )


async def _check(request: Request, form: Form) -> dict[str, Any]:
    """Return what a check of the expression in the editor says, none where it is empty."""
    names = request.app.state.runtime.plan.names
    written = join_lines(read_field(form, "expression"))
    result = await asyncio.to_thread(check_expression, written, names) if written else None
    why = None
    if result and not result["fits"]:
        why = MessageReader(speech_of(request)).refusal(result)
    return {"written": written, "checked": result, "why": why}


def _families(offered: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in offered:
        found.setdefault(one["name"].partition(".")[0], []).append(one)
    return found
