"""The integrity report of a post: officers with carriers, releases and overrides against chance.

The report is about vehicles that the engine sent to officers and that were inspected or released.
The person is the one that the act or the release names; otherwise the team that was drawn, or the
person who reported if the roster names no teams. The tests are those of
:mod:`models.monitoring.officer_integrity`; post and period make their seed, so that they can be
repeated.

The release of a red vehicle without a search is recorded, because the vehicle has left. A second
person should review it; the report lists it with and without that review.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection, select

from api.auth.authority import Authority
from api.auth.callers import Caller
from api.entities.looks import LookReport, read_look_report
from api.http.access import ReachedPost
from api.http.answers import Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from engine.domain.field_types import Code
from engine.domain.network import ShiftPlan
from engine.domain.records import Inspection
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, rfc3339
from engine.journal.journal import BODIES, JOURNAL, JournalReader
from engine.journal.kinds import RELEASE, ReleaseBody
from engine.queue.queue import DECISIONS
from engine.queue.reviews import REVIEWS, SECONDS
from engine.selection import INSPECTED, Channel

if TYPE_CHECKING:
    from models.monitoring.officer_integrity import HandledVehicle, OfficerExcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(Answer):
    """Vehicles sent to officers that were inspected or released in the period."""

    dealt_with: int
    drawn: int
    """Of these, a team had been drawn for so many."""
    taken_over: int
    """And another team than the one drawn dealt with so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityTest(Answer):
    """How the findings were tested, so that anybody can repeat it."""

    vehicles: int
    officers: int
    permutations: int
    seed: str
    """Of the permutations: a whole number, written out."""
    alarm_at: float
    """Adjusted p-value at which a finding is an alarm."""
    knowable: bool
    why: str
    """Why nothing can be said yet; empty where something can."""
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityFinding(Answer):
    """A figure above what random assignment gives."""

    measure: Literal["handled", "taken_over", "let_go"]
    """Vehicles dealt with; drawn for another team; released without a search that could find
    something."""
    officer: str
    """Team or officer by its code on the roster, or who reported where the roster names none."""
    carrier: str
    """Empty for all carriers together."""
    seen: int
    expected: float
    excess: float
    """In standard deviations, steadied."""
    p_value: float
    """Adjusted for every figure looked at."""
    alarm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RedRelease(Answer):
    """A red vehicle that left without an act."""

    decision_id: str
    crossing_id: str
    released_at: Time
    by: str | None
    agency: str | None
    """The agency for which that person acted."""
    team: str | None
    second_person: str | None
    """Who else reviewed the decision; null until a review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer(Answer):
    """What one supervisor said about decisions."""

    person: str
    agency: str | None
    reviews: int
    overrides: int
    milder: int
    """Overrides to a milder channel than the vehicle stood in. One that two people made counts for
    who began it and for who confirmed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityReport(Answer):
    """What a post's integrity officer is to look at."""

    tables = ("findings", "red_releases", "reviewers")
    post: str
    as_of: Time
    days: int
    agency: str | None
    """The one agency whose acts, releases and reviews are counted; null for all that are seen."""
    synthetic: bool
    assignment: Assignment
    test: IntegrityTest
    findings: list[IntegrityFinding]
    """The least likely first, twenty at most."""
    red_releases: list[RedRelease]
    """Those without a second person first."""
    reviewers: list[Reviewer]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostIntegrity(Answer):
    """What the report of one post says."""

    post: str
    dealt_with: int
    taken_over: int
    red_releases: int
    """Red vehicles that left without an act."""
    unreviewed: int
    """Of these, those that no second person reviewed."""
    knowable: bool
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityOverview(Answer):
    """The reports of all posts that the caller reaches, in a line each."""

    tables = ("posts", "reviewers", "looks.findings")
    as_of: Time
    days: int
    synthetic: bool
    posts: list[PostIntegrity]
    """Those with an alarm first, then those with releases that nobody reviewed."""
    reviewers: list[Reviewer]
    """Of all these posts together."""
    looks: LookReport
    """Searches, and pages of vehicles and parties."""


LONGEST_DAYS = 92
"""Days that one report looks back at most."""
Days = Annotated[int, Query(ge=1, le=LONGEST_DAYS)]
MOST_PAIRS = 20
"""Figures listed at most, alarms first; all were looked at."""
_D, _R, _J = DECISIONS.c, REVIEWS.c, JOURNAL.c


