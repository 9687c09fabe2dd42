"""Many declarations ahead, their vehicles in random order: each is decided with the right one.

A twentieth is amended before its vehicle, a fiftieth cancelled, a fiftieth comes too late, and one
in twenty vehicles comes a second time. 100 here, 10,000 with ``DARVOZA_PROOF``.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api.auth.callers import Caller
from api.declarations import cancel, lodge
from api.service.assembly import open_runtime
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.declarations import lodgings, matcher
from engine.declarations.lodgings import LodgedVersion, alerts_of, read_uses
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival, OptionalReason
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, SystemClock, rfc3339
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim, crossing_name
from engine.journal.kinds import DECISION
from engine.storage.home import DATABASE_VARIABLE
from tests.support.running_service import POST, FakeModels, make_home
from tests.support.sizes import PROOF

SIZE = 10_000 if PROOF else 100
SENDER = Caller("key-sender", Role.DECLARANT, None)
FOUND_BY = ("declaration_id", "tir", "cmr", "container", "plate", "trailer")
COMES_AT = SystemClock().now()


@dataclass(frozen=True, slots=True)
class Voyage:
    """One declaration and its vehicle."""

    number: int
    found_by: str
    is_amended: bool
    is_cancelled: bool
    is_late: bool
    comes_twice: bool

    @property
    def name(self) -> str:
        """The declaration's identifier."""
        return f"VOY-{self.number}"

    @property
    def version(self) -> int | None:
        """The version that its vehicle is to be decided with."""
        return None if self.is_late or self.is_cancelled else 1 + self.is_amended

    def declare(self, version: int = 1) -> AdvanceDeclaration:
        """Return what is declared; the version stands in the code of its goods."""
        item = {"item_no": 1, "hs_code": f"{version:02d}{self.number % 10**6:06d}"}
        papers: dict[str, Any] = {"declaration_id": self.name, "procedure": "import"}
        if self.found_by == "tir":
            papers["tir_carnet"] = f"XR{self.number}"
        if self.found_by == "cmr":
            papers["cmr_number"] = self._id()
        vehicles: dict[str, dict[str, Any]] = {
            "container": {"container_numbers": [self._id()]},
            "plate": {"plate": self._id()},
            "trailer": {"trailer_plate": self._id()},
        }
        window = {
            "arrives_from": rfc3339(COMES_AT - HOUR),
            "arrives_until": rfc3339(COMES_AT + HOUR),
        }
        body = {
            "declaration": papers | {"items": [item]},
            "post": POST,
            "vehicles": [vehicles.get(self.found_by, {})],
        }
        return AdvanceDeclaration.model_validate(body | window, strict=False)

    def _id(self) -> str:
        return f"{self.found_by[0].upper()}{self.number:07d}"

    def arrival(self, time: int = 1) -> Arrival:
        """Return its vehicle as it comes the first time, or the second."""
        crossing: dict[str, Any] = {"crossing_id": f"{self.name}-{time}", "post": POST}
        crossing |= {
            "direction": "entry",
            "arrived_at": rfc3339(COMES_AT),
            "vehicle_class": "truck",
        }
        named: dict[str, dict[str, Any]] = {
            "declaration_id": {"declaration_id": self.name},
            "tir": {"tir_carnet": f"XR{self.number}"},
            "cmr": {"cmr_number": self._id()},
            "container": {"container_numbers": [self._id()]},
            "plate": {"plate": self._id()},
            "trailer": {"trailer_plate": self._id()},
        }
        crossing |= named[self.found_by]
        return Arrival.model_validate({"crossing": crossing}, strict=False)


def make_voyages(size: int) -> list[Voyage]:
    draw = Random(17)
    return [
        Voyage(
            number,
            FOUND_BY[number % len(FOUND_BY)],
            is_amended=number % 20 == 3,
            is_cancelled=number % 50 == 7,
            is_late=number % 50 == 11,
            comes_twice=draw.random() < 0.05 and number % 50 != 11,
        )
        for number in range(size)
    ]


