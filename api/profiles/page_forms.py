"""Forms about profiles and the watch list, recorded through the JSON routes' own steps."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends

from api.http.dependencies import TheService
from api.profiles.proposals import Approval, BacktestAsked, ProposalWriter, Retirement
from api.service.runtime import Runtime
from api.web.form_fields import FormReader
from api.web.number_parsing import write_number
from api.web.page_route import TheVisit
from engine.criteria.dual_control import Matter
from engine.criteria.profiles.profile import ProfileProposal
from engine.errors import BusyError, NotEnoughDataError

USUAL_DAYS = 90
"""Default validity of a profile."""


async def writer_of_visit(visit: TheVisit, service: TheService) -> ProposalWriter:
    """Return what takes the steps of a visitor."""
    return ProposalWriter(service, visit.caller)


VisitorsWriter = Annotated[ProposalWriter, Depends(writer_of_visit)]


def propose(writer: ProposalWriter, reader: FormReader) -> str:
    """Propose a profile with its backtest and return its code; raises ``FormError``."""
    proposed = reader.finish(reader.record(ProfileProposal, _read_proposal(reader)))
    writer.profile(proposed)
    return proposed.code


def _read_proposal(reader: FormReader) -> dict[str, Any]:
    return reader.texts("code", "title", "channel", "post", "note", "instead_of") | {
        "expression": reader.text("expression"),
        "percentage": reader.number("percentage"),
        "valid_from": reader.day("valid_from"),
        "valid_until": reader.day("valid_until", is_last=True),
    }


def read_trial(reader: FormReader) -> BacktestAsked:
    """Return what of the editor is tried out; raises ``FormError``."""
    known = reader.texts("channel", "post") | {"expression": reader.text("expression")}
    if (percentage := reader.number("percentage")) is not None:
        known["percentage"] = percentage
    return reader.finish(reader.record(BacktestAsked, known))


def fresh(
    service: Runtime,
    known: dict[str, Any] | None,
    template: Mapping[str, Any] | None = None,
) -> dict[str, list[str]]:
    """Return what the editor begins with: nothing, a profile to be changed, or a template."""
    local = datetime.now(UTC) + timedelta(minutes=service.settings.utc_offset_minutes)
    until = (local + timedelta(days=USUAL_DAYS)).date().isoformat()
    made = {"valid_until": until, "percentage": "100", "channel": "red"}
    if template is not None:
        made |= {**template, "percentage": write_number(template["percentage"])}
    if known is not None:
        names = ("title", "expression", "channel", "post")
        made |= {name: known[name] or "" for name in names}
        made |= {"percentage": write_number(known["percentage"]), "instead_of": known["code"]}
        made["code"] = successor(known["code"])
    return {name: [value] for name, value in made.items()}


def successor(code: str) -> str:
    """Return a code for a changed profile: codes are used once."""
    stem, dash, last = code.rpartition("-")
    is_numbered = bool(dash) and last.isdigit() and len(last) < 9
    made = f"{stem}-{int(last) + 1}" if is_numbered else f"{code}-2"
    return made if len(made) <= 32 else ""


def approve(writer: ProposalWriter, matter: Matter, subject: str, reader: FormReader) -> None:
    """Agree to what waits; raises ``FormError``."""
    fields = {"shadow": reader.text("shadow") == "1"} | reader.texts("note")
    writer.approve(matter, subject, reader.finish(reader.record(Approval, fields)))


def retire(writer: ProposalWriter, matter: Matter, subject: str, reader: FormReader) -> None:
    """Propose that something leaves; raises ``FormError``."""
    wanted = reader.record(Retirement, reader.texts("reason"))
    writer.retire(matter, subject, reader.finish(wanted))


def backtest(writer: ProposalWriter, code: str) -> bool:
    """Run a backtest again and attach it; tell whether that could be done."""
    try:
        writer.attach(code, days=USUAL_DAYS)
    except (BusyError, NotEnoughDataError):
        return False
    return True
