"""Withdrawal of a load by two people: its rows leave the history, and a record says so.

The first person proposes, the second repeats the command. Approval and counters without the load
are one transaction, after which the load's folder goes; a kill in between leaves a folder that the
next load removes. What was decided stays as it was decided. A load is withdrawn only while no later
one stands on it, so that what is left is the history in which it never happened.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow.compute as pc
from sqlalchemy import Connection

from api.audit.erasure import find_pending
from api.auth.accounts import Accounts
from engine.audit.file_anchors import read_replaced_loads, read_withdrawn_loads
from engine.criteria.dual_control import (
    ApprovalState,
    draft_approval,
    draft_proposal,
)
from engine.domain.rights import Matter, Right
from engine.errors import ConflictError, NotFoundError
from engine.journal.areas import list_projections
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.history.tables import KEYS, SCHEMAS, loads, read_table
from features.intake.referential_checks import REFERENCES
from features.intake.stored_loads import lock_loads, read_load_anchors
from features.online.backfill import open_epoch

SHORTEST = 8
"""Characters of a load's digest that name it."""
_REFERENCES = (*REFERENCES, ("seizures", "linked_crossing_id", "crossings"))
"""(table, column, the table of another load that its rows may stand on)."""


@dataclass(frozen=True, slots=True)
class WithdrawalResult:
    """What one step did."""

    load: str
    state: str
    """``proposed`` or ``withdrawn``."""
    by: tuple[str, ...]
    rows: dict[str, int]
    """Rows of the load by table."""


@dataclass(frozen=True, slots=True)
class WithdrawalSteps:
    """Steps of one person towards a withdrawal; raises ``NotAllowedError`` for others."""

    home: Home
    store: Store
    accounts: Accounts
    by: str

    def withdraw(self, load: str, why: str, *, report: Callable[[str], None]) -> WithdrawalResult:
        """Propose a withdrawal, or approve the pending one of another person.

        ``load`` is a digest, or its beginning. Raises ``NotFoundError`` where the home has no such
        load, ``ConflictError`` where a later one stands on it, and ``SecondPersonError`` for the
        person who proposed it.
        """
        finish_withdrawals(self.home, self.store)
        with lock_loads(self.home):
            with self.store.read() as connection:
                digest = _find_load(self.home, load)
                _check_free(self.home, connection, digest)
                pending = find_pending(
                    connection,
                    "load_withdrawal",
                    {"load": digest},
                    store=self.store,
                    accounts=self.accounts,
                )
            result = (
                self._propose(digest, why)
                if pending is None
                else self._approve(digest, pending, report=report)
            )
        finish_withdrawals(self.home, self.store)
        return result

    def _propose(self, digest: str, why: str) -> WithdrawalResult:
        self.accounts.check_governor(self.by, Right.ACT)
        subject = f"withdrawal-{secrets.token_hex(6)}"
        content = {"load": digest, "why": why}
        draft = draft_proposal("load_withdrawal", subject, by=self.by, content=content)
        Journal(self.store, [*list_projections()]).append([draft])
        return WithdrawalResult(digest, "proposed", (self.by,), _count_rows(self.home, digest))

    def _approve(
        self, digest: str, pending: ApprovalState, *, report: Callable[[str], None]
    ) -> WithdrawalResult:
        self.accounts.check_governor(self.by, Right.APPROVE)
        approval = draft_approval("load_withdrawal", pending, by=self.by)
        self.accounts.must_second(Matter.PEOPLE, first=pending.author, second=self.by)
        open_epoch(
            self.home,
            self.store,
            current_plan(),
            about=None,
            report=report,
            only={one for one in loads(self.home) if one != digest},
            after=[approval],
            projections=[*list_projections()],
        )
        people = pending.author, self.by
        return WithdrawalResult(digest, "withdrawn", people, _count_rows(self.home, digest))


def finish_withdrawals(home: Home, store: Store) -> None:
    """Remove the folders of withdrawn loads; may be repeated."""
    with lock_loads(home), store.read() as connection:
        for load in read_withdrawn_loads(connection).keys() - read_load_anchors(connection).keys():
            if (home.history / load).is_dir():
                shutil.rmtree(home.history / load)


def _find_load(home: Home, name: str) -> str:
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
