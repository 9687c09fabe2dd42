"""Parts of a dossier in words, as they are written into a document.

They travel as JSON to the process that writes it, which imports nothing of the service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.decisions.vehicle_drawing import Drawing

Fact = tuple[str, str]
"""A term and its value."""


@dataclass(frozen=True, slots=True)
class DossierFind:
    """What was found, with a drawing where the vehicle and the place are known."""

    facts: Sequence[Fact]
    drawing: Drawing | None


@dataclass(frozen=True, slots=True)
class DossierEvent:
    """One event of the timeline."""

    when: str
    what: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class DossierFile:
    """A file of the case; the dossier holds it where it is a photograph for which there is room."""

    what: str
    digest: str
    path: str = ""
    """Where a photograph lies that is to be shown; empty for none."""
    why_not: str = ""
    """Why a photograph is not shown."""


@dataclass(frozen=True, slots=True)
class RecordProof:
    """What one record is checked by."""

    sequence: int
    leaf: str
    chain: str
    signature: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """A case in words; the newest record is what it is as of."""

    case_id: str
    language: str
    made_of: datetime
    """When its newest record became known."""
    texts: Mapping[str, str]
    """Headings and explanations by :data:`api.cases.dossier.TEXTS`."""
    warnings: Sequence[str]
    """That the data are synthetic, and the limits of its use."""
    notes: Sequence[str]
    summary: str
    facts: Sequence[Fact]
    finds: Sequence[DossierFind]
    searches: Sequence[Sequence[Fact]]
    """The account of each inspection act, as it was last stated."""
    goods: Sequence[Fact]
    """What became of the goods, with the grams that remained; empty if no quantity is known."""
    corrections: Sequence[DossierEvent]
    """What was stated again, with both texts."""
    events: Sequence[DossierEvent]
    files: Sequence[DossierFile]
    proofs: Sequence[RecordProof]
