"""Preview of an entry: what it would have matched, counted before it is proposed.

Nothing is recorded. The entry's identifiers become an expression of the profile language, whose
backtest reads all that the home knows: the loaded history and the records of this service. What is
folded for the list is folded there. Shapes are written out as spellings; of an identifier with more
than ``MOST_SPELLINGS`` of them only its own is counted, and the answer says so.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from api.auth.callers import Caller
from api.profiles.proposals import Days
from api.profiles.reads import link_examples
from api.service.runtime import Runtime
from engine.criteria.profiles.profile import BacktestSubject
from engine.criteria.watchlist import CONVEYANCE, PARTIES, list_identifiers
from engine.domain.identifiers import fold, skeleton
from engine.domain.records import Identifier, Record
from engine.domain.rights import Matter, Right

ROOM = 1700
"""Characters of an expression that spellings may take, of the 2,000 that there are."""
_CLASSES = ("0OQD", "1I", "2Z", "5S", "8B", "6G")
_ALIKE = {sign: alike for alike in _CLASSES for sign in alike}
_FIELDS = {"plate": "crossing.plate", "trailer": "crossing.trailer_plate", "vin": "crossing.vin"}
_ROLES = {kind: f"declaration.{kind}_id" for kind in PARTIES} | {"carrier": "crossing.carrier_id"}


class PreviewRequest(Record):
    """Identifiers of an entry that is not proposed yet."""

    plate: Identifier | None = None
    trailer: Identifier | None = None
    vin: Identifier | None = None
    container: Identifier | None = None
    party: Identifier | None = None
    carrier: Identifier | None = None
    consignee: Identifier | None = None
    consignor: Identifier | None = None
    declarant: Identifier | None = None
    driver_ref: Identifier | None = None
    look_alikes: bool = False
    days: Days = 90

    @model_validator(mode="after")
    def _names(self) -> Self:
        known = list_identifiers(self.model_dump(mode="json"))
        if not any(fold(one) if kind in CONVEYANCE else one for kind, one in known.items()):
            raise PydanticCustomError("missing_key", "at least one identifier is needed")
        return self


def preview_entry(service: Runtime, caller: Caller, asked: PreviewRequest) -> dict[str, Any]:
    """Return what an entry would have matched, as JSON values; nothing is recorded.

    Posts that the caller does not see are left out; what acts found is None where acts of some
    agency are hidden. Raises ``BusyError`` and ``NotEnoughDataError`` as a backtest does.
    """
    names = list_identifiers(asked.model_dump(mode="json"))
    expression = " || ".join(_conditions(names, is_by_shape=asked.look_alikes))
    hidden = caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE)
    if hidden:
        expression = f"({expression}) && !(crossing.post in {json.dumps(sorted(hidden))})"
    trial = BacktestSubject(expression, "red", 100.0, caller.post)
    found = service.backtests.run(trial, days=asked.days)
    sees = {"inspected": Matter.ACTS, "hits": Matter.ACTS, "seizures": Matter.SEIZURES}
    shown = ("synthetic", "since", "until", "days", "arrivals", "matches")
    a_day = found["matches_per_day"] or 1.0
    return {
        "names": names,
        "look_alikes": asked.look_alikes,
        "is_by_shape": asked.look_alikes and _are_all_spelt(names),
        **{name: found[name] for name in shown},
        **{name: found[name] if caller.sees_all(of) else None for name, of in sees.items()},
        "minutes": found["matches"] * found["minutes_per_day"] / a_day,
        "examples": link_examples(service, caller, found["examples"]),
    }


def _conditions(names: Mapping[str, str], *, is_by_shape: bool) -> Iterator[str]:
    """Yield what the profile language asks of an arrival that an identifier names."""
    for kind, value in names.items():
        if kind not in CONVEYANCE:
            roles = _ROLES.values() if kind == "party" else (_ROLES.get(kind, f"crossing.{kind}"),)
            yield from (f"{role} == {_literal(value)}" for role in roles)
        elif fold(value):
            known = _spellings(fold(value), among=len(names)) if is_by_shape else [value]
            several = f"[{', '.join(map(_literal, known))}]"
            if kind == "container":
                yield f"crossing.container_numbers.exists(c, c in {several})"
            else:
                yield f"{_FIELDS[kind]} in {several}"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _spellings(folded: str, *, among: int) -> list[str]:
    """Return the spellings of one shape, or this one alone where they are too many.

    ``among`` identifiers share the room of one expression.
    """
    signs = [_ALIKE.get(sign, sign) for sign in skeleton(folded)]
    most = ROOM // among // (len(folded) + 4)
    every = ["".join(one) for one in islice(product(*signs), most + 1)]
    return every if len(every) <= most else [folded]


def _are_all_spelt(names: Mapping[str, str]) -> bool:
    """Tell whether all spellings of each identifier that has a shape are counted."""
    shapes = [fold(value) for kind, value in names.items() if kind in CONVEYANCE]
    alike = [one for one in shapes if not _ALIKE.keys().isdisjoint(one)]
    return all(len(_spellings(one, among=len(names))) > 1 for one in alike)
