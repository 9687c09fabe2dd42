"""What the forms about profiles and the watch list record, through the JSON routes' own steps."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.pages.forms import day, line, number, once
from api.pages.visits import Form, Visitor, field
from api.proposing import Approval, Proposing, Retirement
from api.runtime import Runtime
from engine.errors import BusyError, NotEnoughDataError
from engine.profiles import ProfileProposal
from engine.twokeys import Matter
from engine.watchlist import NAMED, WatchEntry

USUAL_DAYS = 90
"""How long a profile is valid unless somebody says otherwise."""


def profile(runtime: Runtime, visitor: Visitor, form: Form) -> str:
    """Propose a profile with its backtest and return its code; raises ``ValidationError``."""
    proposed = ProfileProposal.model_validate(_said(runtime, form), strict=False)
    proposing = Proposing(runtime, visitor.caller)
    proposing.profile(proposed)
    proposing.first_backtest(proposed.code)
    return proposed.code


def _said(runtime: Runtime, form: Form) -> dict[str, Any]:
    offset = runtime.settings.utc_offset_minutes
    texts = ("code", "title", "channel", "post", "note", "instead_of")
    return {name: line(value) for name in texts if (value := field(form, name))} | {
        "expression": line(field(form, "expression")),
        "percentage": number(form, "percentage"),
        "valid_from": day(form, "valid_from", offset_minutes=offset),
        "valid_until": day(form, "valid_until", offset_minutes=offset, is_last=True),
    }


def fresh(runtime: Runtime, known: dict[str, Any] | None) -> dict[str, list[str]]:
    """Return what the editor begins with: nothing, or a profile to be changed."""
    local = datetime.now(UTC) + timedelta(minutes=runtime.settings.utc_offset_minutes)
    until = (local + timedelta(days=USUAL_DAYS)).date().isoformat()
    made = {"valid_until": until, "percentage": "100", "channel": "red"}
    if known is not None:
        names = ("title", "expression", "channel", "post")
        made |= {name: known[name] or "" for name in names}
        made |= {"percentage": f"{known['percentage']:g}", "instead_of": known["code"]}
        made["code"] = successor(known["code"])
    return {name: [value] for name, value in made.items()}


def successor(code: str) -> str:
    """Return a code for a changed profile: codes are used once."""
    stem, dash, last = code.rpartition("-")
    is_numbered = bool(dash) and last.isdigit() and len(last) < 9
    made = f"{stem}-{int(last) + 1}" if is_numbered else f"{code}-2"
    return made if len(made) <= 32 else ""


def approve(runtime: Runtime, visitor: Visitor, matter: Matter, subject: str, form: Form) -> None:
    """Agree to what waits."""
    said = Approval(shadow=field(form, "shadow") == "1", note=line(field(form, "note")) or None)
    Proposing(runtime, visitor.caller).approve(matter, subject, said)


def retire(runtime: Runtime, visitor: Visitor, matter: Matter, subject: str, form: Form) -> None:
    """Propose that something leaves; raises ``ValidationError`` without a reason."""
    wanted = Retirement(reason=line(field(form, "reason")))
    Proposing(runtime, visitor.caller).retire(matter, subject, wanted)


def backtest(runtime: Runtime, visitor: Visitor, code: str) -> bool:
    """Run a backtest again and attach it; tell whether that could be done."""
    try:
        Proposing(runtime, visitor.caller).attach(code, days=USUAL_DAYS)
    except (BusyError, NotEnoughDataError):
        return False
    return True


def entry(runtime: Runtime, visitor: Visitor, form: Form) -> None:
    """Propose an entry of the watch list; raises ``ValidationError``."""
    offset = runtime.settings.utc_offset_minutes
    kind = field(form, "kind")
    said: dict[str, Any] = {"reason": line(field(form, "reason"))}
    if kind in NAMED and (named := line(field(form, "identifier"))):
        said[kind] = named
    if note := line(field(form, "note")):
        said["note"] = note
    said["expiry"] = day(form, "expiry", offset_minutes=offset, is_last=True)
    said["look_alikes"] = field(form, "look_alikes") == "1"
    made = WatchEntry.model_validate(said, strict=False)
    Proposing(runtime, visitor.caller, once(form)).entry(made)
