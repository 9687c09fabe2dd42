"""Withdrawal of a load by two people: its rows leave the history, and a record says so.

The first person proposes, the second approves (:mod:`api.audit.proposals`). Approval and counters
without the load are one transaction, after which the load's folder goes; a kill in between leaves a
folder that the next load removes. What was decided stays as it was decided. A load is withdrawn
only while no later one stands on it, so that what is left is the history in which it never
happened.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow.compute as pc
from sqlalchemy import Connection

from api.audit.proposals import WithdrawalProposal
from api.http.answers import AcknowledgedStep, Answer, describe_step
from api.proposals.matters import Approval, Step
from api.service.runtime import Runtime
from engine.audit.erasures import lock_loads, resume_removals
from engine.audit.file_anchors import read_load_anchors, read_replaced_loads
from engine.criteria.dual_control import ApprovalState, draft_approval
from engine.errors import ConflictError, NotFoundError
from engine.journal.areas import list_projections
from engine.journal.batch_worker import StoredRecord
from engine.storage.home import Home
from features.history.tables import KEYS, SCHEMAS, loads, read_table
from features.intake.referential_checks import REFERENCES
from features.online.backfill import open_epoch

SHORTEST = 8
"""Characters of a load's digest that name it."""
_REFERENCES = (*REFERENCES, ("seizures", "linked_crossing_id", "crossings"))
"""(table, column, the table of another load that its rows may stand on)."""


def prepare_withdrawal(step: Step, proposed: WithdrawalProposal) -> Mapping[str, Any]:
    """Return a withdrawal as its proposal records it.

    Raises ``NotFoundError`` where the home has no such load, and ``ConflictError`` where a later
    one stands on it.
    """
    resume_removals(step.service.home, step.service.store)
    digest = find_load(step.service.home, proposed.load)
    with lock_loads(step.service.home):
        _check_free(step.service.home, step.connection, digest)
    return {"load": digest, "why": proposed.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedWithdrawal(AcknowledgedStep):
    """A proposed withdrawal, and what it would take away."""

    load: str
    by: tuple[str, ...]
    rows: dict[str, int]
    """By table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnLoad(Answer):
    """A load that left the history, by two people."""

    load: str
    state: Literal["withdrawn"] = "withdrawn"
    by: tuple[str, str]
    rows: dict[str, int]
    """By table."""


def describe_proposal(service: Runtime, done: StoredRecord) -> ProposedWithdrawal:
    """Return what a proposed withdrawal would take away."""
    load = done.body["content"]["load"]
    rows, by = _count_rows(service.home, load), (done.body["by"],)
    return ProposedWithdrawal(**describe_step(service, done), load=load, by=by, rows=rows)


def withdraw_load(step: Step, pending: ApprovalState, _: Approval) -> WithdrawnLoad:
    """Approve a proposed withdrawal, and count the history without the load.

    Raises what :func:`prepare_withdrawal` raises.
    """
    home, store, load = step.service.home, step.service.store, str(pending.content["load"])
    resume_removals(home, store)
    with lock_loads(home):
        with store.read() as connection:
            _check_free(home, connection, find_load(home, load))
        rows = _count_rows(home, load)
        open_epoch(
            home,
            store,
            step.service.plan,
            about=None,
            report=step.report,
            only={one for one in loads(home) if one != load},
            after=[draft_approval("load_withdrawal", pending, by=step.caller.person)],
            projections=list_projections(),
        )
    resume_removals(home, store)
    people = pending.author, step.caller.person
    return WithdrawnLoad(load=load, by=people, rows=rows)


def find_load(home: Home, name: str) -> str:
    """Return the digest of a load by how it begins; raises ``NotFoundError``."""
    found = [one for one in loads(home) if len(name) >= SHORTEST and one.startswith(name)]
    if len(found) != 1:
        raise NotFoundError("load", name)
    return found[0]


def _check_free(home: Home, connection: Connection, digest: str) -> None:
    """Refuse a load that later ones stand on, or of which rows were erased."""
    if any(instead == digest for _, instead in read_replaced_loads(connection).values()):
        why = "rows of it were erased, and would come back with its folder"
        raise ConflictError("load", digest, why)
    anchors = read_load_anchors(connection)
    if digest not in anchors:
        raise ConflictError("load", digest, "it is not finished: load the same folder again first")
    for later in sorted(loads(home)):
        is_later = anchors.get(later, anchors[digest] + 1) > anchors[digest]
        if is_later and any(_yield_ties(home, later, digest)):
            why = f"load {later} came after it and stands on it: withdraw that one first"
            raise ConflictError("load", digest, why)


def _yield_ties(home: Home, later: str, digest: str) -> Iterator[bool]:
    """Yield whether a load left out rows that the home had, and whether rows refer to another."""
    record = json.loads((home.history / later / "load.json").read_text("utf-8"))
    yield any(count for name in ("held", "differing") for count in record[name].values())
    for name, column, target in _REFERENCES:
        named = read_table(home, (later,), name=name)[column].drop_null()
        held = read_table(home, (digest,), name=target)[KEYS[target][0]]
        yield bool(pc.any(pc.is_in(named, value_set=held.combine_chunks())).as_py())


def _count_rows(home: Home, digest: str) -> dict[str, int]:
    return {name: read_table(home, (digest,), name=name).num_rows for name in SCHEMAS}
