"""What the past of a vehicle and its parties answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.http.schema_base import Described

Whose = Literal["plate", "trailer", "driver", "carrier", "consignee", "declarant"]
EventKind = Literal["clear", "find", "seizure", "elsewhere", "passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent(Described):
    """An act, a find elsewhere, or a hit of somebody linked that was passed on."""

    known_at: datetime
    kind: EventKind
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOf(Described):
    """What was known of one entity of the crossing."""

    whose: Whose
    name: str | None
    crossings_by_week: list[int]
    """Of the last 52 weeks, the oldest first."""
    crossings_ever: int
    totals: dict[EventKind, int]
    """Within these weeks, listed or not; a trailer's or declarant's seizures count as finds."""
    events: list[PastEvent]
    """The last of them, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCrossing(Described):
    """An earlier crossing of the vehicle."""

    crossing_id: str
    post: str
    direction: Literal["entry", "exit"]
    arrived_at: datetime
    decision_id: str | None
    """Its decision, where this service made one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedTogether(Described):
    """Two entities of the crossing, and how often they had crossed together before."""

    one: Whose
    other: Whose
    crossings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedEntity(Described):
    """Somebody linked to an entity of the crossing."""

    name: str | None
    """None where only the loaded history knows it."""
    mark: str
    """Short and the same wherever it is shown; not a name."""
    since: datetime
    crossings: int
    inspected: int
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedEntities(Described):
    """All that one entity of the crossing links to others."""

    via: Whose
    to: Whose
    known: int
    """How many, of the 32 linked last."""
    is_bounded: bool
    """There may be more than 32."""
    passed: int
    """Hits passed along these links to the crossing's own."""
    fellows: list[LinkedEntity]
    """Those with most finds first, at most three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarSeizure(Described):
    """A past seizure whose reasons were like this decision's."""

    seized_on: str
    post: str
    vehicle_class: str
    place: str
    substance_class: str
    alike: float
    shared: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastView(Described):
    """What was known of a decision's vehicle and parties when it was made."""

    decision_id: str
    as_of: datetime
    synthetic: bool
    is_as_decided: bool
    """False where history was loaded since: it is then in what is shown."""
    entities: list[PastOf]
    crossings: list[EarlierCrossing]
    together: list[CrossedTogether]
    ties: list[LinkedEntities]
    similar: list[SimilarSeizure] | None
    """None where no model can say."""
