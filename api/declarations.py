"""Declarations ahead of their vehicles: lodge, amend, cancel and read them; the page of a post.

A declarant reads what it lodged and nothing of what became of it. A checkpoint reads what is
expected at its post, without a forecast: compared with the channel of the decision, a forecast
would show which vehicles were picked at random. Supervisors and analysts see the provisional risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import Connection

from api.auth.callers import Caller
from api.auth.permissions import MACHINES
from api.http.access import check_post
from api.http.answers import Answer, Time
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import TheOptionalReason, find_formats
from api.http.responses import answer, creates, document_problems, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit
from engine.declarations.lodgings import (
    LodgedVersion,
    Use,
    draft_cancellation,
    draft_version,
    find_current,
    find_same,
    list_current,
    read_contents,
    read_history,
    read_uses,
)
from engine.domain.advance_declarations import AdvanceDeclaration, MatchKind
from engine.domain.field_types import Identifier, PostCode
from engine.domain.field_types import Time as AskedTime
from engine.domain.records import OptionalReason
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, micros, moment, rfc3339
from engine.errors import ErasedError, NotFoundError
from engine.journal.batch_worker import StoredRecord, read_stored
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.kinds import DECLARATION_CANCELLED, DECLARATION_LODGED
from engine.journal.receipts import Receipt
from engine.targeting.forecast import ExpectedArrival, Forecast

State = Literal["lodged", "expected", "arrived", "expired", "cancelled"]
"""A declarant is told ``lodged`` or ``cancelled`` alone."""
MissingCode = Literal[
    "no_post",
    "no_window",
    "no_vehicle",
    "no_vehicle_class",
    "no_carrier",
    "short_hs_code",
    "no_value",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedDeclaration(Answer):
    """A version of a declaration ahead, or its cancellation, that stands in the journal."""

    kind: Literal["declaration_lodged", "declaration_cancelled"]
    id: str
    version: int
    """Counted from 1; a cancellation is the last one."""
    received_at: Time
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDeclaration(Answer):
    """A declaration ahead, as a list has it."""

    declaration_id: str
    version: int
    state: State
    post: str | None
    """Null where it is expected at any post."""
    direction: Literal["entry", "exit"] | None
    due_at: Time
    """When it is expected; when it was lodged, where it does not say."""
    arrives_from: Time | None
    arrives_until: Time | None
    plates: list[str]
    vehicle_classes: list[str]
    vehicles: int
    arrived: int | None
    """Vehicles that came; null for a declarant."""
    procedure: str
    items: int
    missing: list[MissingCode]
    """What is not known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastDeclaration(ExpectedDeclaration):
    """The same, for supervisors and analysts."""

    provisional: Forecast | None
    """Null where the post is not known, and for a cancelled one."""


@dataclass(frozen=True, slots=True)
class ExpectedDeclarations(Answer):
    """Declarations ahead, the first expected first."""

    tables = ("declarations",)
    declarations: Sequence[ForecastDeclaration | ExpectedDeclaration]
    next_before: int | None
    """For ``before``, to read on; null where these are all."""


