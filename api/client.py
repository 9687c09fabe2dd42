"""The Python client: a call for every route, answers in the types of the service, problems raised.

Use one a thread. Nothing is retried here: a request that got no answer may be sent again, because
its identifier, or its key, makes it the same request.
"""

import json
import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter

from api import declarations as lodged
from api.acts import confirmations as finds
from api.acts import release_audits as audits
from api.attentions import answers as partners
from api.audit import answers as audit
from api.cases import answers as case_views
from api.decisions import answers as said
from api.decisions.answers import PastView
from api.drift import DriftAnswer
from api.http.answers import Acknowledged, AcknowledgedAct, Problem, Ready
from api.integrity import IntegrityReport
from api.links import answers as linked
from api.models import answers as judged
from api.network import answers as network
from api.notifications.answers import Notifications
from api.people import answers as accounts
from api.profiles import answers as proposals
from api.quality import QualityAnswer
from api.queue import Queue
from api.search import SearchResult
from api.shifts.answers import ShiftReport, ShiftRoster, SignedHandover
from api.watchlist import AcknowledgedNotice, WatchEntryView, WatchList, WatchPreview
from api.webhooks import answers as hooks
from engine.domain.records import Record
from engine.domain.time_units import RECENT_DAYS
from engine.errors import RiskError

T = TypeVar("T")
XML = "application/xml"


class RefusedError(RiskError):
    """The service answered with a problem."""

    status: int
    problem: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.status} {self.problem.get('title', '')}: {self.problem.get('detail', '')}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service."""

    status: int
    body: Any


@cache
def reader(kind: Any) -> TypeAdapter[Any]:
    """Return what reads an answer as the service's own type."""
    return TypeAdapter(kind)


