"""What the forms about profiles and the watch list record, through the JSON routes' own steps."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.profiles.proposals import Approval, ProposalService, ProposalWriter, Retirement
from api.web.form_fields import FormReader
from api.web.i18n import ReaderLocale
from api.web.number_parsing import write_number
from api.web.visitor import Form, Visitor
from engine.criteria.dual_control import Matter
from engine.criteria.profiles.profile import ProfileProposal
from engine.errors import BusyError, NotEnoughDataError

USUAL_DAYS = 90
"""Default validity of a profile."""


def profile(service: ProposalService, visitor: Visitor, form: Form, speech: ReaderLocale) -> str:
    """Propose a profile with its backtest and return its code; raises ``FormError``."""
    reader = FormReader(form, speech)
    proposed = reader.finish(reader.record(ProfileProposal, _read_proposal(reader)))
    proposing = ProposalWriter(service, visitor.caller)
    proposing.profile(proposed)
    proposing.first_backtest(proposed.code)
    return proposed.code


def _read_proposal(reader: FormReader) -> dict[str, Any]:
    return reader.texts("code", "title", "channel", "post", "note", "instead_of") | {
        "expression": reader.text("expression"),
        "percentage": reader.number("percentage"),
        "valid_from": reader.day("valid_from"),
        "valid_until": reader.day("valid_until", is_last=True),
    }


def fresh(service: ProposalService, known: dict[str, Any] | None) -> dict[str, list[str]]:
    """Return what the editor begins with: nothing, or a profile to be changed."""
    local = datetime.now(UTC) + timedelta(minutes=service.settings.utc_offset_minutes)
    until = (local + timedelta(days=USUAL_DAYS)).date().isoformat()
    made = {"valid_until": until, "percentage": "100", "channel": "red"}
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


def approve(
    service: ProposalService, visitor: Visitor, matter: Matter, subject: str, reader: FormReader
) -> None:
    """Agree to what waits; raises ``FormError``."""
    fields = {"shadow": reader.text("shadow") == "1"} | reader.texts("note")
    approval = reader.finish(reader.record(Approval, fields))
    ProposalWriter(service, visitor.caller).approve(matter, subject, approval)


def retire(
    service: ProposalService, visitor: Visitor, matter: Matter, subject: str, reader: FormReader
) -> None:
    """Propose that something leaves; raises ``FormError``."""
    wanted = reader.finish(reader.record(Retirement, reader.texts("reason")))
    ProposalWriter(service, visitor.caller).retire(matter, subject, wanted)


def backtest(service: ProposalService, visitor: Visitor, code: str) -> bool:
    """Run a backtest again and attach it; tell whether that could be done."""
    try:
        ProposalWriter(service, visitor.caller).attach(code, days=USUAL_DAYS)
    except (BusyError, NotEnoughDataError):
        return False
    return True
