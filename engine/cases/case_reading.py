"""A case as its records tell it: its events, what waits for a second person, what it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.cases.case_events import NEED_SECOND
from engine.cases.case_ledger import AGREEMENT, CaseRow, list_event_records
from engine.errors import ErasedError
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CASE_EVENT
from engine.journal.payloads import COPIED

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One event as it was recorded."""

    seq: int
    known_at: int
    body: Json

    @property
    def event(self) -> Json:
        """Its content."""
        found: Json = self.body["event"]
        return found

    @property
    def limits(self) -> tuple[str, ...]:
        """Limits of its use."""
        return tuple(self.body.get("about", {}).get("handling", ()))


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """A case with all that was recorded in it."""

    row: CaseRow
    opened: Json
    """The body of the record that opened it."""
    steps: Sequence[CaseStep]

    @property
    def facts(self) -> Json:
        """What it was opened with."""
        found: Json = self.opened["opening"]
        return found

    def find_agreements(self) -> dict[int, CaseStep]:
        """Return the agreement to each record that has one."""
        return {one.event["of"]: one for one in self.steps if one.event["kind"] == "agreement"}

    def list_waiting(self) -> list[CaseStep]:
        """Return the steps that wait for a second person."""
        agreed = self.find_agreements()
        return [
            one for one in self.steps if one.event["kind"] in NEED_SECOND and one.seq not in agreed
        ]

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


def read_history(connection: Connection, row: CaseRow) -> CaseHistory:
    """Return a case with its records; raises ``ErasedError`` where it was erased."""
    reader = JournalReader(connection)
    opened = reader.bodies([row.seq]).get(row.seq)
    if opened is None:
        raise ErasedError("case", row.case_id)
    numbers = list_event_records(connection, row.case_id)
    found = reader.records(CASE_EVENT, where=[JOURNAL.c.seq.in_(numbers)]) if numbers else ()
    steps = [CaseStep(one.seq, one.known_at, one.body) for one in found]
    return CaseHistory(row, opened, _renumber(steps))


def _renumber(steps: Sequence[CaseStep]) -> list[CaseStep]:
    """Let agreements of a copied case name the numbers that its records have here."""
    numbers = {(at["branch"], at["sequence"]): s.seq for s in steps if (at := s.body.get(COPIED))}

    def find(step: CaseStep) -> CaseStep:
        if step.event["kind"] != AGREEMENT or COPIED not in step.body:
            return step
        of, branch = step.event["of"], step.body[COPIED]["branch"]
        of_branches = (numbers.get((one, of)) for one in range(branch, -1, -1))
        here = next((one for one in of_branches if one is not None), 0)
        body = {**step.body, "event": {**step.event, "of": here}}
        return replace(step, body=body)

    return [find(step) for step in steps]
