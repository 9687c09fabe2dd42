"""The register of rules: one table of what each rule did, who answers for it and when it is due.

Numbers are of vehicles that the caller sees. A family of features and a setting select nothing by
themselves, so they have an owner and a date, and no figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import OTHER_AGENCY, Caller
from api.http.answers import Acknowledged, Answer, Time, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.profiles.answers import filter_of, find_gravity
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, TheReader, list_mistakes
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.criteria.match import KNOWN_LAWFUL
from engine.criteria.register import (
    ENTRIES,
    Rule,
    RuleKind,
    RuleReview,
    draft_rule_review,
    read_rules,
)
from engine.domain.rights import Matter, Right, matter_of_rule
from engine.domain.time_units import DAY, rfc3339
from engine.errors import NotAllowedError, NotFoundError, RecordError
from engine.journal.idempotency import claim
from engine.journal.kinds import RULE_REVIEWED
from engine.queue.match_outcomes import RuleFigures, read_rule_figures
from features.catalogue.catalogue import read_families

Days = Annotated[int, Query(ge=1, le=3660)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView(Answer):
    """A rule, who answers for it, and what it did."""

    kind: RuleKind
    code: str
    title: str | None
    state: Literal["shadow", "in_force"]
    channel: str | None
    post: str | None
    agency: str | None
    owner: str | None
    threat: str | None
    reason: str | None
    review_by: Time | None
    is_overdue: bool
    reviewed_at: Time | None
    reviewed_by: str | None
    figures: RuleFigures | None
    """None of a family of features and of a setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Answer):
    """The rules in force and in shadow."""

    tables = ("rules",)
    days: int
    """How far back the figures reach."""
    rules: list[RuleView]


def sees_rule(caller: Caller, rule: Rule) -> bool:
    """Tell whether a caller sees a rule, by its post and by the agency of a list or an entry."""
    if rule.post in caller.hidden_posts:
        return False
    if rule.kind == ENTRIES:  # of every agency together
        return caller.sees_all(Matter.WATCHLIST)
    is_near = rule.kind != KNOWN_LAWFUL or rule.post is None or caller.post in (None, rule.post)
    return is_near and caller.sees(matter_of_rule(rule.kind), rule.agency)


def describe_register(service: Runtime, caller: Caller, *, days: int) -> Register:
    """Return the rules that a caller sees, with what they did in the last days."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        every = read_rules(connection, families=read_families(), as_of=now)
        rules = [rule for rule in every if sees_rule(caller, rule)]
        figures = read_rule_figures(
            connection,
            {code: _name(rule) for rule in rules for code in rule.members},
            score="score:",
            since=now - days * DAY,
            seen=filter_of(caller),
            gravity=find_gravity(service, connection, caller),
            lanes=[_name(rule) for rule in rules if rule.kind == KNOWN_LAWFUL],
        )
    return Register(days=days, rules=[_describe(one, figures, now) for one in rules])


def _name(rule: Rule) -> str:
    return f"{rule.kind}:" if rule.kind == "score" else f"{rule.kind}:{rule.code}:{rule.agency}"


def _describe(rule: Rule, figures: Mapping[str, RuleFigures], now: int) -> RuleView:
    found = figures.get(_name(rule), RuleFigures())
    return RuleView(
        kind=rule.kind,
        code=rule.code,
        title=rule.title,
        state=rule.state,
        channel=rule.channel,
        post=rule.post,
        agency=rule.agency,
        owner=rule.owner,
        threat=rule.threat,
        reason=rule.reason,
        review_by=None if rule.review_by is None else rfc3339(rule.review_by),
        is_overdue=rule.is_overdue(now),
        reviewed_at=None if rule.reviewed_at is None else rfc3339(rule.reviewed_at),
        reviewed_by=rule.reviewed_by,
        figures=None if rule.kind in ("family", "policy") else found,
    )


def review_rule(
    service: Runtime, caller: Caller, review: RuleReview, key: str | None
) -> Acknowledged:
    """Record a review; raises ``NotFoundError``, ``NotAllowedError`` and ``RecordError``."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        rules = read_rules(connection, families=read_families(), as_of=now)
    wanted = review.kind, review.code, review.agency
    known = [one for one in rules if (one.kind, one.code, one.agency) == wanted]
    if not known or not sees_rule(caller, known[0]):
        raise NotFoundError("rule", f"{review.kind}:{review.code}")
    if not caller.duties.covers(matter_of_rule(review.kind), Right.ACT, review.agency):
        raise NotAllowedError(OTHER_AGENCY, "agency")
    name = f"{RULE_REVIEWED}:{review.kind}:{review.code}:{review.agency}:{known[0].sequence}"
    asked = claim(RULE_REVIEWED, review, post="", name=name, key=caller.own(key))
    done = service.recording.once(
        asked,
        lambda snapshot: draft_rule_review(
            review, by=caller.person, now=service.journal.now(snapshot), claim=asked
        ),
    )
    return acknowledge(service, done, review.code)


router = json_router("/v1/register", "register", 404)


@router.get("", response_model=Register)
def register(caller: TheCaller, service: TheService, days: Days = 365) -> Response:
    """Return every rule with what it did, alone and together with others."""
    return answer(describe_register(service, caller, days=days))


@router.post("/reviews", **creates(Acknowledged, 409, 413, body=RuleReview))
def review(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    stated: Annotated[RuleReview, Depends(body_of(RuleReview))],
) -> Response:
    """Record that a rule was reviewed: who answers for it, why it stays, and the next date."""
    return answer(review_rule(service, caller, stated, key), 201)


page_router = APIRouter(prefix="/register", route_class=PageRoute, include_in_schema=False)


@page_router.get("")
def show(visit: TheVisit, service: TheService, days: Days = 365) -> Response:
    """Show the register, as it prints for the committee."""
    return _show_page(visit, service, days=days)


@page_router.post("/reviews")
def send_review(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Record a review of one rule."""
    once = reader.once()
    kind, _, rest = reader.text("rule").partition(" ")
    agency, _, code = rest.partition(" ")
    fields: dict[str, Any] = reader.texts("owner", "threat", "reason")
    fields |= {"kind": kind, "code": code, "agency": None if agency == "-" else agency}
    fields["review_by"] = reader.day("review_by", is_last=True)
    try:
        stated = reader.finish(reader.record(RuleReview, fields))
        review_rule(service, visit.caller, stated, once)
    except (FormError, RecordError) as error:
        return _show_page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/register?done=reviewed", 303)


def _show_page(
    visit: Visit,
    service: Runtime,
    *,
    days: int = 365,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    return visit.form_page(
        "register.html",
        json_address=f"/v1/register?days={days}",
        found=describe_register(service, visit.caller, days=days),
        kept=kept or {},
        wrong=wrong,
    )
