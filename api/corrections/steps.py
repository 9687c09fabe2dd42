"""Corrections of acts and seizures, for one caller."""

from typing import Any

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.rights import Role
from engine.errors import NotFoundError
from engine.journal.batch_worker import StoredRecord
from engine.journal.kinds import INSPECTION_CORRECTED, SEIZURE_CORRECTED
from engine.targeting.corrections import (
    ActCorrection,
    Corrector,
    SeizureCorrection,
    StatedReport,
    draft_act_correction,
    draft_seizure_correction,
    read_stated_act,
    read_stated_seizure,
)


def correct_act(
    service: Runtime,
    caller: Caller,
    inspection_id: str,
    correction: ActCorrection,
    key: str | None = None,
) -> StoredRecord:
    """Record a correction of an act.

    Raises ``NotFoundError``, ``ConflictError`` where nothing would change, and ``NotAllowedError``.
    """
    with service.store.read() as snapshot:
        known = read_stated_act(snapshot, inspection_id)
    _check_reach(caller, known, "inspection")
    asked = known.claim(correction, INSPECTION_CORRECTED, key=caller.own(key))
    by = _corrector(service, caller)
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_act_correction(
            read_stated_act(snapshot, inspection_id), correction, asked, by=by
        ),
    )


def correct_seizure(
    service: Runtime,
    caller: Caller,
    seizure_id: str,
    correction: SeizureCorrection,
    key: str | None = None,
) -> StoredRecord:
    """Record a correction of a seizure, or that it is withdrawn; raises the same."""
    with service.store.read() as snapshot:
        known = read_stated_seizure(snapshot, seizure_id)
    _check_reach(caller, known, "seizure")
    asked = known.claim(correction, SEIZURE_CORRECTED, key=caller.own(key))
    by, features = _corrector(service, caller), service.recording.features
    return service.recording.once_here(
        asked,
        lambda snapshot: draft_seizure_correction(
            read_stated_seizure(snapshot, seizure_id), correction, asked, by=by, features=features
        ),
    )


def _check_reach(caller: Caller, known: StatedReport, kind: str) -> None:
    content: dict[str, Any] = known.body[kind]
    if not (caller.reaches(known.post) and caller.covers(content.get("agency"))):
        raise NotFoundError(kind, known.name)


def _corrector(service: Runtime, caller: Caller) -> Corrector:
    is_supervisor = caller.role is Role.SUPERVISOR and caller.is_person

    def may_take_back(filed_by: str) -> bool:
        return is_supervisor and service.accounts.look().are_two(filed_by, caller.person)

    return Corrector(caller.person, may_take_back, caller.agency)