class Calls:
    """Calls one service with one key; ``key`` of a call names the request (Idempotency-Key)."""

    def __init__(
        self, host: str, port: int, key: str, *, timeout: float = 30.0, encrypted: bool = False
    ) -> None:
        made = HTTPSConnection if encrypted else HTTPConnection
        self._connection = made(host, port, timeout=timeout)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def _leave_ended(self) -> None:
        """Close a connection that the service has ended for want of requests; the next opens."""
        sock = getattr(self._connection, "sock", None)
        if sock is not None and select.select([sock], [], [], 0.0)[0]:
            self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        in_kind: bool = False,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        A body of bytes is a standard message and sent as it is. ``in_kind`` asks for XML; the
        answer's body is bytes where it is XML, else what its JSON says.
        """
        content = body if isinstance(body, bytes | None) else as_json(body)
        named = {} if key is None else {"Idempotency-Key": key}
        if isinstance(body, bytes) and not body.lstrip().startswith(b"{"):
            named |= {"Content-Type": XML}
        named |= {"Accept": XML} if in_kind else {}
        self._leave_ended()
        self._connection.request(method, path, content, self._headers | named)
        response = self._connection.getresponse()
        found = response.read()
        is_xml = in_kind and found.startswith(b"<")
        return Answer(response.status, found if is_xml else json.loads(found or b"null"))

    def _send_bytes(
        self, method: str, path: str, content: bytes | None = None, *, key: str | None = None
    ) -> bytes:
        """Send bytes as they are, and return those of the answer; raises ``RefusedError``."""
        named = {} if key is None else {"Idempotency-Key": key}
        heads = self._headers | named | {"Content-Type": "application/octet-stream"}
        self._leave_ended()
        self._connection.request(method, path, content, heads)
        response = self._connection.getresponse()
        found = response.read()
        if response.status >= 400:
            raise RefusedError(response.status, json.loads(found))
        return found

    def _get(self, kind: type[T], /, *parts: object, **query: object) -> T:
        return self._send(kind, "GET", None, None, path_to(*parts, **query))

    def _post(
        self, kind: type[T], body: object, key: str | None, /, *parts: object, **query: object
    ) -> T:
        return self._send(kind, "POST", body, key, path_to(*parts, **query))

    def _send(self, kind: type[T], method: str, body: object, key: str | None, path: str) -> T:
        answer = self.call(method, path, body, key=key)
        if answer.status >= 400:
            raise RefusedError(answer.status, answer.body)
        read: Any = kind
        found: T = reader(read).validate_python(answer.body)
        return found


def path_to(*parts: object, **query: object) -> str:
    """Return the path of a route; each part is quoted, and a query without a value left out."""
    path = "/v1/" + "/".join(quote(str(each), safe="") for each in parts)
    asked = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(asked, doseq=True)}" if asked else path


def as_json(body: object) -> bytes:
    """Return a body as it is sent."""
    if isinstance(body, Record):
        return body.model_dump_json(exclude_none=True).encode()
    return json.dumps(body).encode()


Body = Record | Mapping[str, Any]
Decision = said.SupervisorView | said.OpenedView | said.CheckpointView
"""What a supervisor or an analyst sees, or what a checkpoint may."""


class Client(Calls):
    """Calls one service with one key; ``key`` of a call names the request (Idempotency-Key)."""

    # What checkpoints and counterparts report.

    def decide(self, arrival: Body, key: str | None = None) -> said.CheckpointView:
        """Ask for a decision on an arrival."""
        return self._post(said.CheckpointView, arrival, key, "decisions")

    def decide_batch(
        self, arrivals: Sequence[Body], key: str | None = None
    ) -> list[said.CheckpointView | Problem]:
        """Ask for decisions on up to 1,000 arrivals: one or a problem for each, in their order."""
        rows = [json.loads(as_json(one)) for one in arrivals]
        kind = list[said.CheckpointView | Problem]
        return self._post(kind, rows, key, "decisions", "batch")

    def amend(self, decision_id: str, arrival: Body, key: str | None = None) -> said.CheckpointView:
        """Ask again about an arrival whose declaration was changed."""
        return self._post(said.CheckpointView, arrival, key, "decisions", decision_id, "amendments")

    def record(self, arrival: Body, key: str | None = None) -> Acknowledged:
        """Record a crossing that asks for no decision."""
        return self._post(Acknowledged, arrival, key, "crossings")

    def lodge(self, declaration: Body, key: str | None = None) -> lodged.AcknowledgedDeclaration:
        """Lodge or amend a declaration ahead of its vehicle."""
        return self._post(lodged.AcknowledgedDeclaration, declaration, key, "declarations")

    def cancel(
        self, declaration_id: str, reason: str | None = None, key: str | None = None
    ) -> lodged.AcknowledgedDeclaration:
        """Withdraw a declaration ahead, for good."""
        body = {"reason": reason}
        kind, path = lodged.AcknowledgedDeclaration, ("declarations", declaration_id)
        return self._post(kind, body, key, *path, "cancellations")

    def list_expected(self, **asked: str | int) -> lodged.ExpectedDeclarations:
        """List declarations ahead: ``post``, ``since``, ``until``, ``state``, ``before``."""
        return self._get(lodged.ExpectedDeclarations, "declarations", **asked)

    def declaration(self, declaration_id: str) -> lodged.DeclarationView:
        """Return one declaration ahead with its versions."""
        return self._get(lodged.DeclarationView, "declarations", declaration_id)

    def decide_message(
        self, document: bytes, crossing: Mapping[str, object], *, key: str | None = None
    ) -> said.CheckpointView:
        """Ask for a decision with a standard message; ``crossing`` has the post's own reading."""
        return self._post(said.CheckpointView, document, key, "decisions", **crossing)

    def answer_message(
        self,
        document: bytes,
        crossing: Mapping[str, object],
        *,
        to: str = "decisions",
        key: str | None = None,
    ) -> bytes:
        """Send a standard message and return the WCO response to it, a rejection included.

        ``to`` is ``decisions``, or ``crossings`` for an acknowledgement without a decision. Raises
        ``RefusedError`` for what no response is written for, such as a key that is not valid.
        """
        answer = self.call("POST", path_to(to, **crossing), document, key=key, in_kind=True)
        if not isinstance(answer.body, bytes):
            raise RefusedError(answer.status, answer.body)
        return answer.body

    def release(
        self,
        crossing_id: str,
        key: str | None = None,
        *,
        team: str | None = None,
        reason: Body | None = None,
    ) -> Acknowledged:
        """Say that a vehicle has left the queue; ``team`` let it go, where not the one drawn."""
        return self._post(Acknowledged, reason, key, "crossings", crossing_id, "release", team=team)

    def take(
        self,
        crossing_id: str,
        key: str | None = None,
        *,
        team: str | None = None,
        over: int | None = None,
    ) -> Acknowledged:
        """Take a waiting vehicle for a team; ``over`` is the taking of another to take over."""
        body = {} if over is None else {"over": over}
        return self._post(Acknowledged, body, key, "crossings", crossing_id, "takings", team=team)

    def give_back(
        self, crossing_id: str, key: str | None = None, *, team: str | None = None
    ) -> Acknowledged:
        """Give back a vehicle that was taken."""
        return self._post(Acknowledged, None, key, "crossings", crossing_id, "returns", team=team)

    def inspect(
        self, act: Body, key: str | None = None, *, team: str | None = None
    ) -> AcknowledgedAct:
        """File an inspection act; ``team`` did it, where that is not the team that was drawn."""
        return self._post(AcknowledgedAct, act, key, "inspections", team=team)

    def seize(self, seizure: Body, key: str | None = None) -> Acknowledged:
        """Record goods taken."""
        return self._post(Acknowledged, seizure, key, "seizures")

    def correct_act(
        self, inspection_id: str, correction: Body, key: str | None = None
    ) -> Acknowledged:
        """State an act again, and why."""
        return self._post(
            Acknowledged, correction, key, "inspections", inspection_id, "corrections"
        )

    def correct_seizure(
        self, seizure_id: str, correction: Body, key: str | None = None
    ) -> Acknowledged:
        """State a seizure again, and why."""
        return self._post(Acknowledged, correction, key, "seizures", seizure_id, "corrections")

    def notice(self, notice: Body, key: str | None = None) -> AcknowledgedNotice:
        """Put a counterpart's word onto the watch list."""
        return self._post(AcknowledgedNotice, notice, key, "notices")

    def search(self, q: str, *, before: int | None = None, limit: int = 50) -> SearchResult:
        """Find decided vehicles by any identifier."""
        return self._get(SearchResult, "search", q=q, before=before, limit=limit)

    def notifications(self) -> Notifications:
        """List what waits for this caller."""
        return self._get(Notifications, "notifications")

    def open_case(self, opening: Body, key: str | None = None) -> case_views.AcknowledgedCase:
        """Open a case: from a seizure, from an attention, or by hand."""
        return self._post(case_views.AcknowledgedCase, opening, key, "cases")

    def add_case_event(
        self, case_id: str, event: Body, key: str | None = None
    ) -> case_views.AcknowledgedCase:
        """Record an event of a case."""
        return self._post(case_views.AcknowledgedCase, event, key, "cases", case_id, "events")

    def add_case_file(
        self,
        case_id: str,
        content: bytes,
        *,
        shows: str = "other",
        key: str | None = None,
        **about: object,
    ) -> case_views.AcknowledgedFile:
        """Add a file to a case; ``about`` has its sample, description, happened_at, handling."""
        path = path_to("cases", case_id, "files", shows=shows, **about)
        answer = self._send_bytes("POST", path, content, key=key)
        found: case_views.AcknowledgedFile
        found = reader(case_views.AcknowledgedFile).validate_json(answer)
        return found

    def case_dossier(self, case_id: str, *, language: str | None = None) -> bytes:
        """Return the dossier of a case as a PDF file; the reading is recorded."""
        path = path_to("cases", case_id, "dossier.pdf", language=language)
        return self._send_bytes("GET", path)

    def case_file(self, case_id: str, digest: str) -> bytes:
        """Return a file of a case by its digest; the reading is recorded."""
        return self._send_bytes("GET", path_to("cases", case_id, "files", digest))

    def cases(
        self,
        *,
        state: str | None = None,
        post: str | None = None,
        owner: str | None = None,
        agency: str | None = None,
        urgency: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> case_views.Cases:
        """Return the cases that the caller may see, the newest first."""
        about: dict[str, Any] = {"owner": owner, "agency": agency, "urgency": urgency}
        about |= {"before": before, "limit": limit}
        return self._get(case_views.Cases, "cases", state=state, post=post, **about)

    def case(self, case_id: str) -> case_views.CaseView:
        """Return a case with its finds and events."""
        return self._get(case_views.CaseView, "cases", case_id)

    # What supervisors and analysts read.

    def queue(self, post: str) -> Queue:
        """Return what waits at a post, in the order of the search."""
        return self._get(Queue, "posts", post, "queue")

    def decision(self, decision_id: str) -> Decision:
        """Return one decision, as this key may see it."""
        kind: Any = Decision
        found: Decision = self._get(kind, "decisions", decision_id)
        return found

    def decisions(self, **asked: str | int) -> said.Decisions:
        """Return decisions, the newest first.

        By ``post``, ``channel``, ``since``, ``limit``; ``before`` reads on.
        """
        return self._get(said.Decisions, "decisions", **asked)

    def features(self, decision_id: str) -> said.FeatureValues:
        """Return the features of a decision."""
        return self._get(said.FeatureValues, "decisions", decision_id, "features")

    def explanation(self, decision_id: str) -> said.Explanation:
        """Return what speaks for and against a decision."""
        return self._get(said.Explanation, "decisions", decision_id, "explanation")

    def past(self, decision_id: str) -> PastView:
        """Return what was known of a decision's vehicle and parties when it was made."""
        return self._get(PastView, "decisions", decision_id, "past")

    def roster(self, post: str) -> ShiftRoster:
        """Return where the shift's minutes stand."""
        return self._get(ShiftRoster, "posts", post, "roster")

    def leave_shift(
        self, post: str, note: Body | None = None, key: str | None = None
    ) -> SignedHandover:
        """Sign the handover of a shift as the one who leaves."""
        return self._post(SignedHandover, note, key, "posts", post, "handovers")

    def take_shift(
        self, post: str, sequence: int, note: Body | None = None, key: str | None = None
    ) -> SignedHandover:
        """Sign a handover as the one who takes over."""
        path = ("posts", post, "handovers", sequence, "signatures")
        return self._post(SignedHandover, note, key, *path)

    def shift(self, post: str, at: str | None = None) -> ShiftReport:
        """Return the report of the shift that a time falls into, the running one without."""
        return self._get(ShiftReport, "posts", post, "shift", at=at)

    def integrity(self, post: str, days: int = 30) -> IntegrityReport:
        """Return what a post's integrity officer is to look at."""
        return self._get(IntegrityReport, "posts", post, "integrity", days=days)

    def links(self) -> linked.Links:
        """Return the links with other installations."""
        return self._get(linked.Links, "links")

    def link(self, link: str) -> linked.LinkTraffic:
        """Return one link with its newest envelopes."""
        return self._get(linked.LinkTraffic, "links", link)

    def requests(self) -> partners.Requests:
        """Return the requests between partners, the newest first."""
        return self._get(partners.Requests, "attentions")

    def request(self, request_id: str) -> partners.RequestView:
        """Return one request."""
        return self._get(partners.RequestView, "attentions", request_id)

    def request_file(self, request_id: str, digest: str) -> bytes:
        """Return a file of an offered case by the SHA-256 of its content."""
        return self._send_bytes("GET", path_to("attentions", request_id, "files", digest))

    def ask_attention(self, wanted: Body, key: str | None = None) -> partners.AcknowledgedRequest:
        """Ask a partner for attention to one identifier."""
        return self._post(partners.AcknowledgedRequest, wanted, key, "attentions")

    def offer_case(self, offer: Body, key: str | None = None) -> partners.AcknowledgedRequest:
        """Offer a partner a common case."""
        return self._post(partners.AcknowledgedRequest, offer, key, "attentions", "cases")

    def answer_request(
        self, request_id: str, answer: Body, key: str | None = None
    ) -> partners.AcknowledgedRequest:
        """Accept, decline, report on or return a request of a partner."""
        to = "attentions", request_id, "answers"
        return self._post(partners.AcknowledgedRequest, answer, key, *to)

    def withdraw_request(
        self, request_id: str, withdrawal: Body | None = None, key: str | None = None
    ) -> partners.AcknowledgedRequest:
        """Withdraw a request of this side."""
        to = "attentions", request_id, "withdrawals"
        return self._post(partners.AcknowledgedRequest, withdrawal, key, *to)

    def journal(self, **asked: str | int) -> audit.JournalPage:
        """Return records without bodies, the newest first; by ``kind``, ``before``, ``limit``."""
        return self._get(audit.JournalPage, "journal", **asked)

    def opened(self, sequence: int) -> audit.OpenedRecord:
        """Open a record; that is recorded too."""
        return self._get(audit.OpenedRecord, "journal", sequence)

    def verify(self, key: str | None = None) -> audit.JournalCheck:
        """Have the service check its journal."""
        return self._post(audit.JournalCheck, None, key, "journal", "verifications")

    def draws(self, post: str, shift: str | None = None) -> audit.PostDraws:
        """Return a post's shifts, the numbers of one drawn again."""
        return self._get(audit.PostDraws, "posts", post, "draws", shift=shift)

    # What supervisors and analysts do.

    def network(self) -> network.NetworkOverview:
        """Return where all posts stand, and what eight weeks decided and found there."""
        return self._get(network.NetworkOverview, "network")

    def pending_finds(self) -> finds.PendingFinds:
        """Return the finds that wait for a confirmation."""
        return self._get(finds.PendingFinds, "finds")

    def confirm_find(self, sequence: int) -> finds.ConfirmedFind:
        """Confirm that a find belongs to the crossing it waits for."""
        return self._post(finds.ConfirmedFind, None, None, "finds", sequence, "confirmations")

    def open_audits(self, post: str | None = None) -> audits.OpenAudits:
        """Return the vehicles released on blue that are still to be audited."""
        return self._get(audits.OpenAudits, "audits", post=post)

    def close_audit(
        self, decision_id: str, closure: Body, key: str | None = None
    ) -> audits.ClosedAudit:
        """Close an audit that will not be made."""
        return self._post(audits.ClosedAudit, closure, key, "audits", decision_id, "closures")

    def review(self, decision_id: str, review: Body, key: str | None = None) -> Acknowledged:
        """Uphold a decision, or send the vehicle elsewhere."""
        return self._post(Acknowledged, review, key, "decisions", decision_id, "reviews")

    def put_roster(self, post: str, roster: Body, key: str | None = None) -> Acknowledged:
        """Put the inspection minutes of the shift."""
        return self._send(Acknowledged, "PUT", roster, key, path_to("posts", post, "roster"))

    def profiles(self) -> proposals.Profiles:
        """Return every profile."""
        return self._get(proposals.Profiles, "profiles")

    def profile(self, code: str) -> proposals.ProfileView:
        """Return one profile."""
        return self._get(proposals.ProfileView, "profiles", code)

    def propose_profile(
        self, profile: Body, key: str | None = None
    ) -> proposals.AcknowledgedProfile:
        """Propose a profile; its backtest is attached."""
        return self._post(proposals.AcknowledgedProfile, profile, key, "profiles")

    def try_profile(self, asked: Body) -> proposals.ProfileBacktest:
        """Return what an expression would have done; nothing is recorded."""
        return self._post(proposals.ProfileBacktest, asked, None, "profiles", "backtests")

    def check_profile(self, expression: str) -> proposals.ProfileCheck:
        """Say whether an expression may run, and what it would read."""
        body = {"expression": expression}
        return self._post(proposals.ProfileCheck, body, None, "profiles", "checks")

    def profile_fields(self) -> proposals.ProfileFields:
        """Return all that an expression may ask for."""
        return self._get(proposals.ProfileFields, "profiles", "fields")

    def backtest_profile(self, code: str, days: int = 90) -> proposals.AcknowledgedProfile:
        """Run a profile's backtest again and attach it."""
        kind = proposals.AcknowledgedProfile
        return self._post(kind, {"days": days}, None, "profiles", code, "backtests")

    def watchlist(self) -> WatchList:
        """Return every entry of the watch list."""
        return self._get(WatchList, "watchlist")

    def entry(self, entry_id: str) -> WatchEntryView:
        """Return one entry."""
        return self._get(WatchEntryView, "watchlist", entry_id)

    def propose_entry(self, entry: Body, key: str | None = None) -> proposals.AcknowledgedStep:
        """Propose an entry of the watch list."""
        return self._post(proposals.AcknowledgedStep, entry, key, "watchlist")

    def preview_entry(self, entry: Body) -> WatchPreview:
        """Return what an entry would have matched; nothing is recorded."""
        return self._post(WatchPreview, entry, None, "watchlist", "previews")

    def approve(
        self, matter: str, name: str, *, shadow: bool = False, key: str | None = None
    ) -> proposals.AcknowledgedStep:
        """Agree to what waits about one of the ``profiles``, or an entry of the ``watchlist``."""
        body = {"shadow": shadow}
        return self._post(proposals.AcknowledgedStep, body, key, matter, name, "approvals")

    def retire(
        self, matter: str, name: str, *, reason: str, key: str | None = None
    ) -> proposals.AcknowledgedStep:
        """Propose that one of the ``profiles``, or an entry of the ``watchlist``, leaves."""
        body = {"reason": reason}
        return self._post(proposals.AcknowledgedStep, body, key, matter, name, "retirements")

    # Models.

    def models(self) -> judged.ModelStandings:
        """Return every model, and which one decides."""
        return self._get(judged.ModelStandings, "models")

    def approve_model(
        self, version: str, note: str | None = None, key: str | None = None
    ) -> judged.ModelStanding:
        """Approve a model; the second person puts it into force."""
        return self._post(judged.ModelStanding, {"note": note}, key, "models", version, "approvals")

    def model(self, version: str) -> judged.ModelView:
        """Return one model with its history and its card."""
        return self._get(judged.ModelView, "models", version)

    def model_report(self, version: str) -> dict[str, Any]:
        """Return a model's stored report."""
        return self._get(dict[str, Any], "models", version, "report")

    def compare_models(self, versions: Sequence[str] = ()) -> judged.ModelComparison:
        """Return the figures of up to three models side by side."""
        return self._get(judged.ModelComparison, "models", "comparison", version=versions or None)

    def shadow_model(self, version: str, key: str | None = None) -> judged.ModelStanding:
        """Let a candidate score in the shadow."""
        return self._post(judged.ModelStanding, {}, key, "models", version, "shadow")

    def challenge_model(
        self, version: str, note: str | None = None, key: str | None = None
    ) -> judged.ModelStanding:
        """Approve a trial; the second person puts the model on it."""
        return self._post(
            judged.ModelStanding, {"note": note}, key, "models", version, "challenges"
        )

    def end_trial(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Take the model on trial off it."""
        return self._post(judged.ModelStandings, {"reason": reason}, key, "models", "end-trial")

    def roll_back(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Put the model before the present one back into force."""
        return self._post(judged.ModelStandings, {"reason": reason}, key, "models", "rollback")

    def drift(self) -> DriftAnswer:
        """Return the last measurement of drift."""
        return self._get(DriftAnswer, "drift")

    def quality(self) -> QualityAnswer:
        """Return the last assessment of the data."""
        return self._get(QualityAnswer, "quality")

    def assess_quality(self) -> QualityAnswer:
        """Assess the data now, and return it."""
        return self._post(QualityAnswer, None, None, "quality", "assessments")

    def measure_drift(self, days: int = RECENT_DAYS, key: str | None = None) -> DriftAnswer:
        """Measure drift again."""
        return self._post(DriftAnswer, {"days": days}, key, "drift")

    def rules_only(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Take the model out of force."""
        return self._post(judged.ModelStandings, {"reason": reason}, key, "models", "rules-only")

    # Webhooks.

    def people(self) -> accounts.PeopleAnswer:
        """Return people, keys, and what was proposed about them."""
        return self._get(accounts.PeopleAnswer, "people")

    def propose_account(self, wanted: Body, key: str | None = None) -> accounts.AccountStep:
        """Propose a person, a key, another role or a new password, and return one code."""
        return self._post(accounts.AccountStep, wanted, key, "people", "proposals")

    def approve_account(self, proposal: str, key: str | None = None) -> accounts.AccountStep:
        """Grant what another administrator proposed, and return the other code."""
        path = "people", "proposals", proposal, "approvals"
        return self._post(accounts.AccountStep, {}, key, *path)

    def withdraw_account(self, proposal: str, key: str | None = None) -> accounts.AccountEnd:
        """End a proposal, or an invitation that was not redeemed."""
        path = "people", "proposals", proposal, "withdrawals"
        return self._post(accounts.AccountEnd, {}, key, *path)

    def remove_account(self, wanted: Body, key: str | None = None) -> accounts.AccountEnd:
        """Remove a person or revoke a key at once."""
        return self._post(accounts.AccountEnd, wanted, key, "people", "removals")

    def webhooks(self) -> hooks.Webhooks:
        """Return every webhook, the newest first."""
        return self._get(hooks.Webhooks, "webhooks")

    def webhook(self, webhook_id: str) -> hooks.WebhookDetail:
        """Return a webhook with what it has not acknowledged."""
        return self._get(hooks.WebhookDetail, "webhooks", webhook_id)

    def register_webhook(self, webhook: Body, key: str | None = None) -> hooks.RegisteredWebhook:
        """Register a webhook, and return its secret, which no later answer has."""
        return self._post(hooks.RegisteredWebhook, webhook, key, "webhooks")

    def rotate_webhook(
        self, webhook_id: str, overlap_hours: int = 24, key: str | None = None
    ) -> hooks.RotatedWebhook:
        """Let a new secret sign, and return it; the one before signs too for some hours."""
        body = {"overlap_hours": overlap_hours}
        return self._post(hooks.RotatedWebhook, body, key, "webhooks", webhook_id, "rotations")

    def resend_events(self, webhook_id: str, key: str | None = None) -> hooks.WebhookStep:
        """Send all that waits or was set aside again."""
        return self._post(hooks.WebhookStep, {}, key, "webhooks", webhook_id, "retries")

    def end_webhook(self, webhook_id: str) -> hooks.WebhookStep:
        """Send nothing more to a webhook."""
        path = path_to("webhooks", webhook_id)
        return self._send(hooks.WebhookStep, "DELETE", None, None, path)

    # How the service fares.

    def ready(self) -> Ready:
        """Return whether decisions can be recorded, and why not."""
        found: Ready = reader(Ready).validate_python(self.call("GET", "/readyz").body)
        return found
