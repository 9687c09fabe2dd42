"""Answers about the journal and its draws."""

from datetime import datetime
from typing import Any

from api.http.schema_base import AnswerSchema
from engine.journal.entries import JournalFault
from engine.journal.receipts import Receipt


class JournalHead(AnswerSchema):
    """The last record of the journal."""

    sequence: int
    known_at: datetime
    chain: str


class ListedRecord(AnswerSchema):
    """A record without its body."""

    sequence: int
    known_at: datetime
    kind: str
    subject: str
    post: str
    leaf: str
    chain: str
    has_body: bool
    """False where it was erased."""


class JournalCheck(AnswerSchema):
    """What a check of the journal found; itself a record."""

    by: str
    after: int
    """Records up to this one were believed as they stand; 0: the whole journal was walked."""
    upto: int
    checked: int
    drawn: int
    """Decisions whose numbers were drawn again."""
    compared: int
    """Rows of tables compared with what a replay of the journal makes; 0: not replayed."""
    erased: int
    """Bodies that are gone because a signed erasure names them."""
    found: int
    """Faults in all."""
    faults: list[JournalFault]
    """The first twenty."""
    recorded_at: datetime
    sequence: int


class SensitiveRead(AnswerSchema):
    """Who opened which record, or which a search showed: then ``kind`` is ``search``."""

    read_at: datetime
    by: str
    role: str
    sequence: int
    kind: str
    found: list[int] | None = None
    """Records that a search showed."""


class JournalPage(AnswerSchema):
    """Records, the newest first."""

    tables = ("records", "reads")
    journal_id: str
    head: JournalHead
    synthetic: bool
    records: list[ListedRecord]
    next_before: int | None
    """Ask ``before`` this one for older records; null where there are none."""
    verified: JournalCheck | None
    """The last check that was made from the service; null where none was."""
    reads: list[SensitiveRead]
    """Who opened records, the last twenty times."""


class OpenedRecord(AnswerSchema):
    """A record with its body; that it was opened is a record too."""

    sequence: int
    known_at: datetime
    kind: str
    subject: str
    post: str
    body: dict[str, Any] | None
    """Null where it was erased."""
    receipt: Receipt


class CommittedShift(AnswerSchema):
    """A shift, what it committed to as it opened, and its seed once that is revealed."""

    shift: str
    opens_at: datetime
    closes_at: datetime
    commitment: str
    head_sequence: int
    opened_sequence: int
    revealed_sequence: int | None
    seed: str | None
    commitment_holds: bool | None
    """Null while the seed is secret."""


class NumberAgain(AnswerSchema):
    """A number that decided about chance, as recorded and drawn again."""

    purpose: str
    recorded: float
    again: float | None


class DecisionAgain(AnswerSchema):
    """A decision's numbers."""

    decision_id: str
    sequence: int
    numbers: list[NumberAgain]


class ShiftAgain(AnswerSchema):
    """A shift's decisions, drawn again."""

    shift: str
    decisions: int
    numbers: int
    equal: int
    is_bounded: bool
    """There are more decisions: ``darvoza verify`` draws all."""
    rows: list[DecisionAgain]


class PostDraws(AnswerSchema):
    """A post's last shifts, one of them drawn again."""

    tables = ("shifts", "shown.rows")
    post: str
    as_of: datetime
    synthetic: bool
    shifts: list[CommittedShift]
    shown: ShiftAgain | None
    """Null while no seed is revealed."""
