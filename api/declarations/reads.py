"""Declarations ahead, each as its reader may see it.

A declarant reads what it lodged and nothing of what became of it. A checkpoint reads what is
expected at its post, without a forecast: held against the channel of the decision, one would tell
it which vehicles were picked at random. Supervisors and analysts see the provisional risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.auth.permissions import MACHINES
from api.http.guards import check_post
from api.service.runtime import Runtime
from engine.declarations.lodgings import (
    LodgedVersion,
    Use,
    list_current,
    read_contents,
    read_history,
    read_uses,
)
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.rights import Role
from engine.domain.time_units import micros, rfc3339
from engine.errors import ErasedError, NotFoundError
from engine.journal.kinds import DECLARATION_LODGED
from engine.targeting.forecast import ExpectedArrival

SEE_RISK = frozenset({Role.SUPERVISOR, Role.ANALYST})


class DeclarationReader:
    """Reads declarations ahead for one caller, in one snapshot."""

    def __init__(self, service: Runtime, caller: Caller, snapshot: Connection) -> None:
        self._service = service
        self._caller = caller
        self._snapshot = snapshot
        self._now = service.journal.now(snapshot)
        self._is_sender = caller.role in MACHINES

    def list_expected(self, post: str | None, *, most: int, **asked: Any) -> dict[str, Any]:
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
        read_on = found[most - 1].seq if len(found) > most else None
        return {"declarations": self._views(found[:most], at=post), "next_before": read_on}

    def read_declaration(self, declaration_id: str) -> dict[str, Any]:
        """Return one declaration with its versions; raises ``NotFoundError``."""
        versions = read_history(self._snapshot, declaration_id)
        last = versions[-1]
        if not self._sees(last):
            raise NotFoundError("declaration", declaration_id)
        views = self._views([last], at=None, content_of=versions)
        if not views:
            raise ErasedError(DECLARATION_LODGED, declaration_id)
        uses = read_uses(self._snapshot, [declaration_id]).get(declaration_id, [])
        return views[0] | {
            "versions": [self._version(one) for one in versions],
            "uses": None if self._is_sender else [_use(one) for one in uses],
        }

    def _sees(self, version: LodgedVersion) -> bool:
        if self._is_sender:
            return version.lodged_by == self._caller.person
        is_here = version.post == "" or self._caller.post in (None, version.post)
        return is_here and version.post not in self._caller.hidden_posts

    def _version(self, one: LodgedVersion) -> dict[str, Any]:
        entry = self._service.journal.entry(self._snapshot, one.seq)
        receipt = self._service.answers.signer.sign(entry).to_json()
        known = {"version": one.version, "state": one.state}
        return known | {"received_at": rfc3339(one.known_at), "receipt": receipt}

    def _views(
        self,
        found: Sequence[LodgedVersion],
        *,
        at: str | None,
        content_of: Sequence[LodgedVersion] | None = None,
    ) -> list[dict[str, Any]]:
        """Return declarations as JSON values, without those that are erased.

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
        forecasts = self._forecast(known, lodged, at=at)
        return [
            self._view(one, content, uses.get(one.declaration_id, ()))
            | ({} if content_of is None else {"lodged": _dump(content)})
            | forecasts.get(one.seq, {})
            for one, content in zip(known, lodged, strict=True)
        ]

    def _versions_before(self, found: Sequence[LodgedVersion]) -> list[LodgedVersion]:
        cancelled = (one.declaration_id for one in found if one.is_cancelled)
        return [one for name in cancelled for one in read_history(self._snapshot, name)]

    def _forecast(
        self,
        known: Sequence[LodgedVersion],
        lodged: Sequence[AdvanceDeclaration],
        *,
        at: str | None,
    ) -> Mapping[int, dict[str, Any]]:
        """Return what readers of risk see besides, by record, of what is still expected."""
        if self._caller.role not in SEE_RISK:
            return {}
        due = [
            (one.seq, ExpectedArrival(content, one.post or at or "", one.due_at))
            for one, content in zip(known, lodged, strict=True)
            if (one.post or at) and not one.is_cancelled
        ]
        as_of = self._service.journal.head(self._snapshot).as_of
        found = self._service.forecasts.forecast(
            self._snapshot, [one for _, one in due], as_of=as_of
        )
        risks = {seq: asdict(one) for (seq, _), one in zip(due, found, strict=True)}
        return {
            one.seq: {
                "provisional": risks[one.seq] | {"provisional": True} if one.seq in risks else None
            }
            for one in known
        }

    def _view(
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
) -> dict[str, Any]:
    """Return declarations ahead at a post, or wherever the caller reads; as JSON values."""
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


def _dump(lodged: AdvanceDeclaration) -> dict[str, Any]:
    found: dict[str, Any] = lodged.model_dump(mode="json", exclude_none=True)
    return found


def _use(one: Use) -> dict[str, Any]:
    names = ("vehicle", "version", "crossing_id", "decision_id", "matched_by")
    return {name: getattr(one, name) for name in names}
