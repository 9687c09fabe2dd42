"""A case as its records tell it: where it stands, its events, what it is about.

Every record is proven against the chain. The tables of cases say nothing here: an edit of them
shows a case to no one and is in no later record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.cases.case_state import CaseState, CaseStep, open_case, renumber_steps, replay_case
from engine.errors import NotFoundError
from engine.journal.power_records import PowerRecord, read_records
from engine.storage.database import split_in_slices

Json = Mapping[str, Any]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """A case with all that was recorded in it."""

    case: CaseState
    opened: Json
    """The body of the record that opened it."""
    steps: Sequence[CaseStep]

    @property
    def facts(self) -> Json:
        """What it was opened with."""
        found: Json = self.opened["opening"]
        return found

    def links(self) -> list[tuple[str, str]]:
        """Return kind and identifier of what the case is about, each once."""
        pairs = [
            (kind, self.facts[f"{kind}_id"])
            for kind in ("seizure", "attention")
            if f"{kind}_id" in self.facts
        ]
        events = (one.event for one in self.steps if one.event["kind"] == "link")
        return list(dict.fromkeys([*pairs, *((one["of"], one["id"]) for one in events)]))

    def files(self) -> list[CaseStep]:
        """Return the steps that added a file."""
        return self.find_steps("file")

    def find_steps(self, *kinds: str) -> list[CaseStep]:
        """Return the steps of some kinds, in order."""
        return [one for one in self.steps if one.event["kind"] in kinds]


def read_case(connection: Connection, case_id: str) -> CaseHistory:
    """Return a case with its records.

    Raises ``NotFoundError`` where there is none, it was erased, or a record of it does not match
    the chain.
    """
    found = read_cases(connection, [case_id])
    if case_id not in found:
        raise NotFoundError("case", case_id)
    return found[case_id]


def read_cases(connection: Connection, case_ids: Sequence[str]) -> dict[str, CaseHistory]:
    """Return the cases of these identifiers that :func:`read_case` returns, in one query."""
    if not case_ids:
        return {}
    records = read_records(connection, (CASE_OPENED, CASE_EVENT), subjects=case_ids)
    by_case = groupby(sorted(records, key=attrgetter("subject")), key=attrgetter("subject"))
    found = ((case_id, _build_history(list(some))) for case_id, some in by_case)
    return {case_id: history for case_id, history in found if history is not None}


def find_closed_cases(connection: Connection, case_ids: Sequence[str]) -> frozenset[str]:
    """Return those of these cases that are closed, as their records prove."""
    return frozenset(
        case_id
        for some in split_in_slices(case_ids, _AT_ONCE)
        for case_id, history in read_cases(connection, some).items()
        if not history.case.is_open
    )


def select_open(connection: Connection, groups: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the groups of records that are a case which no records prove to be closed."""
    cases = [name for sort, name in groups if sort == "case"]
    return {("case", one) for one in set(cases) - find_closed_cases(connection, cases)}


def _build_history(records: Sequence[PowerRecord]) -> CaseHistory | None:
    """Return the history that the records of one case tell, None where one is not readable."""
    opened: tuple[CaseState, Json] | None = None
    steps: list[CaseStep] = []
    for one in records:
        if (body := one.body) is None:
            return None
        if one.kind == CASE_EVENT:
            steps.append(CaseStep(one.seq, one.known_at, one.post, body))
        elif opened is None:
            opened = open_case(one.seq, one.subject, one.post, one.known_at, body), body
    if opened is None:
        return None
    steps = renumber_steps(steps)
    return CaseHistory(replay_case(opened[0], steps), opened[1], steps)