@dataclass(frozen=True, slots=True)
class HandledReferral:
    """One vehicle that was sent to officers, and what came of it."""

    decision_id: str
    crossing_id: str
    channel: Channel
    """Where the engine sent it."""
    shift: str
    decided_at: int
    carrier: str | None
    drawn: str | None
    """The team drawn for it."""
    act: Mapping[str, Any] | None
    """Body of its first inspection act."""
    left: Mapping[str, Any] | None
    """Body of its release."""
    left_at: int | None

    @property
    def team(self) -> str | None:
        """Who dealt with it, None where no record says so."""
        body = self.act or self.left or {}
        return body.get("team") or body.get("by")

    @property
    def agency(self) -> str | None:
        """The agency that dealt with it, None where its record names none."""
        made: str | None = (self.act or {}).get("inspection", {}).get("agency")
        return made if self.act is not None else (self.left or {}).get("agency")

    @property
    def is_let_go(self) -> bool:
        """Tell whether it left without an act that could find something."""
        if self.act is None:
            return True
        act = Inspection.model_validate(self.act["inspection"], strict=False)
        return self.channel is Channel.RED and not act.is_full

    @property
    def is_taken_over(self) -> bool:
        """Tell whether another team dealt with it than the one drawn."""
        return self.drawn is not None and self.team != self.drawn


