"""What a dishonest sender may try: replays, a rewritten past, plates in look-alike letters."""

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import insert

from engine.domain.identifiers import fold, skeleton
from engine.domain.records import Crossing
from engine.targeting import context
from features.online.crossing_index import PASSAGES, pack_keys
from features.online.online_features import OnlineFeatures
from tests.support.running_service import POST, World, arrival
from tests.support.sizes import PROOF
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.decisions.test_decisions import inputs

Sent = Callable[[World, Mapping[str, Any]], Any]


def decide(world: World, body: Mapping[str, Any]) -> Any:
    return world.decide(body)


def record(world: World, body: Mapping[str, Any]) -> Any:
    return world.post("/v1/crossings", body)


SENT = pytest.mark.parametrize("sent", [decide, record], ids=["decide", "record"])


def load(world: World, crossing_id: str) -> None:
    """Leave a crossing as loaded history leaves it: known, but never asked about over HTTP."""
    row = {
        "crossing_id": crossing_id,
        "post": POST,
        "plate_key": 1,
        "is_entry": True,
        "arrived_at": 0,
        "known_at": 1,
        "entity_keys": pack_keys([0]),
        "vehicle": "truck:laden",
    } | dict.fromkeys(("inspected", "hit", "seizure", "taught"), 0)
    with world.runtime.store.write() as connection:
        connection.execute(insert(PASSAGES), row)


@SENT
def test_replay_history_cannot_be_decided_again(world: World, sent: Sent) -> None:
    body = arrival(4001, crossing_id=f"history-{sent.__name__}")
    load(world, body["crossing"]["crossing_id"])
    assert is_problem(sent(world, body), 409)


def test_replay_history_is_one_row_of_a_batch(world: World) -> None:
    load(world, "history-batch")
    rows = [arrival(4002), arrival(4003, crossing_id="history-batch"), arrival(4004)]
    answered = world.post("/v1/decisions/batch", rows).json()
    assert [one.get("status", 201) for one in answered] == [201, 409, 201]


def test_replay_without_the_check_decides_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a service that does not look at the history."""
    load(world, "history-control")
    monkeypatch.setattr(OnlineFeatures, "known", lambda *_: frozenset())
    assert decide(world, arrival(4005, crossing_id="history-control")).status_code == 201


def test_replay_a_hundred_at_once_are_one_decision(world: World) -> None:
    body = arrival(4010)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: world.decide(body), range(100)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.content for one in answers}) == 1


@SENT
def test_a_day_to_come_is_refused_by_name(world: World, sent: Sent) -> None:
    late = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    answer = sent(world, arrival(4020, arrived_at=late))
    assert is_problem(answer, 422)
    fault = answer.json()["fields"][0]
    assert (fault["at"], fault["rule"]) == ("crossing.arrived_at", "in_the_future")
    near = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    body = arrival(4021, arrived_at=near, crossing_id=f"near-{sent.__name__}")
    assert sent(world, body).status_code == 201


@SENT
def test_two_declarations_at_once_are_refused_by_name(world: World, sent: Sent) -> None:
    body = arrival(4022, declaration_id="e-OTHER")
    answer = sent(world, body)
    assert is_problem(answer, 422)
    fault = answer.json()["fields"][0]
    assert (fault["at"], fault["rule"]) == ("declaration.declaration_id", "contradiction")
    assert "e-OTHER" not in answer.text


def draws(world: World, number: int, times: int) -> list[Any]:
    """Report one vehicle under new ids, each time a little different; return what was drawn."""
    plates = ("01 P {0} AA", "01p{0}aa", "01-Р-{0}-АА")
    drawn = []
    for attempt in range(times):
        body = arrival(
            number,
            crossing_id=f"probe-{number}-{attempt}",
            plate=plates[attempt % len(plates)].format(number),
            weighed_mass_kg=9000.0 + attempt,
        )
        decided = world.decide(body).json()
        drawn.append(inputs(world, decided)["draws"])
    return drawn


def test_probing_new_ids_draw_the_same_numbers(world: World) -> None:
    """A hundred near-identical reports: none changes its random check by asking."""
    for number in (501, 502, 503, 504):
        drawn = draws(world, number, 25)
        assert drawn == drawn[:1] * 25


def test_probing_draws_by_id_would_be_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: numbers that hang on the record's id, so that asking again draws again."""

    def by_id(crossing: Crossing, shift: Any) -> bytes:
        return crossing.crossing_id.encode()

    monkeypatch.setattr(context, "movement_key", by_id)
    drawn = draws(world, 505, 5)
    assert drawn != drawn[:1] * 5


PLATES = 10_000 if PROOF else 300
LATIN, CYRILLIC = "ABEKMHOPCTYX", "АВЕКМНОРСТУХ"
LOOK_ALIKE = dict(zip(LATIN, CYRILLIC, strict=True))
SHAPE = {"0": "OQD", "1": "I", "2": "Z", "5": "S", "8": "B", "6": "G"}


def plates() -> Iterator[str]:
    dice = random.Random(20_240_311)
    for _ in range(PLATES):
        letters = "".join(dice.choices(LATIN, k=3))
        yield f"{dice.randrange(100):02d}{letters[0]}{dice.randrange(1000):03d}{letters[1:]}"


def spelt(plate: str, look_alikes: dict[str, str]) -> Iterator[str]:
    """Yield every spelling: each subset of the places that have a look-alike."""
    places = [n for n, sign in enumerate(plate) if sign in look_alikes]
    for size in range(len(places) + 1):
        for chosen in combinations(places, size):
            yield "".join(look_alikes[s] if n in chosen else s for n, s in enumerate(plate))


def count_escaped(folded: Callable[[str], str], look_alikes: dict[str, str]) -> int:
    """Count the spellings that would be taken for another vehicle."""
    return sum(
        folded(one) != folded(plate)
        for plate in plates()
        for spelling in spelt(plate, look_alikes)
        for one in (spelling, spelling.lower(), f" {spelling[:2]}-{spelling[2:]} ")
    )


def test_no_subset_of_cyrillic_letters_hides_a_plate() -> None:
    assert count_escaped(fold, LOOK_ALIKE) == 0


@pytest.mark.parametrize("nth", range(3))
def test_no_subset_of_signs_of_one_shape_hides_a_plate_from_the_watch_list(nth: int) -> None:
    look_alikes = {sign: others[min(nth, len(others) - 1)] for sign, others in SHAPE.items()}
    assert count_escaped(lambda raw: skeleton(fold(raw)), look_alikes) == 0


def test_spellings_that_are_not_folded_would_hide_it() -> None:
    """Negative control: upper case alone, and the folding of entities where shapes are meant."""
    assert count_escaped(str.upper, LOOK_ALIKE) > PLATES
    assert count_escaped(fold, {"0": "O"}) > 0
