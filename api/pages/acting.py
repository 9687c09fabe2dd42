"""What the forms of a decision's page record, through the same records as the JSON routes.

Each form carries a number of its own, made with its page: sent twice, it counts once. A form is
checked whole before any of it is recorded.
"""

from datetime import UTC, datetime
from typing import Any

from api.bodies import ReportedAct
from api.pages.forms import line, number, once, wrong
from api.pages.visits import Form, Visitor, field
from api.reading import Reading
from api.runtime import Runtime
from engine.answers import claim, inspection_name, seizure_name, taken
from engine.assignment import Handling
from engine.queue import INSPECTION, RELEASE, Filed
from engine.recording import SEIZURE, Release
from engine.records import Seizure
from engine.reviews import REVIEW, Review


def review(runtime: Runtime, visitor: Visitor, decision_id: str, form: Form) -> None:
    """Record a verdict; raises ``ValidationError`` where the form breaks the record's rules."""
    known = Reading(runtime).filed(decision_id, visitor.caller)
    verdict = field(form, "verdict")
    said = {"verdict": verdict, "reason_code": field(form, "reason_code")}
    if verdict == "override":
        said["channel"] = field(form, "channel")
    if reason := line(field(form, "reason")):
        said["reason"] = reason
    made = Review.model_validate({name: value for name, value in said.items() if value})
    name = f"{REVIEW}:form:{decision_id}:{once(form)}"
    asked = claim(REVIEW, made, post=known.post, name=name)
    runtime.recording.review(known, made, asked, person=visitor.caller.person)


def report(runtime: Runtime, visitor: Visitor, decision_id: str, form: Form) -> None:
    """File an inspection act and, where the form names one, a seizure; raises the same."""
    known = Reading(runtime).filed(decision_id, visitor.caller)
    now = datetime.now(UTC)
    act = _act(known, form, now)
    seizure = _seizure(known, form, act) if act.outcome == "seizure" else None
    act_name, find_name = inspection_name(act.inspection_id), seizure_name(f"sz-{once(form)}")
    with runtime.store.read() as snapshot:  # sent twice, it differs in its time alone
        done = taken(snapshot, [act_name, find_name])
    if act_name not in done:
        asked = claim(INSPECTION, act, post=known.post, name=act_name)
        by = Handling(visitor.caller.person, _team(runtime, known, form))
        runtime.recording.inspection(act, asked, said=None, by=by)
    if seizure is not None and find_name not in done:
        asked = claim(SEIZURE, seizure, post=known.post, name=find_name)
        runtime.recording.seizure(seizure, asked)


def release(runtime: Runtime, visitor: Visitor, decision_id: str, form: Form) -> None:
    """Record that the vehicle has left."""
    known = Reading(runtime).filed(decision_id, visitor.caller)
    content = Release(crossing_id=known.crossing_id)
    asked = claim(RELEASE, content, post=known.post, name=f"{RELEASE}:{known.crossing_id}")
    runtime.recording.release(known.crossing_id, asked, by=Handling(visitor.caller.person))


def _team(runtime: Runtime, known: Filed, form: Form) -> str | None:
    """Return who did it, where the form says so: one of those on when it was decided."""
    team = field(form, "team")
    if not team:
        return None
    with runtime.store.read() as snapshot:
        inputs = runtime.journal.body(snapshot, known.seq)["inputs"]
    if team not in (inputs.get("teams") or ()):
        raise wrong("team", "not a team of this shift")
    return team


def _act(known: Filed, form: Form, now: datetime) -> ReportedAct:
    return ReportedAct.model_validate(
        {
            "inspection_id": f"act-{once(form)}",
            "crossing_id": known.crossing_id,
            "recorded_at": now,
            "methods": list(form.get("methods", ())),
            "minutes": number(form, "minutes"),
            "places_searched": list(form.get("places_searched", ())),
            "outcome": field(form, "outcome"),
        },
        strict=False,
    )


def _seizure(known: Filed, form: Form, act: ReportedAct) -> Seizure:
    names = ("substance_class", "substance", "place", "concealment")
    said: dict[str, Any] = {name: line(value) for name in names if (value := field(form, name))}
    return Seizure.model_validate(
        said
        | {
            "seizure_id": f"sz-{once(form)}",
            "inspection_id": act.inspection_id,
            "crossing_id": known.crossing_id,
            "recorded_at": act.recorded_at,
            "quantity_g": number(form, "quantity_g"),
        },
        strict=False,
    )