def read_integrity_report(
    service: Runtime, post: str, caller: Caller, *, days: int, agency: str | None = None
) -> IntegrityReport:
    """Return the report of a post's last days.

    With ``agency`` of that agency alone; without, of all whose acts and reviews the caller sees.
    """

    def is_counted(matter: Matter, own: str | None) -> bool:
        return agency in (None, own) and caller.covers(own) and caller.sees(matter, own)

    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        since = as_of - days * DAY
        dealt = [
            one
            for one in _dealt(snapshot, post, since=since)
            if is_counted(Matter.ACTS, one.agency)
        ]
        reviews = [
            one
            for one in _reviews(snapshot, post, since=since)
            if is_counted(Matter.REVIEWS, one["agency"])
        ]
    plan = service.shifts
    test, findings = _test_shares(dealt, plan, post=post, seed_for=(post, days, as_of // DAY))
    drawn = [one for one in dealt if one.drawn is not None]
    return IntegrityReport(
        post=post,
        as_of=rfc3339(as_of),
        days=days,
        agency=agency,
        synthetic=service.network.synthetic,
        assignment=Assignment(
            dealt_with=len(dealt),
            drawn=len(drawn),
            taken_over=sum(one.is_taken_over for one in drawn),
        ),
        test=test,
        findings=findings,
        red_releases=_red_releases(dealt, reviews, service.accounts.look()),
        reviewers=_reviewers(reviews),
    )


def read_integrity_overview(service: Runtime, caller: Caller, *, days: int) -> IntegrityOverview:
    """Return the reports of every post that a caller reaches, in a line each."""
    codes = [code for code in service.network.posts if caller.reaches(code)]
    reports = [read_integrity_report(service, code, caller, days=days) for code in codes]
    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        looks = read_look_report(snapshot, caller, since=as_of - days * DAY)
    posts = [
        PostIntegrity(
            post=one.post,
            dealt_with=one.assignment.dealt_with,
            taken_over=one.assignment.taken_over,
            red_releases=len(one.red_releases),
            unreviewed=sum(left.second_person is None for left in one.red_releases),
            knowable=one.test.knowable,
            alarms=one.test.alarms,
        )
        for one in reports
    ]
    return IntegrityOverview(
        as_of=rfc3339(as_of),
        days=days,
        synthetic=service.network.synthetic,
        posts=sorted(posts, key=lambda one: (-one.alarms, -one.unreviewed, -one.dealt_with)),
        reviewers=_join_reviewers([one for report in reports for one in report.reviewers]),
        looks=looks,
    )


def _join_reviewers(rows: Sequence[Reviewer]) -> list[Reviewer]:
    """Sum what each person said at every post, those who changed most decisions first."""
    by_person: dict[str, Reviewer] = {}
    for one in rows:
        known = by_person.get(one.person)
        by_person[one.person] = (
            one
            if known is None
            else replace(
                known,
                reviews=known.reviews + one.reviews,
                overrides=known.overrides + one.overrides,
                milder=known.milder + one.milder,
            )
        )
    return sorted(by_person.values(), key=lambda one: (-one.overrides, one.person))


def _test_shares(
    dealt: Sequence[HandledReferral],
    plan: ShiftPlan,
    *,
    post: str,
    seed_for: tuple[object, ...],
) -> tuple[IntegrityTest, list[IntegrityFinding]]:
    from models.monitoring.officer_integrity import (
        ALARM_AT,
        FEWEST,
        PERMUTATIONS,
        HandledVehicle,
        seed_of,
    )

    handled = [
        HandledVehicle(
            team,
            one.carrier,
            shift=f"{one.shift} {one.channel.code}",
            season=_season(one, plan, post=post),
            is_let_go=one.is_let_go,
            is_taken_over=one.is_taken_over,
        )
        for one in dealt
        if (team := one.team) is not None
    ]
    officers, seed = {one.officer for one in handled}, seed_of(*seed_for)
    why = ""
    if len(handled) < FEWEST:
        why = f"fewer than {FEWEST} vehicles dealt with"
    elif len(officers) < 2:
        why = "one team or officer alone: there is no other to compare with"
    found = [] if why else list(_find_excess(tuple(handled), seed))
    test = IntegrityTest(
        vehicles=len(handled),
        officers=len(officers),
        permutations=PERMUTATIONS,
        seed=str(seed),
        alarm_at=ALARM_AT,
        knowable=not why,
        why=why,
        alarms=sum(one.is_alarm for one in found),
    )
    return test, [IntegrityFinding(**asdict(one), alarm=one.is_alarm) for one in found[:MOST_PAIRS]]


@lru_cache(maxsize=1024)
def _find_excess(handled: "tuple[HandledVehicle, ...]", seed: int) -> "tuple[OfficerExcess, ...]":
    """Return what the test finds in these vehicles; kept, as an overview asks it of every post."""
    from models.monitoring.officer_integrity import findings

    return tuple(findings(handled, seed=seed))


def _season(one: HandledReferral, plan: ShiftPlan, *, post: str) -> str:
    """Name week, kind of shift and channel: who let go alike if all were honest."""
    opens_at = plan.shift(post, one.decided_at).opens_at
    kind = plan.local_start(post, one.decided_at)
    return f"{opens_at // (7 * DAY)} {kind} {one.channel.code}"


def _red_releases(
    dealt: Sequence[HandledReferral], reviews: Sequence[Mapping[str, Any]], authority: Authority
) -> list[RedRelease]:
    found = []
    for one in dealt:
        if one.channel is not Channel.RED or one.left is None or one.act is not None:
            continue
        by = one.left["by"]
        second = [r["person"] for r in reviews if r["decision_id"] == one.decision_id]
        others = [person for person in second if authority.are_two(by, person)]
        found.append(
            RedRelease(
                decision_id=one.decision_id,
                crossing_id=one.crossing_id,
                released_at=rfc3339(one.left_at or 0),
                by=by,
                agency=one.agency,
                team=one.left.get("team"),
                second_person=others[0] if others else None,
            )
        )
    return sorted(found, key=lambda one: (one.second_person is not None, one.released_at))


def _reviewers(reviews: Sequence[Mapping[str, Any]]) -> list[Reviewer]:
    """Count what each supervisor said, and how often the vehicle went to a milder channel by it."""
    numbers = Counter(one["person"] for one in reviews)
    agencies = {one["person"]: one["agency"] for one in reviews}
    overrides = Counter(one["person"] for one in reviews if one["verdict"] == "override")
    milder = Counter(one["person"] for one in reviews if one["is_milder"])
    return [
        Reviewer(
            person=person,
            agency=agencies[person],
            reviews=number,
            overrides=overrides[person],
            milder=milder[person],
        )
        for person, number in numbers.most_common()
    ]


def _dealt(snapshot: Connection, post: str, *, since: int) -> Iterator[HandledReferral]:
    """Yield each vehicle once, with its last decision."""
    released = _read_releases(snapshot, post, since=since)
    query = (
        select(_D.seq, _D.crossing_id, _D.known_at, _D.act_seq, _D.left)
        .where(_D.post == post, _D.known_at >= since, _D.basis.is_not(None))
        .join(BODIES, BODIES.c.seq == _D.seq)  # what is erased is in no report
        .order_by(_D.seq)
    )
    last = {row.crossing_id: row for row in snapshot.execute(query)}
    rows = [row for row in last.values() if row.act_seq is not None or row.left]
    wanted = [row.seq for row in rows] + [row.act_seq for row in rows if row.act_seq is not None]
    bodies = JournalReader(snapshot).bodies(wanted)
    for row in rows:
        body, decision = bodies[row.seq], bodies[row.seq]["decision"]
        channel = Channel.of(decision["channel"])
        if channel not in INSPECTED:
            continue
        left, left_at = released.get(row.crossing_id, (None, None))
        yield HandledReferral(
            decision_id=decision["decision_id"],
            crossing_id=row.crossing_id,
            channel=channel,
            shift=body["inputs"]["shift_id"],
            decided_at=row.known_at,
            carrier=body["arrival"]["crossing"].get("carrier_id"),
            drawn=decision.get("team"),
            act=None if row.act_seq is None else bodies[row.act_seq],
            left=left,
            left_at=left_at,
        )


def _read_releases(
    snapshot: Connection, post: str, *, since: int
) -> dict[str, tuple[ReleaseBody, int]]:
    of_post = [_J.known_at >= since, _J.post == post]
    releases = JournalReader(snapshot).records(RELEASE, where=of_post)
    return {one.subject: (one.body, one.known_at) for one in releases}


def _reviews(snapshot: Connection, post: str, *, since: int) -> list[dict[str, Any]]:
    """Return what supervisors said, each with whether it sent to a milder channel than before.

    Of a change that two people made both words did: the first one sent nowhere until the second.
    """
    query = (
        select(_R.decision_id, _R.person, _R.verdict, _R.channel, _R.seq.label("at"), _D.seq)
        .join(DECISIONS, _D.decision_id == _R.decision_id)
        .where(_R.post == post, _R.known_at >= since)
        .order_by(_R.seq)
    )
    rows = snapshot.execute(query).all()
    reader = JournalReader(snapshot)
    bodies = reader.bodies(sorted({row.seq for row in rows}))
    verdicts = reader.bodies([row.at for row in rows])
    stood = {seq: int(Channel.of(body["decision"]["channel"])) for seq, body in bodies.items()}
    found: list[dict[str, Any]] = []
    before: dict[int, dict[str, Any]] = {}
    for row in rows:
        verdict = verdicts.get(row.at, {})
        is_milder = row.channel < stood[row.seq]
        stood[row.seq] = row.channel
        if is_milder and SECONDS in verdict and row.seq in before:
            before[row.seq]["is_milder"] = True  # its number is another one where it was copied to
        said = {
            "decision_id": row.decision_id,
            "person": row.person,
            "agency": verdict.get("agency"),
            "verdict": row.verdict,
            "is_milder": is_milder,
        }
        before[row.seq] = said
        found.append(said)
    return found


router = json_router("/v1/posts", "integrity", 404)


@router.get("/{post}/integrity", response_model=IntegrityReport)
def integrity(
    caller: TheCaller,
    service: TheService,
    post: ReachedPost,
    days: Days = 30,
    agency: Annotated[Code | None, Query()] = None,
) -> Response:
    """Return pairs of officer and carrier, releases and overrides, against what chance gives."""
    return answer(read_integrity_report(service, post, caller, days=days, agency=agency))


overview_router = json_router("/v1/integrity", "integrity")


@overview_router.get("", response_model=IntegrityOverview)
def integrity_overview(caller: TheCaller, service: TheService, days: Days = 30) -> Response:
    """Return the reports of all posts that the caller reaches, in a line each."""
    return answer(read_integrity_overview(service, caller, days=days))


page_router = APIRouter(prefix="/posts", route_class=PageRoute, include_in_schema=False)
overview_page_router = APIRouter(
    prefix="/integrity", route_class=PageRoute, include_in_schema=False
)  # fmt: skip
ALMOST_ALL, FEWEST_REVIEWS = 0.8, 10
"""Share of changed decisions, of at least so many, at which the overview names a person."""


@overview_page_router.get("")
def show_overview(visit: TheVisit, service: TheService, days: Days = 30) -> Response:
    """Show the reports of all posts in a line each, with what to look at first."""
    from models.monitoring.officer_integrity import FEWEST

    found = read_integrity_overview(service, visit.caller, days=days)
    return visit.page(
        "integrity_overview.html",
        json_address=f"/v1/integrity?days={days}",
        found=found,
        named=[
            one
            for one in found.reviewers
            if one.reviews >= FEWEST_REVIEWS and one.overrides >= ALMOST_ALL * one.reviews
        ],
        names={code: one.name for code, one in service.network.posts.items()},
        periods=PERIODS,
        fewest=FEWEST,
    )


PERIODS = (7, 30, 92)
"""Days that the page offers."""


@page_router.get("/{post}/integrity")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    days: Days = 30,
    agency: Annotated[Code | Literal[""], Query()] = "",
) -> Response:
    """Show pairs of officer and carrier, releases and overrides, against what chance gives."""
    from models.monitoring.officer_integrity import (
        FEWEST,  # scipy's company: not on the way of a service that starts
    )

    known = service.network.posts[post].agencies if post in service.network.posts else ()
    asked = f"&agency={agency}" if agency else ""
    return visit.page(
        "integrity.html",
        post=post,
        json_address=f"/v1/posts/{post}/integrity?days={days}{asked}",
        found=read_integrity_report(service, post, visit.caller, days=days, agency=agency or None),
        agencies=sorted(code for code in known if visit.caller.covers(code)),
        periods=PERIODS,
        fewest=FEWEST,
    )
