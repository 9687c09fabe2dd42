"""Decisions that a search finds, for one caller.

A search shows who crossed and where the vehicle stands, never why it was picked, and the same to
every role. Before its answer leaves, the journal has who looked and which records were shown; where
that cannot be recorded nothing is shown. The text itself is not recorded: it would outlive the
erasure of what it names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.identifiers import fold
from engine.domain.time_units import rfc3339
from engine.errors import RecordError
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from engine.journal.payloads import SensitiveReadBody
from engine.queue.identifier_index import SHORTEST, FoundDecision, find_decisions
from engine.selection.policy import Channel

_MAY_LACK = {"plate": None, "plate_country": None}


def search(
    service: Runtime, caller: Caller, asked: str, *, before: int | None, most: int
) -> dict[str, Any]:
    """Return what a text finds, and where to read on, as JSON values; raises ``RecordError``."""
    text = fold(asked)
    if len(text) < SHORTEST:
        why = f"at least {SHORTEST} letters or digits"
        raise RecordError("query", "q", "too_short", why)
    with service.store.read() as snapshot:
        found = find_decisions(
            snapshot,
            text,
            post=caller.post,
            hidden=caller.hidden_posts,
            before=before,
            most=most + 1,
        )
        shown = [one for one in found[:most] if caller.sees_post(one.post)]
        bodies = JournalReader(snapshot).bodies([one.seq for one in shown])
    known = [one for one in shown if one.seq in bodies]  # the rest is erased
    _record_look(service, caller, known)
    return {
        "found": [_view(one, bodies[one.seq]) for one in known],
        "next_before": found[most - 1].seq if len(found) > most else None,
    }


def _record_look(service: Runtime, caller: Caller, shown: Sequence[FoundDecision]) -> None:
    body: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": 0,
        "kind": "search",
        "found": [one.seq for one in shown],
    }
    service.writer.submit(SENSITIVE_READ.draft("0", body, post=caller.post or "")).result()


def _view(one: FoundDecision, body: Mapping[str, Any]) -> dict[str, Any]:
    crossing: dict[str, Any] = _MAY_LACK | body["arrival"]["crossing"]
    names = ("direction", "arrived_at", "vehicle_class", "plate", "plate_country")
    return {name: crossing[name] for name in names} | {
        "decision_id": one.decision_id,
        "crossing_id": one.crossing_id,
        "post": one.post,
        "decided_at": rfc3339(one.known_at),
        "channel": Channel(one.channel).code,
        "waiting": one.waiting,
        "amends": one.amends,
        "matched": [kind.code for kind in one.kinds],
    }
