"""Finds that wait for a confirmation, read and confirmed for one caller."""

from typing import Annotated, Any

from fastapi import Path

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError
from engine.journal.idempotency import claim
from engine.journal.kinds import FIND_CONFIRMED
from engine.targeting.find_confirmation import Confirmation, pending_find, pending_finds

Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
MOST = 500
"""Finds in one answer; the oldest come first, so that none is hidden by those that follow."""


def waiting_finds(service: Runtime, caller: Caller) -> list[dict[str, Any]]:
    """Return the finds that wait at the posts that a caller reaches, as JSON values."""
    with service.store.read() as snapshot:
        found = pending_finds(snapshot, caller.post, hidden=caller.hidden_posts, most=MOST)
    return [
        {
            "sequence": one.seq,
            "seizure_id": one.body["seizure"]["seizure_id"],
            "reported_by": one.body["by"],
            "plate": one.body["seizure"]["plate"],
            "substance_class": one.body["seizure"]["substance_class"],
            "quantity_g": one.body["seizure"].get("quantity_g"),
            "recorded_at": rfc3339(one.known_at),
            "post": one.post,
            "crossing_id": one.crossing_id,
        }
        for one in found
        if caller.sees(Matter.SEIZURES, one.agency)
    ]


def confirm_find(service: Runtime, caller: Caller, sequence: int) -> dict[str, Any]:
    """Confirm a find, once.

    Raises ``NotFoundError``, ``SecondPersonError`` and ``LapsedProposalError``.
    """
    with service.store.read() as snapshot:
        find = pending_find(snapshot, sequence, caller.reaches)
    if not (caller.sees(Matter.SEIZURES, find.agency) and caller.covers(find.agency)):
        raise NotFoundError("find", str(sequence))
    first = str(find.body["by"])
    accounts, second = service.accounts, caller.person
    accounts.must_second(Matter.SEIZURES, first=first, second=second, by_anyone=True)
    name = f"{FIND_CONFIRMED}:{sequence}"
    asked = claim(FIND_CONFIRMED, Confirmation(), post=find.post, name=name)
    done = service.recording.confirm(find, asked, person=caller.person)
    known = {
        "seizure_id": done.body["seizure"]["seizure_id"],
        "crossing_id": done.body["linked_crossing_id"],
    }
    return known | service.answers.receipt(done)