@dataclass(frozen=True, slots=True)
class DeclarationVersion(Answer):
    """One version of a declaration ahead."""

    version: int
    state: Literal["lodged", "cancelled"]
    received_at: Time
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleUse(Answer):
    """A vehicle that came, and the version that it was decided with."""

    vehicle: int
    version: int
    crossing_id: str
    decision_id: str
    matched_by: MatchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationView(ExpectedDeclaration):
    """One declaration ahead with its content, its versions and the vehicles that came."""

    tables = ("versions", "uses")
    lodged: dict[str, Any]
    """As it was lodged, in its present version."""
    versions: list[DeclarationVersion]
    uses: list[VehicleUse] | None
    """Null for a declarant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastDeclarationView(DeclarationView):
    """The same, for supervisors and analysts."""

    provisional: Forecast | None
    """Null where the post is not known, and for a cancelled one."""


def lodge(
    service: Runtime, caller: Caller, lodged: AdvanceDeclaration, key: str | None
) -> AcknowledgedDeclaration:
    """Record a version of a declaration; its present content sent again changes nothing.

    Raises ``ConflictError`` for an identifier of another sender or of a cancelled declaration.
    """
    if lodged.post is None and caller.post is not None:
        lodged = lodged.model_copy(update={"post": caller.post})
    if lodged.post is not None:
        check_post(service.network, caller, lodged.post)
    asked = _claim_version(caller, lodged, key)
    found = _find_again(service, lodged, asked)
    if found is None:
        found = service.recording.once(
            asked,
            lambda snapshot: draft_version(snapshot, lodged, by=caller.person, claim=asked),
        )
        service.metrics.lodgings.labels("lodged" if found.body["version"] == 1 else "amended").inc()
    return _acknowledge(service, found)


def _claim_version(caller: Caller, lodged: AdvanceDeclaration, key: str | None) -> IdempotencyClaim:
    """Return the claim of a version: its content names it, and the sender's key where it has one.

    With a new key a sender goes back to what an earlier version said.
    """
    name, by = f"declaration:{lodged.declaration_id}:", caller.person
    plain = claim(DECLARATION_LODGED, lodged, post=lodged.post or "", name="", about=by)
    keyed = claim(
        DECLARATION_LODGED, lodged, post=plain.post, name="", key=caller.own(key), about=by
    )
    names = keyed.names[:-1] or (name + plain.fingerprint,)
    return IdempotencyClaim(plain.kind, plain.post, names, plain.fingerprint)


def _find_again(
    service: Runtime, lodged: AdvanceDeclaration, asked: IdempotencyClaim
) -> StoredRecord | None:
    with service.store.read() as snapshot:
        seq = find_same(snapshot, lodged, asked)
        return None if seq is None else read_stored(snapshot, service.journal, seq)


def cancel(
    service: Runtime,
    caller: Caller,
    declaration_id: str,
    cancellation: OptionalReason,
    key: str | None,
) -> AcknowledgedDeclaration:
    """Record that a declaration is withdrawn; raises ``NotFoundError``, ``ConflictError``."""
    with service.store.read() as snapshot:
        known = find_current(snapshot, declaration_id)
    if known is None or known.lodged_by != caller.person:
        raise NotFoundError("declaration", declaration_id)
    name = f"{DECLARATION_CANCELLED}:{declaration_id}"
    asked = claim(
        DECLARATION_CANCELLED, cancellation, post=known.post, name=name, key=caller.own(key)
    )
    is_new = service.recording.before(asked) is None
    found = service.recording.once(
        asked,
        lambda snapshot: draft_cancellation(
            snapshot, declaration_id, cancellation, by=caller.person, claim=asked
        ),
    )
    if is_new:
        service.metrics.lodgings.labels("cancelled").inc()
    return _acknowledge(service, found)


def _acknowledge(service: Runtime, found: StoredRecord) -> AcknowledgedDeclaration:
    kind: Any = found.entry.kind
    return AcknowledgedDeclaration(
        kind=kind,
        id=found.entry.subject,
        version=found.body["version"],
        received_at=rfc3339(found.entry.known_at),
        receipt=service.signer.sign(found.entry),
    )


SEE_RISK = frozenset({Role.SUPERVISOR, Role.ANALYST})


class DeclarationReader:
    """Reads declarations ahead for one caller, in one snapshot."""

    def __init__(self, service: Runtime, caller: Caller, snapshot: Connection) -> None:
        self._service = service
        self._caller = caller
        self._snapshot = snapshot
        self._now = service.journal.now(snapshot)
        self._is_sender = caller.role in MACHINES
        self._sees_risk = caller.role in SEE_RISK

    def list_expected(self, post: str | None, *, most: int, **asked: Any) -> ExpectedDeclarations:
        """Return declarations, the first expected first, and where to read on."""
        found = list_current(
            self._snapshot,
            post=post or self._caller.post,
            hidden=self._caller.hidden_posts,
            lodged_by=self._caller.person if self._is_sender else None,
            now=self._now,
            most=most + 1,
            **asked,
        )
        kind = ForecastDeclaration if self._sees_risk else ExpectedDeclaration
        rows = [kind(**fields) for _, fields in self._read_fields(found[:most], at=post)]
        return ExpectedDeclarations(rows, found[most - 1].seq if len(found) > most else None)

    def read_declaration(self, declaration_id: str) -> DeclarationView:
        """Return one declaration with its versions; raises ``NotFoundError``."""
        versions = read_history(self._snapshot, declaration_id)
        last = versions[-1]
        if not self._sees(last):
            raise NotFoundError("declaration", declaration_id)
        rows = self._read_fields([last], at=None, content_of=versions)
        if not rows:
            raise ErasedError(DECLARATION_LODGED, declaration_id)
        ((lodged, fields),) = rows
        uses = read_uses(self._snapshot, [declaration_id]).get(declaration_id, [])
        kind = ForecastDeclarationView if self._sees_risk else DeclarationView
        return kind(
            **fields,
            lodged=lodged.model_dump(mode="json", exclude_none=True),
            versions=[self._describe_version(one) for one in versions],
            uses=None if self._is_sender else [_describe_use(one) for one in uses],
        )

    def _sees(self, version: LodgedVersion) -> bool:
        if self._is_sender:
            return version.lodged_by == self._caller.person
        is_here = version.post == "" or self._caller.post in (None, version.post)
        return is_here and version.post not in self._caller.hidden_posts

    def _describe_version(self, one: LodgedVersion) -> DeclarationVersion:
        receipt = self._service.signer.sign(self._service.journal.entry(self._snapshot, one.seq))
        return DeclarationVersion(one.version, one.state, rfc3339(one.known_at), receipt)

    def _read_fields(
        self,
        found: Sequence[LodgedVersion],
        *,
        at: str | None,
        content_of: Sequence[LodgedVersion] | None = None,
    ) -> list[tuple[AdvanceDeclaration, dict[str, Any]]]:
        """Return declarations with the fields of their answers, without those that are erased.

        A cancelled one has the content of the version before, which ``content_of`` names.
        """
        seqs = {one.declaration_id: one.seq for one in found}
        for one in content_of or self._versions_before(found):
            if not one.is_cancelled:
                seqs[one.declaration_id] = one.seq
        contents = read_contents(self._snapshot, seqs.values())
        uses = read_uses(self._snapshot, list(seqs))
        known = [one for one in found if seqs[one.declaration_id] in contents]
        lodged = [contents[seqs[one.declaration_id]] for one in known]
        forecasts = self._forecast(known, lodged, at=at) if self._sees_risk else {}
        rows = []
        for one, content in zip(known, lodged, strict=True):
            fields = self._fields(one, content, uses.get(one.declaration_id, ()))
            if self._sees_risk:
                fields["provisional"] = forecasts.get(one.seq)
            rows.append((content, fields))
        return rows

    def _versions_before(self, found: Sequence[LodgedVersion]) -> list[LodgedVersion]:
        cancelled = (one.declaration_id for one in found if one.is_cancelled)
        return [one for name in cancelled for one in read_history(self._snapshot, name)]

    def _forecast(
        self,
        known: Sequence[LodgedVersion],
        lodged: Sequence[AdvanceDeclaration],
        *,
        at: str | None,
    ) -> Mapping[int, Forecast]:
        """Return the forecast of each that is still expected, by its record."""
        due = [
            (one.seq, ExpectedArrival(content, one.post or at or "", one.due_at))
            for one, content in zip(known, lodged, strict=True)
            if (one.post or at) and not one.is_cancelled
        ]
        as_of = self._service.journal.head(self._snapshot).as_of
        found = self._service.forecasts.forecast(
            self._snapshot, [one for _, one in due], as_of=as_of
        )
        return {seq: one for (seq, _), one in zip(due, found, strict=True)}

    def _fields(
        self, version: LodgedVersion, lodged: AdvanceDeclaration, uses: Sequence[Use]
    ) -> dict[str, Any]:
        first, last = lodged.arrives_from, lodged.arrives_until
        vehicles = lodged.expected_vehicles
        return {
            "declaration_id": version.declaration_id,
            "version": version.version,
            "state": self._state(version, len(uses)),
            "post": version.post or None,
            "direction": lodged.direction,
            "due_at": rfc3339(version.due_at),
            "arrives_from": None if first is None else rfc3339(micros(first)),
            "arrives_until": None if last is None else rfc3339(micros(last)),
            "plates": [one.plate for one in vehicles if one.plate is not None],
            "vehicle_classes": sorted({one.vehicle_class for one in vehicles if one.vehicle_class}),
            "vehicles": version.vehicles,
            "arrived": None if self._is_sender else len(uses),
            "procedure": lodged.declaration.procedure,
            "items": len(lodged.declaration.items),
            "missing": list_missing(lodged),
        }

    def _state(self, version: LodgedVersion, arrived: int) -> str:
        if version.is_cancelled or self._is_sender:
            return version.state
        if arrived >= version.vehicles:
            return "arrived"
        return "expired" if version.expires_at <= self._now else "expected"


def read_expected(
    service: Runtime, caller: Caller, post: str | None, *, most: int, **asked: Any
) -> ExpectedDeclarations:
    """Return declarations ahead at a post, or wherever the caller reads."""
    if post is not None:
        check_post(service.network, caller, post)
    with service.store.read() as snapshot:
        return DeclarationReader(service, caller, snapshot).list_expected(post, most=most, **asked)


def list_missing(lodged: AdvanceDeclaration) -> list[str]:
    """Return the codes of what a declaration ahead does not say."""
    vehicles, items = lodged.expected_vehicles, lodged.declaration.items
    missing = {
        "no_post": lodged.post is None,
        "no_window": lodged.arrives_from is None and lodged.arrives_until is None,
        "no_vehicle": not all(
            one.plate or one.trailer_plate or one.container_numbers for one in vehicles
        ),
        "no_vehicle_class": not all(one.vehicle_class for one in vehicles),
        "no_carrier": not all(one.carrier_id for one in vehicles),
        "short_hs_code": any(len(item.hs_code) < 6 for item in items),
        "no_value": all(item.customs_value_usd is None for item in items),
    }
    return [code for code, is_missing in missing.items() if is_missing]


def _describe_use(one: Use) -> VehicleUse:
    return VehicleUse(
        vehicle=one.vehicle,
        version=one.version,
        crossing_id=one.crossing_id,
        decision_id=one.decision_id,
        matched_by=one.matched_by,
    )


FORMATS = find_formats()
router = json_router("/v1/declarations", "declarations")
MOST_LISTED = 500
DeclarationId = Annotated[Identifier, Path()]


@router.post(
    "",
    **FORMATS.document_advance(creates(AcknowledgedDeclaration, 409, 413, body=AdvanceDeclaration)),
)
def lodge_declaration(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    lodged: Annotated[AdvanceDeclaration, Depends(FORMATS.read_advance)],
) -> Response:
    """Lodge a declaration ahead of its vehicle; another content under its number is a new version.

    Only its sender may change it.
    """
    return FORMATS.answer(request, lodge(service, caller, lodged, key), lodged.declaration)


@router.get("", response_model=ExpectedDeclarations)
def declarations(
    caller: TheCaller,
    service: TheService,
    post: Annotated[PostCode | None, Query()] = None,
    since: Annotated[AskedTime | None, Query()] = None,
    until: Annotated[AskedTime | None, Query()] = None,
    state: Annotated[Literal["expected", "all"], Query()] = "expected",
    before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
) -> Response:
    """List what is expected, the first first; ``since`` and ``until`` bound when it is due.

    ``before`` reads on: the ``next_before`` of the answer before. ``state=all`` has those that
    came, expired or were cancelled, too.
    """
    found = read_expected(
        service,
        caller,
        post,
        most=limit,
        since=None if since is None else micros(since),
        until=None if until is None else micros(until),
        is_expected=state == "expected",
        after=before,
    )
    return answer(found)


# an identifier may hold a slash, which comes as one from %2F
@router.post(
    "/{declaration_id:path}/cancellations",
    **creates(AcknowledgedDeclaration, 404, 409, 413, body=OptionalReason, is_owed=False),
)
def cancel_declaration(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    declaration_id: DeclarationId,
    cancellation: TheOptionalReason,
) -> Response:
    """Withdraw a declaration for good; a vehicle that comes is not matched with it."""
    return answer(cancel(service, caller, declaration_id, cancellation, key), 201)


@router.get(
    "/{declaration_id:path}",
    response_model=ForecastDeclarationView | DeclarationView,
    responses=document_problems(404),
)
def declaration(caller: TheCaller, service: TheService, declaration_id: DeclarationId) -> Response:
    """Return one declaration with its versions, as its reader may see it."""
    with service.store.read() as snapshot:
        return answer(DeclarationReader(service, caller, snapshot).read_declaration(declaration_id))


page_router = APIRouter(prefix="/declarations", route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 200
HOURS = (6, 12, 24, 72)
OVERDUE = 12 * HOUR
"""How long one that has not come stays on the page."""


@page_router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    post: Annotated[PostCode | None, Query()] = None,
    hours: Annotated[Literal["6", "12", "24", "72"], Query()] = "12",
) -> Response:
    """Show what is expected in the next hours, and what is overdue."""
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
    window = {"since": now - OVERDUE, "until": now + int(hours) * HOUR}
    found = read_expected(service, visit.caller, post, most=MOST_SHOWN, **window)
    asked = {name: rfc3339(value) for name, value in window.items()}
    asked |= {} if post is None else {"post": post}
    address = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    values: dict[str, Any] = {
        "expected": found.declarations,
        "has_more": found.next_before is not None,
        "sees_risk": visit.caller.role in SEE_RISK,
        "now": moment(now),
        "at_post": post,
        "hours": hours,
        "choices": HOURS,
    }
    return visit.page("expected.html", json_address=f"/v1/declarations?{address}", **values)