@pytest.fixture
def runtime(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    found = open_runtime(make_home(tmp_path / "home"), Settings(), FakeModels())
    yield found
    found.close()


def decide(runtime: Runtime, arrival: Arrival) -> StoredRecord:
    name = crossing_name(arrival.crossing.crossing_id)
    asked = claim(DECISION, arrival, post=POST, name=name)
    return runtime.targeting.decide(arrival, asked).result(60)


def run_post(runtime: Runtime, voyages: list[Voyage]) -> Iterator[str]:
    """Let a post run through its voyages; yield what was decided otherwise than it should."""
    order = voyages.copy()
    Random(5).shuffle(order)
    with ThreadPoolExecutor(16) as threads:

        def each(do: Callable[[Voyage], Any], some: list[Voyage]) -> list[Any]:
            return list(threads.map(do, some))

        ahead = [one for one in voyages if not one.is_late]
        each(lambda one: lodge(runtime, SENDER, one.declare(), None), ahead)
        amended = [one for one in ahead if one.is_amended]
        each(lambda one: lodge(runtime, SENDER, one.declare(2), None), amended)
        called_off = [one for one in ahead if one.is_cancelled]
        each(lambda one: cancel(runtime, SENDER, one.name, OptionalReason(), None), called_off)
        first = each(lambda one: decide(runtime, one.arrival()), order)
        twice = [one for one in order if one.comes_twice]
        second = each(lambda one: decide(runtime, one.arrival(2)), twice)
        late = [one for one in order if one.is_late]
        each(lambda one: lodge(runtime, SENDER, one.declare(), None), late)
    for one, found in zip(order, first, strict=True):
        yield from _differences(one, found, version=one.version)
    for one, found in zip(twice, second, strict=True):
        yield from _differences(one, found, version=None)
    yield from _check_store(runtime, order, first)


def _differences(one: Voyage, found: StoredRecord, *, version: int | None) -> Iterator[str]:
    match = found.body["inputs"].get("advance") or {"uses": []}
    uses = [(use["declaration_id"], use["version"]) for use in match["uses"]]
    if uses != ([] if version is None else [(one.name, version)]):
        yield f"{one}: used {uses}"
    declared = found.body["arrival"].get("declaration")
    code = None if declared is None else declared["items"][0]["hs_code"]
    if code != (None if version is None else one.declare(version).declaration.items[0].hs_code):
        yield f"{one}: decided with {code}"


def _check_store(runtime: Runtime, order: list[Voyage], first: list[StoredRecord]) -> Iterator[str]:
    """Yield wrong alerts, declarations used twice, and decisions that were rewritten."""
    with runtime.store.read() as connection:
        uses = read_uses(connection, [one.name for one in order])
        if twice := [name for name, some in uses.items() if len(some) > 1]:
            yield f"used twice: {twice}"
        for one, found in zip(order, first, strict=True):
            alerts = alerts_of(connection, found.body["decision"]["decision_id"])
            if [alert["code"] for alert in alerts] != ["late"] * one.is_late:
                yield f"{one}: alerts {alerts}"
            if runtime.journal.body(connection, found.entry.seq) != found.body:
                yield f"{one}: the decision was rewritten"
        for found in first[:100]:
            if not runtime.recompute.decision(connection, found.entry.seq).is_identical:
                yield f"{found.entry.subject}: not made again"


@pytest.mark.timeout(1_500)  # 10,000 take minutes on a busy machine
def test_each_vehicle_is_decided_with_the_right_declaration_and_none_is_used_twice(
    runtime: Runtime,
) -> None:
    assert list(run_post(runtime, make_voyages(SIZE))) == []


def ignore_cancellations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a cancelled declaration stand as it was before."""
    read = lodgings.read_versions

    def before(connection: Any, names: Any, **asked: int) -> dict[str, LodgedVersion]:
        found: dict[str, LodgedVersion] = read(connection, names, **asked)
        cancelled = {name: one for name, one in found.items() if one.is_cancelled}
        for name, one in cancelled.items():
            found |= read(connection, [name], before=one.known_at)
        return found

    monkeypatch.setattr(matcher, "read_versions", before)


def match_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget who used a declaration, in the matching and in the store."""
    monkeypatch.setattr(matcher, "read_uses", lambda *_, **__: {})
    monkeypatch.setattr("engine.declarations.projection._add_uses", lambda *_: None)


def use_first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide with what was declared first."""
    read = lodgings.read_versions

    def first(connection: Any, names: Any, **asked: int) -> dict[str, LodgedVersion]:
        found: dict[str, LodgedVersion] = read(connection, names, **asked)
        for name, one in found.items():
            if one.version == 2 and not one.is_cancelled:
                found[name] = read(connection, [name], before=one.known_at)[name]
        return found

    monkeypatch.setattr(matcher, "read_versions", first)


@pytest.mark.parametrize("bug", [ignore_cancellations, match_twice, use_first_version])
def test_seeded_bugs_are_found(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, bug: Callable[..., None]
) -> None:
    bug(monkeypatch)
    voyages = [replace(one, comes_twice=one.number == 5) for one in make_voyages(30)]
    assert list(run_post(runtime, voyages))


def test_the_store_itself_refuses_a_second_use(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that matched at once: the key of the uses lets the first one win."""
    one = make_voyages(5)[4]
    lodge(runtime, SENDER, one.declare(), None)
    decide(runtime, one.arrival())
    seen = []
    read = lodgings.read_uses

    def late(*asked: Any, **more: Any) -> Any:
        seen.append(asked)
        return {} if len(seen) == 1 else read(*asked, **more)

    monkeypatch.setattr(matcher, "read_uses", late)
    found = decide(runtime, one.arrival(2))
    assert found.body["inputs"]["advance"] is None and len(seen) > 1
