"""Whom decisions sent is read from the journal, acts or none, and reaches the training report."""

from typing import Any

import numpy as np
import pytest

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.config import TrainConfig
from models.data.propensity_log import read_sent, sent_among
from models.training import candidates
from tests.support.running_service import World, arrival
from tests.unit.service.reports.test_acts import act

NUMBERS = range(8_800, 8_860)


class _SeenError(Exception):
    """Training was reached: what it was given is enough."""


@pytest.fixture(scope="module")
def decisions(world: World) -> dict[str, dict[str, Any]]:
    found = {}
    for number in NUMBERS:
        answer = world.decide(arrival(number, plate=f"01S{number:04d}ST"))
        assert answer.status_code == 201
        seen = world.get(f"/v1/decisions/{answer.json()['decision_id']}").json()
        found[seen["crossing_id"]] = seen
    return found


def test_it_hears_of_every_decision_that_sends_and_of_no_other(
    world: World, decisions: dict[str, dict[str, Any]]
) -> None:
    with world.runtime.store.read() as connection:
        found = read_sent(connection)
    sent = {name for name, one in decisions.items() if one["channel"] in ("yellow", "red")}
    assert sent and decisions.keys() - sent
    assert {name for name in decisions if name in found} == sent
    for name in sent:
        one = decisions[name]
        assert found[name] == (one["propensity"], one["basis"] == "random")
    among = sent_among(found, ["nobody", *sent], minutes={"nobody": 30.0})
    assert np.isnan(among.propensity[0]) and not np.isnan(among.propensity[1:]).any()
    assert not among.is_random[0] and among.minutes[0] == 30.0 and np.isnan(among.minutes[1:]).all()


def test_a_supervisors_word_that_it_may_go_leaves_the_draw_a_draw(
    world: World, decisions: dict[str, dict[str, Any]]
) -> None:
    one = next(one for one in decisions.values() if one["channel"] == "red")
    world.post(f"/v1/crossings/{one['crossing_id']}/release", {})
    with world.runtime.store.read() as connection:
        assert one["crossing_id"] in read_sent(connection)


def test_a_training_run_is_given_them(
    world: World, decisions: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = next(name for name, one in decisions.items() if one["channel"] == "red")
    world.post("/v1/inspections", act(8_800, one))
    given: dict[str, Any] = {}

    def train(dataset: Any, _config: Any, *, cutoff: int, **more: Any) -> None:
        given.update(dataset=dataset, cutoff=cutoff, **more)
        raise _SeenError

    monkeypatch.setattr(candidates, "train", train)
    with pytest.raises(_SeenError):
        candidates.make_candidate(
            world.home, world.runtime.store, Plan(CATALOGUE), TrainConfig(), by="ann",
            progress=lambda *_: None,
        )  # fmt: skip
    minutes = dict(zip(given["dataset"].crossing_id, given["sent"].minutes.tolist(), strict=True))
    assert (
        minutes[one] == 40.0
        and np.isnan([minutes[name] for name in decisions if name != one]).all()
    )
    hs2 = {name: int(name[2:]) % 80 if int(name[2:]) % 3 else None for name in decisions}
    keys = dict(zip(given["dataset"].crossing_id, given["table"].keys[0].tolist(), strict=True))
    assert len({(hs2[name], keys[name]) for name in decisions}) == len(set(hs2.values())), "shifted"
    assert keys[next(name for name in decisions if hs2[name] is None)] == 0
    result = dict(zip(given["dataset"].crossing_id, given["sent"].propensity.tolist(), strict=True))
    for name, decision in decisions.items():
        is_sent = decision["channel"] in ("yellow", "red")
        assert result[name] == decision["propensity"] if is_sent else np.isnan(result[name])
